"""Patches and images made by formula."""

import numpy as np

from onespike.images import patch, procedural


def test_patch_is_space_to_depth(rng):
    images = rng.integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    out = patch(images, 2)
    assert out.shape == (2, 12, 4, 4)
    for n, c, y, x in np.ndindex(images.shape):
        assert out[n, (y % 2 * 2 + x % 2) * 3 + c, y // 2, x // 2] == images[n, c, y, x]
    assert np.array_equal(patch(images, 1), images)


def test_procedural_images_repeat():
    images = procedural(3, (3, 32, 32))
    assert images.shape == (3, 3, 32, 32) and images.dtype == np.uint8
    assert np.array_equal(images, procedural(3, (3, 32, 32)))
    assert images.std() > 40 and not np.array_equal(images[0], images[1])
