"""A transport to a virtual board whose time passes only while the driver waits: everything is counted in cycles."""

from onespike.runtime.serial import SerialTransport
from onespike.runtime.transport import Transport
from onespike.runtime.udp import UdpTransport

STEP = 500
"""Cycles between looks for a frame: how quick this host is."""
LOOK = 1e-4
"""Seconds of such a look. The answer is there already: the simulation stands still."""
SILENCES = 20
"""Waits without progress until the driver gives up."""


class SteppedTransport(Transport):
    """Reaches ``board`` (``VirtualBoard`` made with ``step``) as a real host does, but waits in its time.

    ``wait`` in seconds of the board's clock, ``clock_hz``. ``nonces``: an iterator of numbers of 32 bits, so that a
    test can be replayed.
    """

    def __init__(self, board, clock_hz, wait, nonces):
        kind, _, place = board.uri.partition("://")
        if kind == "serial":
            self.inner = SerialTransport(place)
        else:
            host, _, port = place.rpartition(":")
            self.inner = UdpTransport(host, int(port))
        self.uri, self.wait, self.timeout = board.uri, wait, SILENCES * wait
        self._board, self._clock_hz, self._nonces = board, clock_hz, nonces

    @property
    def damaged(self):
        """Frames that the link dropped."""
        return self.inner.damaged

    def send(self, frame):
        self.inner.send(frame)

    def receive(self, timeout):
        end = self._board.cycle + timeout * self._clock_hz
        while (frame := self.inner.receive(LOOK)) is None and self._board.cycle < end:
            self._board.step(STEP)
        return frame

    def nonce(self):
        return next(self._nonces)

    def close(self):
        self.inner.close()
