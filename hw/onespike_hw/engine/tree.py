"""The plain array: gated adder trees. The readable reference for faster ones."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring

from onespike.contract.config import WINDOWS

from ..interfaces import tile_tag, weight_word
from .array import ArraySignature


class TreeArray(wiring.Component):
    """``outputs`` x ``lanes`` weights in registers, one tree of gated adds per output and window.

    A shadow bank takes the next block's weights while the active one computes.

    Attributes: ``latency`` cycles from a spike word to its sums.
    Throughput: one position per cycle; a block needs ``outputs`` cycles to load, so blocks of at least
    that many positions leave no gap.
    """

    latency = 3

    def __init__(self, config):
        self.config = config
        super().__init__(ArraySignature(config))

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

        tag = Signal(data.StructLayout(tile_tag(config)))
        valid = Signal()
        m.d.sync += [valid.eq(used), self.sums.valid.eq(valid)]
        for name in tile_tag(config):
            m.d.sync += [tag[name].eq(held[name]), self.sums.payload[name].eq(tag[name])]

        half = -(-config.lanes // 2)
        for w in range(WINDOWS):
            for o in range(config.outputs):
                gated = [Mux(held.words[w][lane], active[o][lane], 0) for lane in range(config.lanes)]
                parts = [Signal(signed(config.sum_bits), name=f"part{w}_{o}_{n}") for n in range(2)]
                m.d.sync += [parts[0].eq(_tree(gated[:half])), parts[1].eq(_tree(gated[half:]))]
                m.d.sync += self.sums.payload.sums[w][o].eq(parts[0] + parts[1])
        return m


def _tree(terms):
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return _tree(terms[:middle]) + _tree(terms[middle:])
