"""What every accumulator array looks like from outside."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..interfaces import spike_words, sums, weight_word


class ArraySignature(wiring.Signature):
    """Load a weight block, stream spike words past it, get partial sums.

    Members
    -------
    weights : In(stream(weight_word)), blocks of ``outputs`` words, output channel 0 first
    spikes : In(stream(spike_words)); ``last`` ends a block, the next word meets the next weights
    sums : Out(stream(sums)), in the order of the spike words; must be taken at once
    """

    def __init__(self, config):
        super().__init__(
            {
                "weights": In(stream.Signature(weight_word(config))),
                "spikes": In(stream.Signature(spike_words(config))),
                "sums": Out(stream.Signature(sums(config), always_ready=True)),
            }
        )
