"""Test assemblies: units that are tested together because one makes no sense alone."""

from amaranth.hdl import Module
from amaranth.lib import wiring

from onespike_hw.engine.accumulators import Accumulators
from onespike_hw.engine.drain import Drain


class AccumulatorsAndDrain(wiring.Component):
    """The accumulators with the drain that reads them; ports of both that do not join them."""

    def __init__(self, config):
        self.accumulators, self.drain = Accumulators(config), Drain(config)
        joined = ("tile_done", "address", "row")
        members = {name: member for name, member in self.drain.signature.members.items() if name not in joined}
        super().__init__({"i": self.accumulators.signature.members["i"], **members})

    def elaborate(self, platform):
        m = Module()
        m.submodules.accumulators, m.submodules.drain = self.accumulators, self.drain
        m.d.comb += [
            self.drain.tile_done.eq(self.accumulators.done),
            self.accumulators.address.eq(self.drain.address),
            self.drain.row.eq(self.accumulators.row),
            self.accumulators.i.valid.eq(self.i.valid),
            self.accumulators.i.payload.eq(self.i.payload),
            self.drain.layer.eq(self.layer),
            self.drain.restart.eq(self.restart),
            self.release.eq(self.drain.release),
            self.drain.parameter_write.valid.eq(self.parameter_write.valid),
            self.drain.parameter_write.payload.eq(self.parameter_write.payload),
            self.drain.potentials.valid.eq(self.potentials.valid),
            self.drain.potentials.payload.eq(self.potentials.payload),
        ]
        wiring.connect(m, self.drain.o, wiring.flipped(self.o))
        return m
