"""How many spikes the layers fired for an image."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.arith import LEVEL_BITS
from onespike.contract.config import WINDOWS
from onespike.contract.isa import WORD_BITS

from ..core import activity_layout


class SpikeCounter(wiring.Component):
    """Adds up the spikes of the neurons, image by image; a level has one in each of its planes that is set.

    Members
    -------
    activity : In(activity_layout), of the core
    count : Out(32), of the last image that is done
    """

    def __init__(self, config):
        self.config = config
        super().__init__({"activity": In(activity_layout(config)), "count": Out(WORD_BITS)})

    def elaborate(self, platform):
        m = Module()
        count, neurons = self.config.neurons, self.activity.neurons
        bits = LEVEL_BITS * WINDOWS
        fired = Cat(neurons.fired[n].as_value() & neurons.present[n].replicate(bits) for n in range(count))
        ones, done, total = Signal(range(len(fired) + 1)), Signal(), Signal(WORD_BITS)
        m.d.sync += [
            ones.eq(Mux(self.activity.valid, sum(fired), 0)),
            done.eq(self.activity.done),
            total.eq(total + ones),
        ]
        with m.If(done):
            m.d.sync += [self.count.eq(total + ones), total.eq(0)]
        return m
