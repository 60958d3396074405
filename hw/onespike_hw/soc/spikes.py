"""How many spikes the layers fired for an image."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import WINDOWS
from onespike.contract.isa import WORD_BITS

from ..core import activity_layout


class SpikeCounter(wiring.Component):
    """Adds up the spikes of the neurons, image by image.

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
        fired = Cat(neurons.spikes[n] & neurons.present[n].replicate(WINDOWS) for n in range(count))
        ones, done, total = Signal(range(len(fired) + 1)), Signal(), Signal(WORD_BITS)
        m.d.sync += [
            ones.eq(Mux(self.activity.valid, sum(fired), 0)),
            done.eq(self.activity.done),
            total.eq(total + ones),
        ]
        with m.If(done):
            m.d.sync += [self.count.eq(total + ones), total.eq(0)]
        return m
