"""The plain array: gated adder trees. The readable reference for faster ones."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring

from onespike.contract.config import WINDOWS

from ..interfaces import tile_tag, weight_word
from .array import ArraySignature

_PER_STAGE = 4
"""Terms that two levels of adders make one."""


class TreeArray(wiring.Component):
    """``outputs`` x ``lanes`` weights in registers, one tree of gated adds per output and window.

    A shadow bank takes the next block's weights while the active one computes.

    Attributes: ``latency`` cycles from taking a spike word, its weights being there, to its sums.
    Throughput: one position per cycle; a block needs ``outputs`` cycles to load, so blocks of at least
    that many positions leave no gap.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(ArraySignature(config))

    @property
    def stages(self):
        """Registers along a tree: one after every two levels of adders."""
        terms, stages = self.config.lanes, 0
        while terms > 1 or not stages:
            terms, stages = -(-terms // _PER_STAGE), stages + 1
        return stages

    @property
    def latency(self):
        return 1 + self.stages

    def elaborate(self, platform):
        m = Module()
        config = self.config
        block = data.ArrayLayout(weight_word(config), config.outputs)
        active, shadow = Signal(block), Signal(block)
        active_full, shadow_rows = Signal(), Signal(range(config.outputs + 1))
        shadow_full = shadow_rows == config.outputs

        # A spike word waits in ``held`` until its weights are there.
        held, holding = Signal(self.spikes.payload.shape()), Signal()
        used = holding & active_full
        finished = used & held.last
        m.d.comb += self.spikes.ready.eq(~holding | used)
        with m.If(self.spikes.ready):
            m.d.sync += [held.eq(self.spikes.payload), holding.eq(self.spikes.valid)]

        swap = shadow_full & (~active_full | finished)
        m.d.comb += self.weights.ready.eq(~shadow_full | swap)
        with m.If(finished):
            m.d.sync += active_full.eq(0)
        with m.If(swap):
            m.d.sync += [active.eq(shadow), active_full.eq(1), shadow_rows.eq(0)]
        with m.If(self.weights.valid & self.weights.ready):
            # Rows shift in: the block's first word ends in row 0.
            m.d.sync += [shadow[o].eq(shadow[o + 1]) for o in range(config.outputs - 1)]
            m.d.sync += shadow[config.outputs - 1].eq(self.weights.payload)
            m.d.sync += shadow_rows.eq(Mux(swap, 1, shadow_rows + 1))

        # The last register of every chain below is the output.
        tags = data.StructLayout(tile_tag(config))
        valid, tag = used, {name: held[name] for name in tile_tag(config)}
        for stage in range(1, self.stages):
            valid_before, tag_before = valid, tag
            valid, tag = Signal(name=f"valid{stage}"), Signal(tags, name=f"tag{stage}")
            m.d.sync += [valid.eq(valid_before), *(tag[name].eq(tag_before[name]) for name in tile_tag(config))]
        m.d.sync += self.sums.valid.eq(valid)
        m.d.sync += [self.sums.payload[name].eq(tag[name]) for name in tile_tag(config)]

        for w in range(WINDOWS):
            for o in range(config.outputs):
                terms = [Mux(held.words[w][lane], active[o][lane], 0) for lane in range(config.lanes)]
                for stage in range(1, self.stages):
                    totals = _totals(terms)
                    terms = [Signal(t.shape(), name=f"total{w}_{o}_{stage}_{n}") for n, t in enumerate(totals)]
                    m.d.sync += [term.eq(total) for term, total in zip(terms, totals, strict=True)]
                (total,) = _totals(terms)
                m.d.sync += self.sums.payload.sums[w][o].eq(total)
        return m


def _totals(terms):
    """One stage of the tree: two levels of adders."""
    return [_tree(terms[n : n + _PER_STAGE]) for n in range(0, len(terms), _PER_STAGE)]


def _tree(terms):
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return _tree(terms[:middle]) + _tree(terms[middle:])
