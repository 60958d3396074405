"""The COBS decoder."""

from amaranth.hdl import Assert, Cover, Elaboratable, Module, Signal

from onespike_hw.link.cobs import FULL, CobsDecoder

from ..properties import follows_rules, free_inputs, keeps_rules, opened


class Decoder(Elaboratable):
    """Any bytes, legal or not, decoded as the definition of COBS says.

    A block is a code c and c - 1 bytes that pass unchanged; a zero follows unless c is ``FULL`` or the frame ends. A
    zero byte ends every frame that has begun, once, and what comes after it does not depend on what was before.
    Nothing is lost while the receiver stalls: a part leaves exactly with the byte that brought it.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = CobsDecoder()
        inner = opened(dut)
        free_inputs(m, dut)
        follows_rules(m, dut.i)
        keeps_rules(m, dut.o)
        given, part = dut.i.payload, dut.o.payload
        taken, left, zero = Signal(), dut.o.valid & dut.o.ready, given.byte == 0
        m.d.comb += taken.eq(dut.i.valid & dut.i.ready)

        literal = Signal(8)  # bytes of the block that pass unchanged
        owes, begun, wrong = Signal(), Signal(), Signal()
        m.d.comb += [
            Assert(~left | taken),
            Assert(~taken | (left == ((zero & begun) | (~zero & ((literal != 0) | owes))))),
            Assert(~left | ((part.end == zero) & (part.present == ~zero))),
            Assert(~(left & zero) | (part.error == (wrong | given.error | (literal != 0)))),
            Assert(~(left & ~zero) | (part.byte == 0) | (literal != 0)),
            Assert(~(left & (literal != 0) & ~zero) | (part.byte == given.byte)),
        ]
        with m.If(taken):
            m.d.sync += [begun.eq(1), wrong.eq(wrong | given.error), literal.eq(literal - 1)]
            with m.If(literal == 0):
                m.d.sync += [literal.eq(given.byte - 1), owes.eq(given.byte != FULL)]
            with m.If(zero):
                m.d.sync += [begun.eq(0), wrong.eq(0), literal.eq(0), owes.eq(0)]
        m.d.comb += [
            Assert((inner.left == literal + 1) & (inner.gap == owes) & (inner.begun == begun) & (inner.bad == wrong)),
        ]

        frames, ended = Signal(2), Signal()
        m.d.comb += ended.eq(left & part.end)
        with m.If(ended & (frames != 3)):
            m.d.sync += frames.eq(frames + 1)
        m.d.comb += [
            Cover(ended & ~part.error & (frames == 1)),
            Cover(ended & part.error),
            Cover(left & part.present & (literal == 0) & (frames == 1)),
        ]
        return m
