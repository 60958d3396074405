"""What every accumulator array looks like from outside, and how it takes its inputs."""

from amaranth.hdl import Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import ADMITTED

from ..interfaces import spike_words, sums, tile_tag, weight_word


def admitting_word(order):
    """Which of a block's weight words lets its spikes start, so that they come when the last has its effect."""
    return max(0, len(order) - 1 - ADMITTED)


class ArraySignature(wiring.Signature):
    """Load a weight block, stream spike words past it, get partial sums.

    Members
    -------
    weights : In(stream(weight_word)), a block's words in the array's ``order``, without a pause inside the block
    admit : Out(1), pulse: the next block's spikes may come from ``ADMITTED`` cycles later on
    spikes : In(stream(spike_words)), always ready; ``last`` ends a block, the next word meets the next weights
    sums : Out(stream(sums)), in the order of the spike words, always ready

    Spikes are never held up: a ready signal back through the spike memory and the addresses would be a slow
    path with a wide spread. Blocks are let in instead, in time for no cycle to be lost.

    Every array has ``order``, the words of a block in the order it wants them, and ``latency``, the
    cycles from a spike word to its sums.
    """

    def __init__(self, config):
        super().__init__(
            {
                "weights": In(stream.Signature(weight_word(config))),
                "admit": Out(1),
                "spikes": In(stream.Signature(spike_words(config), always_ready=True)),
                "sums": Out(stream.Signature(sums(config), always_ready=True)),
            }
        )


def hold_spikes(m, spikes):
    """Spike words in a register of the array's own.

    Returns (held, used, finished): the word, whether there is one in this cycle, and whether it ends its block.
    """
    held, used = Signal(spikes.payload.shape(), name="held"), Signal()
    m.d.sync += [held.eq(spikes.payload), used.eq(spikes.valid)]
    return held, used, used & held.last


def delay_tag(m, config, used, held, cycles, out):
    """``out``, the sums stream, gets valid and the tile's tag of ``held``, ``cycles`` later."""
    layout = data.StructLayout(tile_tag(config))
    valid, tag = used, held
    for stage in range(1, cycles):
        valid_before, tag_before = valid, tag
        valid, tag = Signal(name=f"valid{stage}"), Signal(layout, name=f"tag{stage}", reset_less=True)
        m.d.sync += [valid.eq(valid_before), *(tag[name].eq(tag_before[name]) for name in tile_tag(config))]
    m.d.sync += out.valid.eq(valid)
    m.d.sync += [out.payload[name].eq(tag[name]) for name in tile_tag(config)]
