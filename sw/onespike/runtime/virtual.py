"""The virtual board: the whole system simulated in a process of its own, reached over a link as a real board is."""

import contextlib
import os
import signal
import subprocess
import sys

from ..errors import BoardError, LinkError
from .transport import Transport

LINKS = ("uart", "udp")
WAIT, SILENCE = 3.0, 120.0
"""``wait`` and ``timeout`` of a simulation: some thousand times slower than the board."""
END = 10
"""Seconds that the simulation may take to end after its input was closed."""


class VirtualTransport(Transport):
    """Starts ``python -m onespike_sim virtual-board`` and speaks to it; ``close`` ends it.

    ``connect(uri, wait, timeout)`` gives the transport to the URI that it prints;
    ``system`` a name of ``contract.boards.SYSTEMS``; ``link`` one of ``LINKS``; ``wait`` and ``timeout`` as of
    ``Transport``. Raises ``BoardError`` where the simulation does not start; it says why on stderr.
    """

    def __init__(self, connect, system="virtual", link="uart", wait=WAIT, timeout=SILENCE):
        if link not in LINKS:
            raise BoardError(f"a virtual board has no link {link!r}; choose one of {', '.join(LINKS)}")
        command = [sys.executable, "-m", "onespike_sim", "virtual-board", "--system", system, "--link", link]
        # It ends when its input closes, also when this process dies: none is left behind. An interrupt from the
        # keyboard must not reach it: the driver says goodbye first.
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        try:
            self.inner = connect(self._printed(command), wait, timeout)
        except BaseException:
            self._signal(signal.SIGTERM)  # while it is built it does not look at its input
            self._end()
            raise
        self.uri, self.wait, self.timeout = self.inner.uri, self.inner.wait, self.inner.timeout

    def _printed(self, command):
        """The URI that the simulation prints when it is ready; building it may take minutes."""
        for line in self._process.stdout or ():
            if line.startswith(("serial://", "udp://")):
                return line.strip()
        raise BoardError(f"the virtual board did not start; run '{' '.join(command)}' to see why")

    @property
    def damaged(self):
        """Frames that the link to the simulation dropped."""
        return self.inner.damaged

    def send(self, frame):
        self._alive()
        self.inner.send(frame)

    def receive(self, timeout):
        frame = self.inner.receive(timeout)
        if frame is None:
            self._alive()
        return frame

    def close(self):
        self.inner.close()
        self._end()

    def _alive(self):
        if self._process.poll() is not None:
            raise LinkError(f"the virtual board ended with status {self._process.returncode}; start it again")

    def _end(self):
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate(timeout=END)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.communicate()

    def _signal(self, number):
        """To it and to what it started: it may be building."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
