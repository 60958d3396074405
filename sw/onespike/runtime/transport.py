"""What carries frames between driver and board: the interface, and checks shared by all of its kinds."""

import os
from abc import ABC, abstractmethod

from ..contract import frames

SILENCE = 5.0
"""Seconds without any progress after which a driver gives up, unless a URI says otherwise."""


class Transport(ABC):
    """A way to a board; whole frames with their CRC go in and come out.

    Attributes: ``uri`` it was opened by; ``wait`` seconds in which an answer of a healthy board arrives;
    ``timeout`` seconds without progress after which the driver gives up; ``damaged`` frames dropped so far.
    Every method raises ``LinkError`` where the way to the board is gone.
    """

    uri: str
    wait: float
    timeout: float
    damaged: int = 0

    @abstractmethod
    def send(self, frame):
        """Send a whole frame (bytes, with its CRC)."""

    @abstractmethod
    def receive(self, timeout):
        """The next whole frame (bytes, with its CRC), ``None`` if none came within ``timeout`` seconds.

        Damaged frames are counted and dropped, so a frame that comes out can be decoded.
        """

    @abstractmethod
    def close(self):
        """Give the way up. May be called twice."""

    def nonce(self):
        """A random number of 32 bits; a transport that replays gives the recorded one."""
        return int.from_bytes(os.urandom(4), "little")

    def accept(self, frame):
        """True where ``frame`` is a whole frame from a board; counts it as damaged otherwise."""
        try:
            frames.decode(frame)
        except ValueError:
            self.damaged += 1
            return False
        return True
