"""What counts cycles: the time, and the watchdog."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS

BITE = 16
"""Cycles that the watchdog holds the reset."""


class Timer(wiring.Component):
    """Clock cycles since reset in two words.

    Members
    -------
    hold : In(1), pulse: the low word is read, keep the high word of now
    low, high : Out(32), low word of now; high word as it was at the last ``hold``
    """

    def __init__(self):
        self.now = Signal(2 * WORD_BITS)
        super().__init__({"hold": In(1), "low": Out(WORD_BITS), "high": Out(WORD_BITS)})

    def elaborate(self, platform):
        m = Module()
        now = self.now
        m.d.sync += now.eq(now + 1)
        m.d.comb += self.low.eq(now)
        with m.If(self.hold):
            m.d.sync += self.high.eq(now >> WORD_BITS)
        return m


class Watchdog(wiring.Component):
    """Bites when it was not fed for ``cycles``; it cannot be switched off.

    Members
    -------
    feed : In(1)
    bite : Out(1), high for ``BITE`` cycles: reset what it guards
    bites : Out(32), how often it did
    """

    def __init__(self, cycles):
        self.cycles = cycles
        super().__init__({"feed": In(1), "bite": Out(1), "bites": Out(WORD_BITS)})

    def elaborate(self, platform):
        m = Module()
        # From below zero: its sign alone tells the end.
        count, held = Signal(range(1 - self.cycles, 1), init=1 - self.cycles), Signal(range(BITE + 1))
        m.d.comb += self.bite.eq(held != 0)
        with m.If(self.bite):
            m.d.sync += [held.eq(held - 1), count.eq(count.init)]
        with m.Elif(self.feed):
            m.d.sync += count.eq(count.init)
        with m.Elif(count >= 0):
            m.d.sync += [held.eq(BITE), self.bites.eq(self.bites + 1)]
        with m.Else():
            m.d.sync += count.eq(count + 1)
        return m


class Stretch(wiring.Component):
    """Makes a pulse ``cycles`` long.

    Members
    -------
    i : In(1), pulse
    o : Out(1), high for ``cycles`` from the cycle after the pulse, also after reset
    """

    def __init__(self, cycles):
        self.cycles = cycles
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        left = Signal(range(self.cycles + 1), init=self.cycles)
        m.d.comb += self.o.eq(left != 0)
        with m.If(self.i):
            m.d.sync += left.eq(self.cycles)
        with m.Elif(self.o):
            m.d.sync += left.eq(left - 1)
        return m
