"""Small networks with images and the scores that the golden model gives them."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.contract.program import Program
from onespike.golden import run
from onespike.random_networks import draw
from onespike.runtime.pixels import prepare, to_bytes

TINY = preset("tiny")
LARGE, SMALL = 271, 32
"""Seeds of networks: images of 32x32x3, three fragments each; of 8x8x3, one."""


@dataclass(frozen=True)
class Case:
    """``images`` uint8 (n, C, H, W) for ``program``, and their ``scores`` int64 (n, classes)."""

    program: Program
    images: np.ndarray
    scores: np.ndarray

    @property
    def pixels(self):
        """Bytes of every image in the core's order."""
        return [to_bytes(image) for image in prepare(self.program, self.images)]

    @property
    def file(self):
        """Bytes of the program image."""
        return self.program.encode().astype("<u4").tobytes()


@cache
def tiny_case(seed, count):
    """The network of ``seed`` (``LARGE`` or ``SMALL``) for the tiny core with ``count`` random images."""
    model, _ = draw(seed, TINY)
    program = compile(model, TINY).program
    images = np.random.default_rng(seed).integers(0, 256, (count, *model.spec.image)).astype(np.uint8)
    return Case(program, images, run(program, model.spec.arrange(images)))
