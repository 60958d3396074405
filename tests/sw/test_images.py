"""Patches and images made by formula."""

import numpy as np
import pytest

from onespike.images import patch, procedural


@pytest.mark.parametrize(("p", "shape"), [(2, (2, 3, 8, 8)), (4, (1, 3, 8, 8)), (2, (2, 1, 4, 6)), (3, (2, 2, 6, 9))])
def test_patch_is_space_to_depth(p, shape, rng):
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    out = patch(images, p)
    n, c, h, w = shape
    assert out.shape == (n, p * p * c, h // p, w // p) and out.dtype == np.uint8 and out.flags.c_contiguous
    for image, colour, y, x in np.ndindex(shape):
        assert out[image, (y % p * p + x % p) * c + colour, y // p, x // p] == images[image, colour, y, x]


def test_patch_of_one_pixel_changes_nothing(rng):
    images = rng.integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    assert np.array_equal(patch(images, 1), images)


def test_procedural_images_repeat():
    images = procedural(3, (3, 32, 32))
    assert images.shape == (3, 3, 32, 32) and images.dtype == np.uint8
    assert np.array_equal(images, procedural(3, (3, 32, 32)))
    assert np.array_equal(images[:2], procedural(2, (3, 32, 32)))
    assert not np.array_equal(images, procedural(3, (3, 32, 32), seed=1))


def test_procedural_images_use_the_whole_range_and_differ():
    images = procedural(4, (3, 32, 32))
    assert images.min() < 20 and images.max() > 235 and images.std() > 40
    assert len({image.tobytes() for image in images}) == 4
