"""Image in: patched pixels become the levels of the first map."""

import numpy as np

from ..contract.config import PIXEL_BITS
from ..errors import DataError


def encode(program, pixels):
    """uint8 (n, C, H, W) -> (C padded to whole words, n, H, W) float32 levels 0..255.

    Raises ``DataError`` where the pixels do not fit the program.
    """
    pixels = np.asarray(pixels)
    side = program.image_side
    expected = (program.image_channels, side, side)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != expected:
        raise DataError(
            f"pixels are {pixels.dtype} {pixels.shape}, the program takes uint8 (n, {expected[0]}, {side}, {side}); "
            "patch the images first"
        )
    return pad_channels(pixels.transpose(1, 0, 2, 3).astype(np.float32), program.config.word), 2**PIXEL_BITS - 1


def pad_channels(levels, word):
    """Levels (C, n, H, W) with zero channels up to whole words of ``word``."""
    missing = -len(levels) % word
    return np.concatenate([levels, np.zeros((missing, *levels.shape[1:]), levels.dtype)]) if missing else levels
