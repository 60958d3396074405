"""UART transmitter and receiver on one line."""

from amaranth.hdl import Assert, Cover, Elaboratable, Module

from onespike_hw.link.uart import UartReceiver, UartTransmitter

from ..properties import InOrder, follows_rules, free_inputs

DIVISOR = 4
"""The least that a bit may take, so the least margin."""


class Line(Elaboratable):
    """Every byte given to the transmitter comes out of the receiver: in order, once, unchanged, without an error.

    Bytes follow one another after any pause, or none. The receiver's output is taken at once, as the decoder does
    unless its frame waits. While the transmitter is not ``busy`` no byte is on its way.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(DIVISOR)
        m.submodules.receiver = receiver = UartReceiver(DIVISOR)
        free_inputs(m, transmitter)
        m.d.comb += [receiver.line.eq(transmitter.line), receiver.o.ready.eq(1)]
        follows_rules(m, transmitter.i)
        enters, leaves = transmitter.i.valid & transmitter.i.ready, receiver.o.valid
        order = InOrder(m, 1, enters, transmitter.i.payload, leaves, receiver.o.payload.byte)
        m.d.comb += [
            Assert(~leaves | ~receiver.o.payload.error),
            Assert(transmitter.busy | (order.inside == 0)),
            Assert(~transmitter.i.ready | (order.inside == 0)),
        ]
        m.d.comb += Cover(order.seen)
        return m
