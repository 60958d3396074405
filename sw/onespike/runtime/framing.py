"""COBS framing of a byte stream: zero bytes separate frames and occur nowhere else."""

from cobs import cobs

from ..contract import frames

ENCODED_BYTES = frames.FRAME_BYTES + frames.FRAME_BYTES // 254 + 1
"""Most bytes of an encoded frame between its zeros."""


def enframe(frame):
    """Bytes on the line for ``frame``: a zero ends whatever was on the line before, another one ends the frame."""
    return b"\0" + cobs.encode(frame) + b"\0"


class Deframer:
    """Takes bytes as they come; gives the frames between zeros.

    Attribute ``damaged`` counts pieces that are no COBS, or too long to be a frame.
    """

    def __init__(self):
        self.damaged = 0
        self._piece = bytearray()
        self._too_long = False

    def feed(self, received):
        """Frames (list of bytes, CRC not yet checked) that ``received`` completes."""
        found = []
        *whole, rest = received.split(b"\0")
        for part in whole:
            self._collect(part)
            if self._too_long:
                self.damaged += 1
            elif self._piece:
                try:
                    found.append(cobs.decode(bytes(self._piece)))
                except cobs.DecodeError:
                    self.damaged += 1
            self._piece.clear()
            self._too_long = False
        self._collect(rest)
        return found

    def _collect(self, part):
        self._piece += part
        if len(self._piece) > ENCODED_BYTES:
            # No frame is so long: its bytes need not be kept until the zero comes.
            self._too_long = True
            self._piece.clear()
