"""Frames over Ethernet: a frame is a datagram."""

import socket
import time

from ..contract import frames
from ..errors import LinkError
from .transport import SILENCE, Transport

WAIT = 0.05
"""Seconds in which a board answers: a few images, and what the network adds."""


class UdpTransport(Transport):
    """A connected UDP socket.

    ``host`` name or address of the board; ``port``; ``wait`` and ``timeout`` as of ``Transport``. Raises ``LinkError``
    where the host's name is unknown or the network has no way to it.
    """

    def __init__(self, host, port=frames.UDP_PORT, wait=WAIT, timeout=SILENCE):
        self.uri = f"udp://{host}:{port}"
        self.wait, self.timeout = wait, timeout
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.connect((host, port))
        except OSError as error:
            self._socket.close()
            raise LinkError(f"cannot reach {self.uri} ({error.strerror or error}); check address and network") from None

    def send(self, frame):
        try:
            self._socket.send(frame)
        except OSError as error:
            raise self._gone(error) from None

    def receive(self, timeout):
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame = self._socket.recv(2 * frames.FRAME_BYTES)
            except TimeoutError:
                return None
            except OSError as error:
                raise self._gone(error) from None
            if self.accept(frame):
                return frame
        return None

    def _gone(self, error):
        if isinstance(error, ConnectionRefusedError):
            return LinkError(f"nothing listens at {self.uri}; check the address and that the board is on")
        return LinkError(f"the network on the way to {self.uri} failed ({error}); check cable and address")

    def close(self):
        self._socket.close()
