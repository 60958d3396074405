"""Accumulators of a tile, and two banks of results: one is drained while the other is filled."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import WINDOWS

from ..interfaces import sums


def result_address(config):
    """Shape of bank and position of a result."""
    return range(2 * config.tile)


def result_row(config):
    """Results of a slot's channels in the four quadrants: ``row[window][lane]``."""
    return data.ArrayLayout(data.ArrayLayout(signed(config.acc_bits), config.neurons), WINDOWS)


class Accumulators(wiring.Component):
    """Adds partial sums to the accumulators of their position, most significant bit plane first.

    The sums of a tile's last block complete it: their accumulators go to the result bank of the tile.
    The compiler proves that no accumulator leaves ``acc_bits``.

    Members
    -------
    i : In(stream(sums)), always ready
    done : Out(1), one cycle after a tile's last result was written
    address : In, for each slot the result to look at; rows : Out, in the same cycle

    Throughput: one position per cycle, consecutive positions may be the same one.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(sums(config), always_ready=True)),
                "done": Out(1),
                "address": In(result_address(config)).array(config.slots),
                "rows": Out(result_row(config)).array(config.slots),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        row = data.ArrayLayout(data.ArrayLayout(signed(config.acc_bits), config.outputs), WINDOWS)
        m.submodules.running = running = memory.Memory(shape=row, depth=config.tile, init=[])
        write, old = running.write_port(), running.read_port(domain="comb")

        p = self.i.payload
        m.d.comb += [old.addr.eq(p.position), write.addr.eq(p.position), write.en.eq(self.i.valid)]
        total = Signal(row)
        for w in range(WINDOWS):
            for o in range(config.outputs):
                before = Mux(p.first, 0, Mux(p.double, arith.combine_plane(old.data[w][o], 0), old.data[w][o]))
                m.d.comb += total[w][o].eq(before + p.sums[w][o])
        m.d.comb += write.data.eq(total)

        # A slot's channels in a memory of their own: windows look at different slots in one cycle.
        result, place, fresh = Signal(row, reset_less=True), Signal(result_address(config)), Signal()
        m.d.sync += [result.eq(total), place.eq(Cat(p.position, p.bank)), fresh.eq(self.i.valid & p.final)]
        ended = Signal()
        m.d.sync += [ended.eq(self.i.valid & p.end), self.done.eq(ended)]
        for slot in range(config.slots):
            store = memory.Memory(shape=result_row(config), depth=2 * config.tile, init=[])
            m.submodules[f"results{slot}"] = store
            port, look = store.write_port(), store.read_port(domain="comb")
            m.d.comb += [
                port.addr.eq(place),
                port.en.eq(fresh),
                look.addr.eq(self.address[slot]),
                self.rows[slot].eq(look.data),
            ]
            for w in range(WINDOWS):
                for lane in range(config.neurons):
                    m.d.comb += port.data[w][lane].eq(result[w][slot * config.neurons + lane])
        return m
