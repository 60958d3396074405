"""One link of the window chain: the potential of window p from that of window p-1."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import POTENTIAL_BITS
from onespike.contract.isa import Carry, Layer


def table_write(config):
    """Layout of a write to the Omega tables."""
    return data.StructLayout({"address": range(config.tables * config.table_words), "value": signed(config.table_bits)})


class CarryStage(wiring.Component):
    """V of window p from U of window p and (a, b): V of the layer before and of this layer in window p-1.

    Members
    -------
    carry, table : In, from the layer's descriptor
    table_write : In(stream(table_write)), always ready
    a, b : In(signed 12 bits); level : In, what this layer's neuron fired with b; u : In(signed 12 bits), ``lead`` cycles later;
    v : Out(signed 12 bits), ``latency`` cycles after a and b

    Attributes: ``latency``, ``lead``.
    """

    latency = 5
    lead = 3

    def __init__(self, config):
        self.config = config
        potential = signed(POTENTIAL_BITS)
        fields = Layer.as_shape()
        super().__init__(
            {
                "carry": In(Carry),
                "table": In(fields["table"].shape),
                "table_write": In(stream.Signature(table_write(config), always_ready=True)),
                "a": In(potential),
                "b": In(potential),
                "level": In(arith.LEVEL_BITS),
                "u": In(potential),
                "v": Out(potential),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        depth = config.tables * config.table_words
        m.submodules.tables = tables = memory.Memory(shape=signed(config.table_bits), depth=depth, init=[])
        write, plus, minus = tables.write_port(), tables.read_port(), tables.read_port()

        # Cycle 1: table addresses, and for the carries that need no table what is leaked.
        chosen, plain = Signal(signed(POTENTIAL_BITS + 1)), Signal(signed(POTENTIAL_BITS + 1), reset_less=True)
        with m.Switch(self.carry):
            with m.Case(Carry.LEAK):
                m.d.comb += chosen.eq(self.b)
            with m.Case(Carry.MEAN):
                m.d.comb += chosen.eq(arith.mean(self.a, self.b))
            with m.Case(Carry.RELU):
                m.d.comb += chosen.eq(arith.rectified_sum(self.a, self.b))
            with m.Case(Carry.SUM):
                m.d.comb += chosen.eq(self.a + self.b)
            with m.Case(Carry.RESET):
                m.d.comb += chosen.eq(arith.soft_reset(self.b, self.level, config.k))
        addresses = [Signal(config.k + 4, name=f"address{n}", reset_less=True) for n in range(2)]
        late = Signal.like(plain)
        carry = Signal(signed(POTENTIAL_BITS + 1), reset_less=True)
        total = Signal(signed(POTENTIAL_BITS + 2), reset_less=True)

        # Tables are written while nothing runs: the port of one read serves, so that a block memory has enough.
        loading = self.table_write.valid
        m.d.comb += [
            write.en.eq(loading),
            write.addr.eq(Mux(loading, self.table_write.payload.address, (self.table << config.k + 4) | addresses[0])),
            write.data.eq(self.table_write.payload.value),
            plus.addr.eq(write.addr),
            minus.addr.eq((self.table << config.k + 4) | addresses[1]),
        ]
        for register, address in zip(addresses, arith.omega_addresses(self.a, self.b, config.k), strict=True):
            m.d.sync += register.eq(address)
        m.d.sync += [
            plain.eq(chosen),
            # Cycle 2: the tables are read, the rest leaks.
            late.eq(arith.leak(plain)),
            # Cycle 3: the carry.
            carry.eq(Mux(self.carry == Carry.OMEGA, plus.data + minus.data, late)),
            # Cycles 4 and 5: the potential (``arith.potential`` in two steps).
            total.eq(self.u + carry),
            self.v.eq(arith.saturate(total, POTENTIAL_BITS)),
        ]
        return m
