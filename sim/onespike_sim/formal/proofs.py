"""All proofs: which harness, and how it is checked."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from amaranth.hdl import Elaboratable

from .control.sequencer import Commands
from .engine.accumulators import Results
from .engine.da import Tables
from .engine.drain import Admission, Looks
from .engine.windows import HALVES, Bounds
from .link.cobs import Decoder
from .link.datagrams import Outlet
from .link.feed import Feeds
from .link.receive import Framer
from .link.slots import Pool
from .link.uart import Line
from .memory.weights import Blocks
from .soc.scores import Scores

WORDS = "smtbmc z3"
"""Engine for inductions: it reasons about numbers, and about memories as such."""
BITS = "smtbmc --nomem --syn z3"
"""The same on single bits: for long traces, and where numbers are only names."""
REACH = "abc pdr"
"""Engine that finds an induction's invariants itself: for small state machines."""


def _frame():
    """Bytes of a frame with its CRC."""
    body = bytes(range(1, 6))
    return body + zlib.crc32(body).to_bytes(4, "little")


@dataclass(frozen=True)
class Proof:
    """One harness and its checks.

    ``harness`` is proven, for all time, by ``engine``: an induction over ``depth`` cycles, or 0 where the engine finds
    its own. With ``parts``, once for each, which is its argument. The covers of ``example()``, the same unless it is
    given, must all be reached within ``reach`` cycles, by ``reaches``.
    """

    name: str
    what: str
    harness: Callable[..., Elaboratable]
    depth: int
    reach: int
    engine: str = WORDS
    reaches: str = BITS
    parts: tuple = ()
    example: Callable[[], Elaboratable] | None = None

    @property
    def checks(self):
        """(mode, depth, engine, makers of the harness) of each."""
        makers = [partial(self.harness, part) for part in self.parts] or [self.harness]
        return [
            ("prove", self.depth, self.engine, makers),
            ("cover", self.reach, self.reaches, [self.example or self.harness]),
        ]


PROOFS = {
    proof.name: proof
    for proof in (
        Proof("uart", "bytes in order, none lost", Line, 0, 50, REACH),
        Proof("cobs", "stream rules, decoding", Decoder, 3, 12),
        Proof("receive", "framer: told once, in its slot", Framer, 2, 60, example=lambda: Framer(_frame())),
        Proof("slots", "one owner each, none lost", Pool, 2, 20, BITS),
        Proof("feed", "bytes in order, released once", Feeds, 2, 25),
        Proof("datagrams", "stream rules, length, order", Outlet, 3, 25),
        Proof("scores", "FIFO: in order, none lost", Scores, 2, 24),
        Proof("sequencer", "banks free, positions once", Commands, 3, 60),
        Proof("windows", "addresses inside the map", Bounds, 1, 20, parts=tuple(HALVES), example=lambda: Bounds(6)),
        Proof("weights", "words of the block asked for", Blocks, 3, 30),
        Proof("da", "table banks never meet", Tables, 2, 50),
        Proof("accumulators", "result banks never meet", Results, 2, 12),
        Proof("looks", "drain looks where it may", Looks, 6, 30),
        Proof("admission", "queues never overrun", Admission, 2, 70),
    )
}
