"""Test images to run, whatever there is: a data set's, or images made by formula where it is missing."""

from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..images import procedural
from . import load


class Sample(NamedTuple):
    """``images`` uint8 (n, C, H, W); ``labels`` int64 (n,) or ``None``; ``what`` the images are, in a few words;
    ``missing`` the sentence that says why there is no data set, or ``None``."""

    images: np.ndarray
    labels: np.ndarray | None
    what: str
    missing: str | None


def sample(dataset, folder, count, shape, classes):
    """The first ``count`` test images of ``dataset`` (see ``load``), for a network of images ``shape`` (C, H, W).

    Where the data set is missing they are made by formula. Raises ``DataError`` where it is there but has images of
    another shape or labels beyond ``classes``.
    """
    try:
        data = load(dataset, folder)
    except DataError as error:
        return Sample(procedural(count, shape), None, "procedural", str(error))
    data.require(shape, classes)
    what = f"{data.name} test, {data.test_pixels} pixels"
    return Sample(data.test_images[:count], data.test_labels[:count], what, None)
