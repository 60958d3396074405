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
    enable : In(1), 0 holds the whole stage
    table_write : In(stream(table_write)), always ready
    a, b, u : In(signed 12 bits); v : Out(signed 12 bits), ``latency`` enabled cycles later

    Attributes: ``latency``.
    """

    latency = 4

    def __init__(self, config):
        self.config = config
        potential = signed(POTENTIAL_BITS)
        fields = Layer.as_shape()
        super().__init__(
            {
                "carry": In(Carry),
                "table": In(fields["table"].shape),
                "enable": In(1),
                "table_write": In(stream.Signature(table_write(config), always_ready=True)),
                "a": In(potential),
                "b": In(potential),
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
        m.d.comb += [
            write.en.eq(self.table_write.valid),
            write.addr.eq(self.table_write.payload.address),
            write.data.eq(self.table_write.payload.value),
        ]

        # Cycle 1: table addresses, and the carries that need no table.
        addresses = arith.omega_addresses(self.a, self.b, config.k)
        simple, plain = Signal(signed(POTENTIAL_BITS + 1)), Signal(signed(POTENTIAL_BITS + 1))
        with m.Switch(self.carry):
            with m.Case(Carry.LEAK):
                m.d.comb += simple.eq(arith.leak(self.b))
            with m.Case(Carry.MEAN):
                m.d.comb += simple.eq(arith.carry_mean(self.a, self.b))
            with m.Case(Carry.RELU):
                m.d.comb += simple.eq(arith.carry_relu(self.a, self.b))
        u = [Signal(signed(POTENTIAL_BITS), name=f"u{n}") for n in range(3)]
        late, carry = Signal.like(plain), Signal.like(plain)
        for port, address in zip((plus, minus), addresses, strict=True):
            m.d.comb += port.en.eq(self.enable)
            with m.If(self.enable):
                m.d.sync += port.addr.eq((self.table << (config.k + 4)) | address)
        with m.If(self.enable):
            m.d.sync += [plain.eq(simple), u[0].eq(self.u)]
            # Cycle 2: the tables are read.
            m.d.sync += [late.eq(plain), u[1].eq(u[0])]
            # Cycle 3: the carry. A block memory answers late in its cycle, so the potential has its own.
            m.d.sync += [carry.eq(Mux(self.carry == Carry.OMEGA, plus.data + minus.data, late)), u[2].eq(u[1])]
            # Cycle 4: the potential.
            m.d.sync += self.v.eq(arith.potential(u[2], carry, POTENTIAL_BITS))
        return m
