"""Consistent overhead byte stuffing: frames without zero bytes, between zero bytes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .interfaces import frame_part, text_byte

FULL = 255
"""Code of a block that no zero follows."""


class CobsDecoder(wiring.Component):
    """Decodes on the fly; whatever came before, a zero byte ends it, and the next byte begins a frame.

    Zero bytes in a row are no frames. A frame that ends inside a block, or in which a byte had no stop bit,
    ends with an error.

    Members
    -------
    i : In(stream(text_byte))
    o : Out(stream(frame_part)), ``byte`` or ``end``, never both
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(text_byte)), "o": Out(stream.Signature(frame_part))})

    def elaborate(self, platform):
        m = Module()
        byte = self.i.payload.byte
        begun, bad = Signal(), Signal()
        left = Signal(8, init=1)  # bytes to the next block's code, that one included
        gap = Signal()  # a zero goes before the next block
        code = left == 1
        with m.If(byte == 0):
            m.d.comb += [self.o.valid.eq(self.i.valid & begun), self.o.payload.end.eq(1)]
        with m.Else():
            m.d.comb += [self.o.valid.eq(self.i.valid & (~code | gap)), self.o.payload.present.eq(1)]
        with m.If(~code):
            m.d.comb += self.o.payload.byte.eq(byte)
        m.d.comb += [
            self.o.payload.error.eq(bad | ~code | self.i.payload.error),
            self.i.ready.eq(~self.o.valid | self.o.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [begun.eq(1), left.eq(left - 1)]
            with m.If(code):
                m.d.sync += [left.eq(byte), gap.eq(byte != FULL)]
            with m.If(self.i.payload.error):
                m.d.sync += bad.eq(1)
            with m.If(byte == 0):
                m.d.sync += [begun.eq(0), bad.eq(0), left.eq(1), gap.eq(0)]
        return m
