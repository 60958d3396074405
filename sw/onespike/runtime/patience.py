"""How long a driver goes on without progress: counted in waits that nothing ended, so no clock is read."""

import math

from ..errors import BusyError, LinkError

USELESS = 64
"""Frames that say nothing new and count as much as a silence."""


class Patience:
    """Patience with the board behind ``transport``: its ``timeout`` in steps of its ``wait``.

    Attribute ``half_gone`` is true once half of it is used up. ``silence`` and ``useless`` raise ``LinkError`` when
    it ends, or ``BusyError`` after ``busy``.
    """

    def __init__(self, transport):
        self._uri, self._timeout = transport.uri, transport.timeout
        self._most = max(4, math.ceil(transport.timeout / transport.wait))
        self.progress()

    @property
    def half_gone(self):
        return self._silences >= self._most // 2

    def progress(self):
        """Something came that was waited for: all patience is back."""
        self._silences = self._useless = 0
        self._busy = False

    def busy(self):
        """The board is another host's."""
        self._busy = True

    def useless(self):
        """A frame came that says nothing new."""
        self._useless += 1
        if self._useless % USELESS == 0:
            self.silence()

    def silence(self):
        """Nothing came in time."""
        self._silences += 1
        if self._silences < self._most:
            return
        if self._busy:
            raise BusyError(
                f"another host uses the board at {self._uri} (asked for {self._timeout:g} s); try again when it is done"
            )
        if self._useless:
            raise LinkError(
                f"the board at {self._uri} answers, but gets nowhere for {self._timeout:g} s; press its reset button"
            )
        raise LinkError(
            f"no answer from the board at {self._uri} for {self._timeout:g} s; check power, cable and address"
        )
