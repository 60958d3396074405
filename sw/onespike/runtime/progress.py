"""A line that says how far a run is."""

import sys
import time

BAR = 30
"""Characters of the bar."""
PAUSE = 0.1
"""Seconds between two looks of the line."""


class Progress:
    """Counts ``total`` images on stderr while ``shown``. Attribute ``rate``: images per second so far."""

    def __init__(self, total, shown):
        self._total, self._shown = total, shown
        self._count = 0
        self._start = self._last = time.perf_counter()

    @property
    def rate(self):
        """Images per second from the first one's start to the last one's result."""
        return self._count / max(self._last - self._start, 1e-9)

    def step(self):
        """Another image is done."""
        self._count += 1
        now, before = time.perf_counter(), self._last
        self._last = now
        if self._shown and (self._count == self._total or now // PAUSE != before // PAUSE):
            done = BAR * self._count // self._total
            bar = "#" * done + "." * (BAR - done)
            print(
                f"\r[{bar}] {self._count}/{self._total}  {self.rate:.1f} images/s ", end="", file=sys.stderr, flush=True
            )

    def end(self):
        """Leave the line."""
        if self._shown and self._count:
            print(file=sys.stderr)
