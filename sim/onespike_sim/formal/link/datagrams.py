"""The way out for datagrams."""

from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal
from amaranth.lib import data

from onespike_hw.link.datagrams import DatagramOutlet
from onespike_hw.link.interfaces import peer

from ..properties import InOrder, follows_rules, free_inputs, keeps_rules, opened

PATIENCE = 3


class Outlet(Elaboratable):
    """A datagram has as many bytes as announced, its header from first to last, ``last`` with its last byte only.

    Its bytes are those given, in order, each once; after ``given_up`` nothing is taken and the last one is repeated.
    It is given up only when a byte was not taken for ``PATIENCE`` cycles. The stream's rules hold in any case.
    ``idle`` says that all of it has left. Assumed of who uses it: it begins only while idle, with a byte at least,
    and offers no more bytes than it announced.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = DatagramOutlet(PATIENCE)
        inner = opened(dut)
        free_inputs(m, dut)
        follows_rules(m, dut.i)
        keeps_rules(m, dut.o)
        taken, sent, out = Signal(), Signal(), dut.o.payload
        m.d.comb += [taken.eq(dut.i.valid & dut.i.ready), sent.eq(dut.o.valid & dut.o.ready)]

        header = Signal(data.StructLayout({"length": 16, **peer.members}))
        begun, offered, left = Signal(), Signal(16), Signal(16)  # bytes not yet offered, not yet sent
        m.d.comb += [
            Assume(~dut.begin | (dut.idle & (dut.length != 0))),
            Assume(~dut.i.valid | (offered != 0)),
        ]
        with m.If(sent):
            m.d.sync += [left.eq(left - 1), begun.eq(left != 1)]
        with m.If(taken):
            m.d.sync += offered.eq(offered - 1)
        with m.If(dut.begin):
            m.d.sync += [begun.eq(1), left.eq(dut.length), offered.eq(dut.length)]
            m.d.sync += [
                header.length.eq(dut.length),
                header.address.eq(dut.peer.address),
                header.port.eq(dut.peer.port),
            ]
        with m.Elif(dut.given_up):
            m.d.sync += offered.eq(0)

        waited = Signal(range(PATIENCE + 2))
        m.d.sync += waited.eq(Mux(dut.o.valid & ~dut.o.ready & ~dut.given_up, waited + 1, 0))
        was_given_up, last_byte, fresh = Signal(), Signal(8), Signal()  # ``fresh``: a given byte waits to be sent
        m.d.sync += was_given_up.eq(dut.given_up)
        with m.If(sent):
            m.d.sync += last_byte.eq(out.data)

        with m.If(sent):
            m.d.sync += fresh.eq(0)
        with m.If(taken):
            m.d.sync += fresh.eq(1)
        order = InOrder(m, 1, taken, dut.i.payload, sent & fresh, out.data)
        m.d.comb += [
            Assert(dut.idle == ~begun),
            Assert(~sent | begun),
            Assert(~dut.o.valid | (out.last == (left == 1))),
            *(Assert(~dut.o.valid | (out[name] == header[name])) for name, _ in header.shape()),
            Assert(~sent | fresh | (dut.given_up & (out.data == last_byte))),
            Assert(~(taken & dut.given_up)),
            Assert(~(dut.given_up & ~was_given_up) | (waited == PATIENCE)),
        ]
        # What the induction needs.
        m.d.comb += [
            Assert((inner.left == left) & ((left != 0) == begun)),
            Assert((inner.here == fresh) & (fresh == order.inside)),
            Assert(~fresh | ~order.follows | (inner.byte == order.watched)),
            Assert(~dut.given_up | begun),
            Assert(~dut.given_up | fresh | (inner.byte == last_byte)),
            Assert(dut.given_up | (offered + fresh == left)),
            Assert(dut.given_up | (inner.waited == waited + 1 - PATIENCE)),
            Assert(waited <= PATIENCE),
            *(Assert(~begun | (inner.to[name] == header[name])) for name, _ in header.shape()),
        ]
        whole, datagrams = Signal(), Signal(2)
        m.d.comb += whole.eq(sent & (left == 1))
        m.d.sync += datagrams.eq(datagrams + (whole & (datagrams != 3)))
        m.d.comb += [
            Cover(whole & ~dut.given_up & (header.length == 4) & (datagrams == 1) & order.seen),
            Cover(whole & dut.given_up & ~fresh & (header.length == 4)),
        ]
        return m
