"""Frames over a UART: pyserial and COBS."""

import contextlib
import time
from collections import deque

import serial

from ..contract import boards, frames, soc
from ..errors import BusyError, LinkError
from .framing import ENCODED_BYTES, Deframer, enframe
from .transport import SILENCE, Transport

BITS = 10
"""Bits on the line per byte: start, eight, stop."""


class SerialTransport(Transport):
    """A serial port, taken exclusively.

    ``path`` of the device; ``baud``; ``wait`` and ``timeout`` as of ``Transport`` (default: twice the time that a
    window of fragments takes, and ``SILENCE``). Raises ``LinkError`` where there is no such port, ``BusyError`` where
    another process holds it.
    """

    def __init__(self, path, baud=boards.SYSTEMS["arty"].baud, wait=None, timeout=SILENCE):
        self.uri = f"serial://{path}"
        window = soc.WINDOW * (ENCODED_BYTES + 2) * BITS / baud
        self.wait = 0.05 + 2 * window if wait is None else wait
        self.timeout = timeout
        self._deframer, self._frames = Deframer(), deque()
        try:
            self._port = serial.Serial(path, baud, exclusive=True, write_timeout=timeout)
        except (serial.SerialException, ValueError, OSError) as error:
            if "exclusively lock" in str(error):
                raise BusyError(f"another program holds {path}; close it, or choose another port") from None
            reason = getattr(error, "strerror", None) or error
            raise LinkError(f"cannot open {path} ({reason}); check the cable, the name and your rights (group dialout)") from None

    def send(self, frame):
        try:
            self._port.write(enframe(frame))
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None

    def receive(self, timeout):
        end = time.monotonic() + timeout
        while True:
            while self._frames:
                if self.accept(frame := self._frames.popleft()):
                    return frame
            left = end - time.monotonic()
            if left <= 0:
                return None
            before = self._deframer.damaged
            self._frames.extend(self._deframer.feed(self._read(left)))
            self.damaged += self._deframer.damaged - before

    def _read(self, seconds):
        """What has arrived; at least a byte unless ``seconds`` pass."""
        try:
            self._port.timeout = seconds
            return self._port.read(min(max(1, self._port.in_waiting), frames.FRAME_BYTES))
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None

    def _gone(self, error):
        return LinkError(f"the serial port of {self.uri} failed ({error}); check cable and power, then open it again")

    def close(self):
        with contextlib.suppress(serial.SerialException, OSError):  # a port that is gone is as good as closed
            self._port.close()
