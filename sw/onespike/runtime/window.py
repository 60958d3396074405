"""Fragments on their way: go-back-N, by numbers that wrap."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..contract import frames

NUMBERS = 1 << 16
"""Sequence numbers and result indices are modulo this; here they are whole numbers that never wrap."""


def unwrap(number, near):
    """The whole number closest to ``near`` that is ``number`` modulo ``NUMBERS``."""
    return near + (number - near + NUMBERS // 2) % NUMBERS - NUMBERS // 2


@dataclass(frozen=True)
class Fragment:
    """What of a frame does not depend on when it is sent: ``record`` (``frames.Image`` or ``frames.Program``), its
    ``fields`` but session, sequence and results, and the ``payload`` bytes."""

    record: Any
    payload: bytes
    fields: dict = field(default_factory=dict)


def fragments(record, content, **fields):
    """The fragments of an image or a program (bytes), in order."""
    step = frames.PAYLOAD_BYTES
    return [
        Fragment(record, content[offset : offset + step], {**fields, "offset": offset})
        for offset in range(0, len(content), step)
    ]


class SendWindow:
    """Fragments of a session that the board has not accepted yet, and where to go on.

    ``limit`` fragments may be sent at first. Attributes, whole numbers: ``base`` sequence of the oldest fragment not
    accepted; ``next`` of the one to be sent next; ``limit`` of the first one that may not be sent.
    """

    def __init__(self, limit):
        self.base = self.next = 0
        self.limit = limit
        self._waiting = deque()
        self._sent = 0
        self._rewound = -1

    @property
    def end(self):
        """Sequence after the last fragment."""
        return self.base + len(self._waiting)

    @property
    def sendable(self):
        """Whether a fragment waits that may be sent."""
        return self.next < min(self.end, self.limit)

    @property
    def hungry(self):
        """Whether another fragment could be sent if there were one."""
        return self.end == self.next < self.limit

    @property
    def stuck(self):
        """Whether the board has all that was sent, and wants no more."""
        return self.base == self.next >= self.limit

    def add(self, fragments):
        """Put fragments at the end."""
        self._waiting.extend(fragments)

    def take(self):
        """(sequence, fragment) to be sent now; only while ``sendable``."""
        self.next += 1
        self._sent = max(self._sent, self.next)
        return self.next - 1, self._waiting[self.next - 1 - self.base]

    def update(self, expected, limit):
        """Learn from a board's ``State`` (16-bit numbers); true if it accepted something or allows more."""
        expected = unwrap(expected, self.base)
        if not self.base <= expected <= self._sent:
            return False  # said before what we know already
        limit = unwrap(limit, expected)
        news = expected > self.base or limit > self.limit
        for _ in range(expected - self.base):
            self._waiting.popleft()
        self.base, self.limit = expected, limit
        self.next = max(self.next, expected)
        return news

    def gap(self, expected):
        """A fragment before one that arrived is lost: go back, but once for each fragment."""
        if unwrap(expected, self.base) == self.base != self._rewound:
            self.rewind()
            self._rewound = self.base

    def rewind(self):
        """Send again from the oldest fragment not accepted."""
        self.next = self.base
