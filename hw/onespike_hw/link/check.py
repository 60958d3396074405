"""The CRC-32 that ends a frame, a few bits at a time: a whole byte at once would take three times the logic."""

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

STEP_BITS = 2
STEPS = 8 // STEP_BITS
"""Clock cycles that a byte takes."""


class FrameCheck(wiring.Component):
    """CRC-32 (ISO-HDLC) of the bytes since ``clear``.

    Members
    -------
    clear : In(1), forget everything, also a byte that is not done
    byte : In(8), the same until ``done``; valid : In(1), work on it in this cycle
    done : Out(1), it is worked on for the last time
    crc : Out(32), of the bytes that are done; match : Out(1), they end with their own CRC
    """

    def __init__(self):
        super().__init__(
            {"clear": In(1), "byte": In(8), "valid": In(1), "done": Out(1), "crc": Out(32), "match": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        unit = crc.catalog.CRC32_ISO_HDLC(data_width=STEP_BITS).create()
        m.submodules.unit = ResetInserter(self.clear)(unit)
        step = Signal(range(STEPS))
        m.d.comb += [
            unit.data.eq(self.byte.word_select(step, STEP_BITS)),
            unit.valid.eq(self.valid),
            self.done.eq(self.valid & (step == STEPS - 1)),
            self.crc.eq(unit.crc),
            self.match.eq(unit.match_detected),
        ]
        with m.If(self.clear):
            m.d.sync += step.eq(0)
        with m.Elif(self.valid):
            m.d.sync += step.eq(step + 1)
        return m
