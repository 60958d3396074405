"""The tables of distributed arithmetic: two banks, one written while the other is used."""

from dataclasses import replace

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Elaboratable, Module, Mux, Signal, signed

from onespike.contract.config import ADMITTED, GROUP, WINDOWS, preset
from onespike_hw.engine.array import admitting_word
from onespike_hw.engine.da import ENTRIES, DaArray, flipped

from ..properties import free_inputs, opened

CONFIG = replace(preset("tiny"), array="da", word=4, outputs=4, neurons=1, weight_bits=2)


class Tables(Elaboratable):
    """Spikes meet the weights of their own block, all of them, though the next block's are written meanwhile.

    What a table says for a group's spikes is the sum of the block's weights whose spike is 1. So none is used before
    its last entry is written, and none is overwritten before its last use. Watched is one entry, any one, of one group,
    window and output, which are all alike. Assumed, as address generator and memories see to it: a block's words come
    in the array's order and without a pause, an input's weight is the same each time, and spikes begin ``ADMITTED``
    cycles after ``admit`` or later, those of block after block, each ended by ``last``.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = DaArray(CONFIG)
        inner = opened(dut, "_tables")
        tables = inner._tables
        free_inputs(m, dut)
        group, step, taken = CONFIG.groups - 1, inner.step, inner.taken
        loading, using, finished = inner.loading, inner.using, inner.finished

        # Spikes: how long ago blocks were let in, how many may begin, whether one has begun.
        coming, may, begun = Signal(ADMITTED - 1), Signal(range(3)), Signal()
        starts, ends = Signal(), Signal()
        m.d.comb += [
            Assume(~dut.spikes.valid | begun | (may != 0)),
            Assume(dut.weights.valid | (step == 0)),
            starts.eq(dut.spikes.valid & ~begun),
            ends.eq(dut.spikes.valid & dut.spikes.payload.last),
        ]
        m.d.sync += coming.eq(Cat(dut.admit, coming))
        m.d.sync += may.eq(may + coming[-1] - starts)
        with m.If(dut.spikes.valid):
            m.d.sync += begun.eq(~ends)

        # Weights of the watched group, by bank.
        weights = [[Signal(signed(CONFIG.weight_bits), name=f"weight{b}_{n}") for n in range(GROUP)] for b in range(2)]
        given = dut.weights.payload[CONFIG.outputs - 1][group]
        for n in range(1, ENTRIES):
            for bank in range(2):
                known = weights[bank][flipped(n)]
                here = taken & (step == n) & (loading == bank)
                if n & n - 1:
                    m.d.comb += Assume(~here | (known == given))
                else:
                    with m.If(here):
                        m.d.sync += known.eq(given)

        def total(bank, entry):
            """Sum of a bank's weights in the subset ``entry``."""
            return sum(Mux(entry[n], Array(by[n] for by in weights)[bank], 0) for n in range(GROUP))

        number = AnyConst(GROUP)
        entry = Signal(GROUP)
        m.d.comb += entry.eq(number ^ number >> 1)
        spikes = inner.held.words[WINDOWS - 1][group * GROUP : (group + 1) * GROUP]
        read = tables.look.data[CONFIG.outputs - 1]
        meets = inner.used & (spikes == entry)
        m.d.comb += Assert(~meets | (read == total(using, entry)))

        # What the induction needs. Blocks whose words were all taken, and what there is of their tables.
        whole = Signal(range(4))
        loaded = inner.loaded
        m.d.comb += whole.eq(loaded[0] + loaded[1] + inner.completed)
        written = tables.enable
        latest = (step - 1)[:GROUP]
        bank = loading ^ (step == 0)
        m.d.comb += [
            Assert(whole == may + begun + finished),
            Assert(whole <= 2),
            Assert(loading == (using ^ whole[0])),
            Assert(loaded == Array([0, Mux(inner.completed, 0, Mux(using, 2, 1)),
                                    Mux(inner.completed, Mux(using, 2, 1), 3), 0])[whole]),
            Assert(~inner.used | loaded.bit_select(using, 1)),
            Assert((step == 0) | (whole != 2)),
            Assert(Cat(dut.admit, coming) == Mux(step > admitting_word(dut.order),
                                                 (1 << step) >> admitting_word(dut.order) + 1, 0)),
            Assert(written == ((step != 0) | inner.completed)),
            Assert(~written | (tables.entry == Cat(latest ^ latest >> 1, bank))),
            Assert(~written | (tables.running[CONFIG.outputs - 1] == total(bank, latest ^ latest >> 1))),
        ]  # fmt: skip
        for b in range(2):
            look = tables.table.read_port(domain="comb")
            there = (
                loaded[b]
                | ((loading == b) & (step > number + 1))
                | (inner.completed & (loading != b) & (number < ENTRIES - 1))
            )
            m.d.comb += [
                look.addr.eq(Cat(entry, b)),
                Assert(~there | (look.data[CONFIG.outputs - 1] == total(b, entry))),
            ]
        m.d.comb += [
            Cover(meets & (read == 3) & using & (step != 0)),
            Cover(finished & (whole == 2)),
        ]
        return m
