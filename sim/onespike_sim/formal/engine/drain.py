"""From the result banks to the queue before the condenser, where nothing can be held up."""

from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Elaboratable, Module, Mux, Signal
from amaranth.lib import fifo

from onespike.contract.config import WINDOWS, preset
from onespike.contract.isa import Op
from onespike_hw.classifier import Classifier
from onespike_hw.engine.drain import Drain
from onespike_hw.engine.neuron import NeuronUnit

from ..properties import before, free, free_inputs, opened

CONFIG = preset("tiny")
BANKS = 2


class Admission(Elaboratable):
    """Whatever the condenser takes and when, no neuron finds the queue full that it goes to; same for the scores.

    Neither the pipeline nor the queue's input can wait, so all rests on the drain letting in no more than
    ``in_flight``. It says ``empty`` exactly when none is on its way. Drain, neuron unit, classifier and queue are
    joined as in the core. Assumed: a layer changes only when none is on its way.
    """

    def elaborate(self, platform):
        m = Module()
        config = CONFIG
        m.submodules.drain = drain = Drain(config)
        m.submodules.neuron = neuron = NeuronUnit(config)
        m.submodules.classifier = classifier = Classifier(config)
        m.submodules.queue = queue = fifo.SyncFIFO(width=1, depth=config.in_flight)
        inner, fires, adds = opened(drain), opened(neuron), opened(classifier)
        free_inputs(m, drain, but=("left", "rows"))
        free_inputs(m, classifier, but=("i",))
        scoring = drain.layer.op == Op.SCORE
        m.d.comb += [
            neuron.i.valid.eq(drain.o.valid & ~scoring),
            classifier.i.valid.eq(drain.o.valid & scoring),
            queue.w_en.eq(neuron.o.valid),
            queue.r_en.eq(free(m, 1, "condenser_takes")),
            drain.left.eq((queue.r_rdy & queue.r_en) | classifier.left),
            Assume(drain.empty | (before(m, scoring, "was_scoring") == scoring)),
        ]

        # Where they all are: a position that was let in and has slots to go, the drain's registers, the units, the
        # queues.
        passing = Signal(drain.latency - 1)
        m.d.sync += passing.eq(Cat(inner.running, passing))
        slots_left, on_way = Signal(range(config.slots + 1)), Signal(range(4 * config.in_flight))
        for elsewhere, unit in ((scoring, fires.valid), (~scoring, adds.valid)):
            stages = Cat(inner.running, passing, drain.o.valid, unit)
            for n in range(1, len(stages)):
                # The slots of a position go together. So it is positions that a solver has to count.
                together = stages[n] == stages[n - 1]
                m.d.comb += Assert(elsewhere | together | (inner.slot == (n - 1) % config.slots))
        m.d.comb += [
            slots_left.eq(Mux(inner.running, config.slots - inner.slot, 0)),
            on_way.eq(
                slots_left + sum(Cat(passing, drain.o.valid, fires.valid, adds.valid)) + queue.level + adds.queue.level
            ),
            Assert(~queue.w_en | queue.w_rdy),
            Assert(~adds.queue.w_en | adds.queue.w_rdy),
            Assert(inner.on_way == on_way),
            Assert(drain.empty == (on_way == 0)),
            Assert(on_way <= config.in_flight),
            Assert((inner.valid == passing[-1]) & (inner.valid_before == passing[-2])),
            Assert(scoring | ((adds.queue.level == 0) & (adds.valid == 0))),
            Assert(~scoring | ((queue.level == 0) & (fires.valid == 0))),
            Cover((queue.level == config.in_flight) & (on_way == config.in_flight)),
            Cover(adds.queue.w_en & (on_way > 4 * config.slots)),
        ]
        return m


class Looks(Elaboratable):
    """The drain takes a tile when it is complete and no earlier, banks in turn, and looks only into the bank it drains.

    Window w of a position looks into that bank w + 2 cycles after the position's slot, so no later than ``WINDOWS`` + 1
    cycles after the bank's release: sooner than any block that is let in by it writes a result. Assumed: the sequencer
    completes no third tile before one is released.
    """

    def elaborate(self, platform):
        m = Module()
        config = CONFIG
        m.submodules.drain = drain = Drain(config)
        inner = opened(drain)
        free_inputs(m, drain, but=("rows",))
        complete, bank = Signal(range(4)), Signal()
        m.d.sync += complete.eq(complete + drain.tile_done - drain.release)
        with m.If(drain.release):
            m.d.sync += bank.eq(~bank)
        m.d.comb += [
            Assume(~drain.tile_done | (complete < 2)),
            Assume(~drain.left | ~drain.empty),
            Assert(~drain.release | (complete != 0)),
            Assert(~inner.running | (complete != 0)),
            Assert(inner.bank == bank),
            Assert(inner.pending == complete),
        ]
        running, slot, where = inner.running, inner.slot, bank
        addresses = Array(drain.address)
        for delay in range(1, WINDOWS + 2):
            running, slot, where = (
                before(m, value, f"{name}{delay}")
                for name, value in (("running", running), ("slot", slot), ("where", where))
            )
            if delay >= 2:
                m.d.comb += Assert(~running | (addresses[slot][-1] == where))
        m.d.comb += [
            Cover(drain.release & (bank == 1) & (complete == 2)),
            Cover(running & before(m, drain.release, "released")),
        ]
        return m
