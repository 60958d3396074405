"""Images as a program wants them, and as the core takes them."""

import zlib

import numpy as np

from ..contract import frames
from ..errors import DataError
from ..golden import run
from ..images import arrange


def prepare(program, images):
    """Images uint8 (n, C, H, W), as they are or patched already -> patched, uint8 (n, channels, side, side).

    Raises ``DataError`` that names both shapes where they are not the program's.
    """
    images = np.asarray(images)
    plain, patched = _shapes(program)
    if images.dtype == np.uint8 and images.ndim == 4:
        if images.shape[1:] == patched:
            return images
        if images.shape[1:] == plain:
            given = program.metadata
            return arrange(images, given["patch"], given.get("steps", 1), given.get("encoding", "planes"))
    raise DataError(
        f"images are {images.dtype} {images.shape}, the program takes uint8 (n, {', '.join(map(str, plain or patched))}); "
        "convert or crop them"
    )


def _shapes(program):
    """((C, H, W) of an image or ``None`` where the program does not tell, (C, H, W) of a patched one)."""
    side = program.image_side
    plain, p = program.metadata.get("image"), program.metadata.get("patch")
    return plain and p and tuple(plain), (program.image_channels, side, side)


def to_bytes(pixels):
    """Bytes of one patched image uint8 (C, H, W) in the core's order: position by position, all channels of each."""
    return pixels.transpose(1, 2, 0).tobytes()


def from_bytes(program, content):
    """Inverse of ``to_bytes``: uint8 (C, H, W)."""
    side = program.image_side
    return np.frombuffer(content, np.uint8).reshape(side, side, program.image_channels).transpose(2, 0, 1)


def selftest_image(program):
    """The image of the board's self-test, uint8 (1, C, H, W): byte i in the core's order is a formula of i."""
    i = np.arange(program.image_channels * program.image_side**2)
    return from_bytes(program, frames.selftest_byte(i).astype(np.uint8).tobytes())[None]


def selftest_check(program):
    """CRC-32 of the scores (signed, 32 bits each, little-endian) that ``selftest_image`` must have."""
    return zlib.crc32(run(program, selftest_image(program))[0].astype("<i4").tobytes())
