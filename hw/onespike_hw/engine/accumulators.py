"""Two banks of accumulators: one collects sums of a tile while the other is drained."""

from amaranth.hdl import Module, Mux, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import WINDOWS

from ..interfaces import sums


def accumulator_row(config):
    """Shape of all accumulators of a position: ``row[window][output]``."""
    return data.ArrayLayout(data.ArrayLayout(signed(config.acc_bits), config.outputs), WINDOWS)


class Accumulators(wiring.Component):
    """Adds partial sums to the accumulators of their position, most significant bit plane first.

    The compiler proves that no accumulator leaves ``acc_bits``.

    Members
    -------
    i : In(stream(sums)), always ready
    done : Out(1), one cycle after a tile's last sum was added
    address : In, bank * tile + position to look at
    row : Out, its accumulators, in the same cycle

    Throughput: one position per cycle, consecutive positions may be the same one.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(sums(config), always_ready=True)),
                "done": Out(1),
                "address": In(range(2 * config.tile)),
                "row": Out(accumulator_row(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        row = accumulator_row(config)
        m.submodules.memory = store = memory.Memory(shape=row, depth=2 * config.tile, init=[])
        write, old = store.write_port(), store.read_port(domain="comb")
        look = store.read_port(domain="comb")
        m.d.comb += [look.addr.eq(self.address), self.row.eq(look.data)]

        p = self.i.payload
        address = p.bank * config.tile + p.position
        m.d.comb += [old.addr.eq(address), write.addr.eq(address), write.en.eq(self.i.valid)]
        for w in range(WINDOWS):
            for o in range(config.outputs):
                before, total = old.data[w][o], p.sums[w][o]
                later = Mux(p.double, arith.combine_plane(before, total), before + total)
                m.d.comb += write.data[w][o].eq(Mux(p.first, total, later))
        m.d.sync += self.done.eq(self.i.valid & p.end)
        return m
