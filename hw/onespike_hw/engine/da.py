"""Distributed arithmetic: the subset sums of four weights in LUT memory, addressed by four spikes."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, memory, wiring

from onespike.contract.config import CHAINED, GROUP, WINDOWS

from .addsub import added
from .array import ArraySignature, admitting_word, delay_tag, hold_spikes
from .simd import SimdAdder
from .sums import stages, summed

ENTRIES = 1 << GROUP


def gray(step):
    """Entry that is written in ``step``: each differs from the one before in one input."""
    return step ^ step >> 1


def flipped(step):
    """The input in which entry ``gray(step)`` differs from the entry before (0 for the first)."""
    return (step & -step).bit_length() - 1 if step else 0


class DaArray(wiring.Component):
    """One table of 16 subset sums per window, output and group of four inputs.

    A spike group costs one read of a LUT memory instead of four gated adds. The tables of a group are
    alike in all windows, so one running sum per output and group writes them all: in Gray code order
    each entry is the one before plus or minus one weight. A bank bit doubles the tables: one bank is
    written while the other computes. (Same idea as in FIR filters on FPGAs; binary spikes make it exact
    and one read deep.)

    ``simd``: the reads of a position are summed by a chain of DSP blocks, one lane per window, two
    groups per link: 32 gated adds per block and cycle and no adder in fabric. Otherwise by adder trees.

    Throughput: one position per cycle; a block needs 16 cycles to load, so blocks of at least that many
    positions leave no gap.
    """

    order = tuple(flipped(step) for step in range(ENTRIES))

    def __init__(self, config, simd=False):
        self.config, self.simd = config, simd
        super().__init__(ArraySignature(config))

    @property
    def latency(self):
        # Held, read; then the chain's operands and its links, or the trees.
        return 2 + (self.config.links if self.simd else stages(self.config.groups))

    def elaborate(self, platform):
        m = Module()
        config = self.config

        # Banks: each is loaded, then used; both at once only for different banks.
        loaded, loading, using = Signal(2), Signal(), Signal()
        held, used, finished = hold_spikes(m, self.spikes)
        taken, step = Signal(), Signal(range(ENTRIES))
        occupied = loaded.bit_select(loading, 1) & ~(finished & (using == loading))
        # A bank whose last entry is on its way is not yet loaded but no longer free.
        completing = Signal()
        m.d.comb += [self.weights.ready.eq(~occupied), taken.eq(self.weights.valid & self.weights.ready)]
        completed = Signal()
        m.d.comb += completing.eq(taken & (step == ENTRIES - 1))
        m.d.sync += self.admit.eq(taken & (step == admitting_word(self.order)))
        m.d.sync += completed.eq(completing)
        with m.If(taken):
            m.d.sync += step.eq(step + 1)
        with m.If(completing):
            m.d.sync += loading.eq(~loading)
        with m.If(finished):
            m.d.sync += [loaded.bit_select(using, 1).eq(0), using.eq(~using)]
        with m.If(completed):
            m.d.sync += loaded.bit_select(~loading, 1).eq(1)

        # Later links of a chain work later: their tables are written and read with the same delay.
        adds = Signal()  # the flipped input joins the subset
        with m.Switch(step):
            for n in range(1, ENTRIES):
                with m.Case(n):
                    m.d.comb += adds.eq(gray(n) >> flipped(n) & 1)
        write = {"taken": taken, "step": step, "adds": adds, "bank": loading}
        words, banks, weights = held.words, using, self.weights.payload
        reads = [[] for _ in range(config.groups)]
        for first in range(0, config.groups, CHAINED):
            groups = range(first, min(first + CHAINED, config.groups))
            if first and self.simd:
                write, words, banks, weights = self._later(m, first, write, words, banks, weights)
            for group in groups:
                reads[group] = self._tables(m, platform, group, write, words, banks, weights)

        delay_tag(m, config, used, held, self.latency - 1, self.sums)
        for o in range(config.outputs):
            totals = [[reads[group][w][o] for w in range(WINDOWS)] for group in range(config.groups)]
            totals = self._chain(m, o, totals) if self.simd else self._trees(m, o, totals)
            m.d.comb += [self.sums.payload.sums[w][o].eq(totals[w]) for w in range(WINDOWS)]
        return m

    def _later(self, m, first, write, words, banks, weights):
        """Everything that the tables from group ``first`` on need, one cycle later."""

        def late(value, name):
            # With a reset: plain registers, of which there are plenty, instead of shift registers in LUTs.
            register = Signal(value.shape(), name=f"{name}_from{first}")
            m.d.sync += register.eq(value)
            return register

        write = {name: late(value, name) for name, value in write.items()}
        words = [late(words[w][: self.config.lanes], f"words{w}") for w in range(WINDOWS)]
        return write, words, late(banks, "using"), late(weights, "weights")

    def _tables(self, m, platform, group, write, words, bank, weights):
        """Tables of a group in all windows; returns what the spikes read: [window][output]."""
        config = self.config
        shape = signed(config.table_sum_bits)
        running = Signal(data.ArrayLayout(shape, config.outputs), name=f"running{group}", reset_less=True)
        entry, enable = Signal(GROUP + 1, name=f"entry{group}"), Signal(name=f"enable{group}")
        step = write["step"]
        m.d.sync += [
            enable.eq(write["taken"]),
            entry.eq(Cat(step ^ step >> 1, write["bank"])),
        ]
        totals = [added(m, platform, running[o], weights[o][group], write["adds"]) for o in range(config.outputs)]
        with m.If(write["taken"]):
            m.d.sync += [running[o].eq(totals[o]) for o in range(config.outputs)]
            with m.If(step == 0):
                m.d.sync += running.eq(0)
        read = []
        for w in range(WINDOWS):
            table = memory.Memory(shape=running.shape(), depth=2 * ENTRIES, init=[])
            m.submodules[f"table{group}_{w}"] = table
            port, look = table.write_port(), table.read_port(domain="comb")
            m.d.comb += [
                port.addr.eq(entry),
                port.data.eq(running),
                port.en.eq(enable),
                look.addr.eq(Cat(words[w][group * GROUP : (group + 1) * GROUP], bank)),
            ]
            read.append(look.data)
        return read

    def _trees(self, m, output, totals):
        """Sums of all groups by adder trees, [window]."""
        result = []
        for w in range(WINDOWS):
            terms = []
            for group, windows in enumerate(totals):
                term = Signal(windows[w].shape(), name=f"term{output}_{group}_{w}", reset_less=True)
                m.d.sync += term.eq(windows[w])
                terms.append(term)
            result.append(summed(m, terms, f"total{output}_{w}"))
        return result

    def _chain(self, m, output, totals):
        """Sums of all groups by a chain of SIMD adders, [window]."""
        before = None
        for number, first in enumerate(range(0, len(totals), CHAINED)):
            m.submodules[f"link{output}_{number}"] = link = SimdAdder(first=before is None)
            pair = totals[first : first + CHAINED]
            for operand, windows in zip((link.a, link.c), pair, strict=False):
                m.d.comb += [operand[w].eq(windows[w]) for w in range(WINDOWS)]
            m.d.comb += link.gate.eq((1 << len(pair)) - 1)
            if before is not None:
                m.d.comb += link.cascade.eq(before.cascade_out)
            before = link
        return [before.p[w] for w in range(WINDOWS)]
