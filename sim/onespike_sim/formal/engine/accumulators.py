"""The accumulators and their two result banks."""

from dataclasses import replace

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cat, Cover, Elaboratable, Module, Mux, Signal

from onespike.contract.config import WINDOWS, preset
from onespike_hw.engine.accumulators import Accumulators

from ..properties import before, free_inputs, opened

CONFIG = replace(preset("tiny"), word=4, outputs=4, neurons=1, tile=4, acc_bits=9)


class Results(Elaboratable):
    """A result is there when ``done`` tells it, and stays until its own bank gets another tile's, whatever comes
    meanwhile.

    Watched is one position and bank, any one, of one window and output, which are all alike. Its result is the sum of
    what came for it since ``first``, doubled where a bit plane ends. Sums that are not ``final``, of other positions
    or of the other bank do not touch it.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Accumulators(CONFIG)
        inner = opened(dut)
        free_inputs(m, dut)
        position, bank = AnyConst((CONFIG.tile - 1).bit_length()), AnyConst(1)
        window, slot, lane = WINDOWS - 1, CONFIG.slots - 1, CONFIG.neurons - 1
        output = slot * CONFIG.neurons + lane
        given, address = dut.i.payload, Cat(position, bank)
        total, with_this = (Signal(CONFIG.acc_bits, name=name) for name in ("total", "with_this"))
        arrives, completes = Signal(), Signal()
        m.d.comb += [
            arrives.eq(dut.i.valid & (given.position == position)),
            completes.eq(arrives & given.final & (given.bank == bank)),
            with_this.eq(Mux(given.first, 0, Mux(given.double, total << 1, total)) + given.sums[window][output]),
        ]
        with m.If(arrives):
            m.d.sync += total.eq(with_this)
        # It is written in the next cycle, and to be seen in the one after that.
        writes, written = before(m, completes, "writes"), before(m, with_this, "written")
        result = Signal(CONFIG.acc_bits)
        with m.If(writes):
            m.d.sync += result.eq(written)

        ended = before(m, dut.i.valid & given.end, "ended")
        m.d.comb += Assert(dut.done == before(m, ended, "ended_before"))
        running, results = inner.running.read_port(domain="comb"), inner.store.read_port(domain="comb")
        m.d.comb += [
            running.addr.eq(position),
            results.addr.eq(address),
            Assert((dut.address[slot] != address) | (dut.rows[slot][window][lane].as_unsigned() == result)),
            # What the induction needs.
            Assert(running.data[window][output].as_unsigned() == total),
            Assert(results.data[window][lane].as_unsigned() == result),
            Assert(~writes | (inner.result[window][output].as_unsigned() == written)),
            Assert((inner.fresh & (inner.place == address)) == writes),
            Assert(inner.ended == ended),
        ]
        m.d.comb += [
            Cover(dut.done & (result == 21) & (dut.address[slot] == address)),
            Cover(writes & (result != 0) & (bank == 1)),
        ]
        return m
