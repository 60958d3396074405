"""Test assemblies: units that are tested together because one makes no sense alone."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from onespike_hw.engine.accumulators import Accumulators
from onespike_hw.engine.drain import Drain
from onespike_hw.engine.simd import SimdAdder, simd_lanes


class AccumulatorsAndDrain(wiring.Component):
    """The accumulators with the drain that reads them; ports of both that do not join them."""

    def __init__(self, config):
        self.accumulators, self.drain = Accumulators(config), Drain(config)
        joined = ("tile_done", "address", "rows")
        members = {name: member for name, member in self.drain.signature.members.items() if name not in joined}
        super().__init__({"i": self.accumulators.signature.members["i"], **members})

    def elaborate(self, platform):
        m = Module()
        m.submodules.accumulators, m.submodules.drain = self.accumulators, self.drain
        m.d.comb += [
            self.drain.tile_done.eq(self.accumulators.done),
            self.accumulators.i.valid.eq(self.i.valid),
            self.accumulators.i.payload.eq(self.i.payload),
            self.drain.layer.eq(self.layer),
            self.drain.restart.eq(self.restart),
            self.release.eq(self.drain.release),
            self.drain.left.eq(self.left),
            self.empty.eq(self.drain.empty),
            self.drain.parameter_write.valid.eq(self.parameter_write.valid),
            self.drain.parameter_write.payload.eq(self.parameter_write.payload),
            self.drain.potentials.valid.eq(self.potentials.valid),
            self.drain.potentials.payload.eq(self.potentials.payload),
        ]
        for address, looked in zip(self.accumulators.address, self.drain.address, strict=True):
            m.d.comb += address.eq(looked)
        for row, seen in zip(self.drain.rows, self.accumulators.rows, strict=True):
            m.d.comb += row.eq(seen)
        wiring.connect(m, self.drain.o, wiring.flipped(self.o))
        return m


class SimdChain(wiring.Component):
    """Three links: their operands, and the sums after each."""

    links = 3

    def __init__(self):
        operands = data.ArrayLayout(simd_lanes(), self.links)
        gates = data.ArrayLayout(unsigned(2), self.links)
        super().__init__({"a": In(operands), "c": In(operands), "gate": In(gates), "p": Out(operands)})

    def elaborate(self, platform):
        m = Module()
        before = None
        for n in range(self.links):
            m.submodules[f"link{n}"] = link = SimdAdder(first=before is None)
            m.d.comb += [link.a.eq(self.a[n]), link.c.eq(self.c[n]), link.gate.eq(self.gate[n]), self.p[n].eq(link.p)]
            if before is not None:
                m.d.comb += link.cascade.eq(before.cascade_out)
            before = link
        return m
