"""What can run programs: the interface that real board, virtual board, recording and golden model share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Identity:
    """What a device is.

    ``fingerprint`` of its core; ``contract`` id that it was built with; ``clock_hz``; ``program`` CRC-32 that ends the
    loaded program image, 0 without one; ``image_bytes`` of an image for it, 0 without one; ``status`` a
    ``contract.regs.Status``.
    """

    fingerprint: int
    contract: int
    clock_hz: int
    program: int
    image_bytes: int
    status: object


@dataclass(frozen=True)
class Result:
    """What a device says about an image.

    ``image`` its number, from 0; ``scores`` int64 (classes,); ``prediction`` the class, of equal scores the lowest.
    Clock cycles: ``latency_cycles`` from the first fragment's arrival to the last score; ``cycles``, ``array_cycles``
    and ``weight_waits`` the core's registers for this image; all are 0 on the golden model, which has no clock.
    ``spikes`` that its layers fired. ``error`` is a sentence where the scores cannot be right, else ``None``; then
    ``prediction`` is -1.
    """

    image: int
    scores: np.ndarray
    prediction: int
    latency_cycles: int
    cycles: int
    array_cycles: int
    weight_waits: int
    spikes: int
    error: str | None = None


class Device(ABC):
    """Runs one program at a time. Methods raise ``BoardError`` (see its kinds in ``errors``) where the device fails."""

    uri: str

    @property
    @abstractmethod
    def identity(self):
        """The ``Identity`` as it is now."""

    @abstractmethod
    def load(self, program):
        """Make ``program`` (``contract.program.Program``) the one that runs; nothing is sent if it is already.

        Raises ``ProgramError`` where it was compiled for another core or does not arrive whole.
        """

    @abstractmethod
    def run(self, images):
        """Yields a ``Result`` for every one of ``images``, in order, each once.

        ``images``: any iterable of bytes, pixels in the core's order; it is drawn from only as fast as results are
        taken, and a few images ahead.
        """

    @abstractmethod
    def request(self, command, argument=0):
        """Words (tuple of numbers of 32 bits) of the reply to ``frames.Command`` COUNTERS, SELFTEST or LEDS."""

    @abstractmethod
    def reset(self):
        """Drop the program."""

    @abstractmethod
    def close(self):
        """Leave the device to others. May be called twice."""
