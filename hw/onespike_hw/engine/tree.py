"""The plain array: gated adder trees. The readable reference for faster ones."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring

from onespike.contract.config import GROUP, WINDOWS

from ..interfaces import weight_word
from .array import ArraySignature, admitting_word, delay_tag, hold_spikes
from .sums import stages, summed


class TreeArray(wiring.Component):
    """``outputs`` x ``lanes`` weights in registers, one tree of gated adds per output and window.

    A shadow bank takes the next block's weights while the active one computes.

    Throughput: one position per cycle; a block is let in as its four weight words begin to load, so blocks
    of at least ``ADMITTED + 2`` positions leave no gap.
    """

    order = tuple(range(GROUP))

    def __init__(self, config):
        self.config = config
        super().__init__(ArraySignature(config))

    @property
    def latency(self):
        return 1 + stages(self.config.lanes)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        block = data.ArrayLayout(weight_word(config), GROUP)
        active, shadow = Signal(block, reset_less=True), Signal(block, reset_less=True)
        active_full, rows = Signal(), Signal(range(GROUP + 1))
        shadow_full = rows == GROUP

        held, used, finished = hold_spikes(m, self.spikes)
        swap = shadow_full & (~active_full | finished)
        m.d.comb += self.weights.ready.eq(~shadow_full | swap)
        with m.If(finished):
            m.d.sync += active_full.eq(0)
        with m.If(swap):
            m.d.sync += [active.eq(shadow), active_full.eq(1), rows.eq(0)]
        taken = self.weights.valid & self.weights.ready
        m.d.sync += self.admit.eq(taken & (Mux(swap, 0, rows) == admitting_word(self.order)))
        with m.If(taken):
            # Words shift in: the block's first word ends in place 0.
            m.d.sync += [shadow[n].eq(shadow[n + 1]) for n in range(GROUP - 1)]
            m.d.sync += shadow[GROUP - 1].eq(self.weights.payload)
            m.d.sync += rows.eq(Mux(swap, 1, rows + 1))

        delay_tag(m, config, used, held, stages(config.lanes), self.sums)
        for w in range(WINDOWS):
            for o in range(config.outputs):
                gated = [
                    Mux(held.words[w][lane], active[lane % GROUP][o][lane // GROUP], 0) for lane in range(config.lanes)
                ]
                m.d.comb += self.sums.payload.sums[w][o].eq(summed(m, gated, f"total{w}_{o}"))
        return m
