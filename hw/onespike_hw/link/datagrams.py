"""The way out for datagrams, which may be blocked for a while, or for good."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .interfaces import datagram_out, peer


class DatagramOutlet(wiring.Component):
    """Keeps what describes a datagram while its bytes pass, and finishes one whose way is blocked.

    When a byte was not taken for ``patience`` cycles, the datagram is given up: its sender is told, and when the way
    is free again the rest of the announced length is filled up with that byte, so that the stream's rules hold.
    Its CRC is wrong then, unless the byte was its last.

    Parameters
    ----------
    patience : clock cycles

    Members
    -------
    peer : In(peer), length : In(16), 1 or more, in bytes; begin : In(1), pulse while ``idle``: of the next datagram
    i : In(stream(8 bits)), its bytes
    o : Out(stream(datagram_out))
    idle : Out(1), the last byte was taken
    given_up : Out(1), until then nothing but filling is sent; bytes of ``i`` are not taken
    """

    def __init__(self, patience):
        self.patience = patience
        super().__init__(
            {
                "peer": In(peer),
                "length": In(16),
                "begin": In(1),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(datagram_out)),
                "idle": Out(1),
                "given_up": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        header = data.StructLayout({"length": 16, **peer.members})
        to, left, byte, here = Signal(header), Signal(16), Signal(8), Signal()
        waits, waited = Signal(), Signal(range(1 - self.patience, 1), init=1 - self.patience)
        m.d.comb += [
            *(self.o.payload[name].eq(to[name]) for name, _ in header),
            self.o.payload.data.eq(byte),
            self.o.payload.last.eq(left == 1),
            self.o.valid.eq(here | self.given_up),
            self.i.ready.eq((~here | self.o.ready) & ~self.given_up),
            self.idle.eq(left == 0),
            waits.eq(self.o.valid & ~self.o.ready),
        ]
        with m.If(self.begin | (self.o.valid & self.o.ready)):
            # Nothing is left at the beginning, so that an adder is all it takes.
            m.d.sync += left.eq(left + Mux(self.begin, self.length, -1))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += here.eq(0)
            with m.If(left == 1):
                m.d.sync += self.given_up.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [here.eq(1), byte.eq(self.i.payload)]
        with m.If(self.begin):
            m.d.sync += [
                to.length.eq(self.length),
                to.address.eq(self.peer.address),
                to.port.eq(self.peer.port),
            ]
        m.d.sync += waited.eq(waited.init)
        with m.If(waits & ~self.given_up):
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited >= 0):
                m.d.sync += self.given_up.eq(1)
        return m
