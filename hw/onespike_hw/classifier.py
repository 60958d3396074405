"""Class scores: the sums of the four windows, plus the bias."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import PARAMETER_BITS, SCORE_BITS, WINDOWS

from .interfaces import neuron_input


class Classifier(wiring.Component):
    """Adds each class's windows and bias and sends the scores of an output group.

    The accumulators of a SCORE layer have run over all positions already, so a group is one position.

    Members
    -------
    i : In(stream(neuron_input)), windows one cycle apart, always ready: no more than ``in_flight`` at a time
    left : Out(1), pulse: one of them has been sent
    scores : Out(stream(signed)), class 0 first
    done : Out(1), pulse: all scores of the last output group have left

    Throughput: a score per cycle.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(neuron_input(config), always_ready=True)),
                "left": Out(1),
                "scores": Out(stream.Signature(signed(SCORE_BITS))),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, given = self.config, self.i.payload
        score = signed(max(config.acc_bits + 2, PARAMETER_BITS) + 1)
        result = data.StructLayout(
            {
                "present": unsigned(config.neurons),
                "last": unsigned(1),
                "scores": data.ArrayLayout(score, config.neurons),
            }
        )

        # The windows of a transfer, added up as they come; the bias is the first term.
        valid = Signal(WINDOWS)
        tags = [Signal(1 + config.neurons, name=f"tag{n}") for n in range(WINDOWS)]
        totals = [
            [Signal(score, name=f"total{n}_{w}", reset_less=True) for w in range(WINDOWS)]
            for n in range(config.neurons)
        ]
        last = given.group_end & (given.slot == config.slots - 1)
        m.d.sync += [valid.eq(Cat(self.i.valid, valid[:-1])), tags[0].eq(Cat(last, given.present))]
        m.d.sync += [tags[n].eq(tags[n - 1]) for n in range(1, WINDOWS)]
        for n, sums in enumerate(totals):
            m.d.sync += sums[0].eq(given.parameter[n].bias + given.acc[n][0])
            m.d.sync += [sums[w].eq(sums[w - 1] + given.acc[n][w]) for w in range(1, WINDOWS)]
        ready = Signal(result)
        m.d.comb += [
            Cat(ready.last, ready.present).eq(tags[-1]),
            *(ready.scores[n].eq(totals[n][-1]) for n in range(config.neurons)),
        ]

        # Send them lane by lane.
        m.submodules.queue = queue = fifo.SyncFIFO(width=result.size, depth=config.in_flight)
        here = data.View(result, queue.r_data)
        lane, moves = Signal(range(config.neurons)), Signal()
        m.d.comb += [
            queue.w_en.eq(valid[-1]),
            queue.w_data.eq(ready),
            self.scores.valid.eq(queue.r_rdy & here.present.bit_select(lane, 1)),
            self.scores.payload.eq(here.scores[lane]),
            moves.eq(queue.r_rdy & (~self.scores.valid | self.scores.ready)),
            queue.r_en.eq(moves & (lane == config.neurons - 1)),
            self.left.eq(queue.r_en),
            self.done.eq(queue.r_en & here.last),
        ]
        with m.If(moves):
            m.d.sync += lane.eq(Mux(queue.r_en, 0, lane + 1))
        return m
