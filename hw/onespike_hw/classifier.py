"""Class scores: accumulators summed over the whole map, plus the bias."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import PARAMETER_BITS, SCORE_BITS, WINDOWS

from .interfaces import neuron_input


class Classifier(wiring.Component):
    """Sums each class over windows and positions of an output group, then sends the group's scores.

    Members
    -------
    i : In(stream(neuron_input)), slots in order at every position
    scores : Out(stream(signed)), slot 0 first

    Throughput: one channel per cycle; a group's scores go out before the next group is taken.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(neuron_input(config))),
                "scores": Out(stream.Signature(signed(SCORE_BITS))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        outputs = range(self.config.outputs)
        totals = Signal(data.ArrayLayout(signed(SCORE_BITS), len(outputs)))
        biases = Signal(data.ArrayLayout(signed(PARAMETER_BITS), len(outputs)))
        last, sent = Signal(outputs), Signal(outputs)
        given = self.i.payload
        here = sum(given.acc[w] for w in range(WINDOWS))
        m.d.comb += self.scores.payload.eq(totals[sent] + biases[sent])
        with m.FSM():
            with m.State("Sum"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [totals[given.slot].eq(totals[given.slot] + here), last.eq(given.slot)]
                    m.d.sync += biases[given.slot].eq(given.parameter.bias)
                    with m.If(given.group_end):
                        m.d.sync += sent.eq(0)
                        m.next = "Send"
            with m.State("Send"):
                m.d.comb += self.scores.valid.eq(1)
                with m.If(self.scores.ready):
                    m.d.sync += [totals[sent].eq(0), sent.eq(sent + 1)]
                    with m.If(sent == last):
                        m.next = "Sum"
        return m
