"""The core: program, pixels in; class scores out. The whole data path, connected in order."""

from amaranth.hdl import ClockSignal, Instance, Module, Mux, ResetInserter, ResetSignal, Signal, Value, signed, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import ADMITTED, NEURON_CYCLES, PIXEL_BITS, SCORE_BITS
from onespike.contract.isa import WORD_BITS, Op
from onespike.contract.program import fingerprint
from onespike.contract.regs import Status

from .classifier import Classifier
from .control.loader import Loader
from .control.regfile import RegisterBus, RegisterFile
from .control.sequencer import Sequencer
from .encoder import Encoder, image_setup
from .engine import make_array
from .engine.accumulators import Accumulators
from .engine.condense import Condense
from .engine.drain import Drain
from .engine.neuron import NeuronUnit
from .engine.windows import WindowAddresses
from .interfaces import neuron_output, spike_write
from .memory.spikes import SpikeMemory
from .memory.weights import WeightMemory


def trace_layout(config):
    """What a simulation may watch: where array and neurons are, and every spike word that is written.

    ``begins``: the array turns to layer ``index``; ``ends``: the neurons of ``chain_index`` are done;
    ``beat``: the array takes the spikes of a position.
    """
    return data.StructLayout(
        {
            "index": unsigned(8),
            "begins": unsigned(1),
            "beat": unsigned(1),
            "chain_index": unsigned(8),
            "ends": unsigned(1),
            "write": unsigned(1),
            **spike_write(config).members,
        }
    )


def activity_layout(config):
    """What a counter of spikes wants to know: the ``neurons`` that leave the neuron units in a cycle, with
    ``valid``; ``done``: an image's last score has left, and no spike of the next one was fired yet.
    """
    return data.StructLayout({"valid": unsigned(1), "neurons": neuron_output(config), "done": unsigned(1)})


def core_signature(config):
    """Members of ``Core``."""
    return {
        "program": In(stream.Signature(WORD_BITS)),
        "pixels": In(stream.Signature(PIXEL_BITS)),
        "scores": Out(stream.Signature(signed(SCORE_BITS))),
        "registers": Out(RegisterBus()),
        "activity": Out(activity_layout(config)),
        "trace": Out(trace_layout(config)),
    }


def verilog_ports(component):
    """Name of the Verilog port of every member of a component -> (flow, value); streams become I__PAYLOAD etc."""
    members = component.signature.flatten(component)
    ports = {"__".join(map(str, path)): (member.flow, Value.cast(value)) for path, member, value in members}
    # A stream that is always ready has a constant there, which is no port.
    return {name: port for name, port in ports.items() if isinstance(port[1], Signal)}


class CoreModule(wiring.Component):
    """The core as a Verilog module "core" of its own, which is made of ``Core`` and joined later; members as ``Core``."""

    def __init__(self, config):
        super().__init__(core_signature(config))

    def elaborate(self, platform):
        ports = {f"{'i' if flow is In else 'o'}_{name}": value for name, (flow, value) in verilog_ports(self).items()}
        return Instance("core", i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)


class Core(wiring.Component):
    """One spiking core of the sizes in ``config``.

    Members
    -------
    program : In(stream(32 bits)), a program image (``contract.program``)
    pixels : In(stream(8 bits)), images: positions in raster order, channels of a position in order
    scores : Out(stream(signed)), ``classes`` scores per image, class 0 first
    registers : the bus of ``RegisterFile``
    activity : Out, for a counter of spikes
    trace : Out, for simulation

    The next image is taken while the layers run, from the moment its predecessor has left the first one.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(core_signature(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.registers = registers = RegisterFile()
        loader = Loader(config)
        m.submodules.loader = ResetInserter(registers.reset)(loader)
        encoder = Encoder(config)
        m.submodules.encoder = ResetInserter(registers.reset)(encoder)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.windows = windows = WindowAddresses(config)
        m.submodules.spikes = spikes = SpikeMemory(config)
        m.submodules.array = array = make_array(config)
        m.submodules.weights = weights = WeightMemory(config, array.order)
        m.submodules.accumulators = accumulators = Accumulators(config)
        m.submodules.drain = drain = Drain(config)
        m.submodules.neuron = neuron = NeuronUnit(config)
        m.submodules.condense = condense = Condense(config)
        m.submodules.classifier = classifier = Classifier(config)

        # Program.
        wiring.connect(m, wiring.flipped(self.program), loader.i)
        wiring.connect(m, loader.layer_write, sequencer.layer_write)
        wiring.connect(m, loader.weight_write, weights.write)
        wiring.connect(m, loader.parameter_write, drain.parameter_write)
        wiring.connect(m, loader.table_write, neuron.table_write)

        # Image: it may be replaced when the neurons of the first layer are done.
        arrived, reading = Signal(), Signal()
        with m.If(encoder.done):
            m.d.sync += arrived.eq(1)
        with m.If(sequencer.image_taken):
            m.d.sync += [arrived.eq(0), reading.eq(1)]
        with m.If(sequencer.chain_ends & (sequencer.chain_index == 0)):
            m.d.sync += reading.eq(0)
        with m.If(registers.reset):
            m.d.sync += arrived.eq(0)
        wiring.connect(m, wiring.flipped(self.pixels), encoder.i)
        m.d.comb += [
            encoder.enable.eq((loader.status == Status.READY) & ~encoder.done & ~arrived & ~reading),
            *(encoder.setup[name].eq(loader.header[name]) for name, _ in image_setup),
            sequencer.image.eq(arrived),
            sequencer.layers.eq(loader.header.layers),
        ]

        # Layer.
        m.d.comb += windows.layer.eq(sequencer.layer)
        for unit in (drain, neuron, condense):
            m.d.comb += unit.layer.eq(sequencer.chain_layer)
        for unit in (drain, condense):
            m.d.comb += unit.restart.eq(sequencer.chain_begins)
        wiring.connect(m, sequencer.blocks, windows.i)
        wiring.connect(m, sequencer.weights, weights.i)
        wiring.connect(m, windows.o, spikes.i)
        wiring.connect(m, spikes.o, array.spikes)
        wiring.connect(m, weights.o, array.weights)
        wiring.connect(m, array.sums, accumulators.i)
        assert windows.latency + spikes.latency + 1 == ADMITTED, "a block would meet the weights of another"
        m.d.comb += windows.admit.eq(array.admit)
        m.d.comb += [drain.tile_done.eq(accumulators.done), sequencer.release.eq(drain.release)]
        for slot in range(config.slots):
            m.d.comb += [
                accumulators.address[slot].eq(drain.address[slot]),
                drain.rows[slot].eq(accumulators.rows[slot]),
            ]

        # Neurons or scores.
        scoring = sequencer.chain_layer.op == Op.SCORE
        m.submodules.queue = queue = fifo.SyncFIFO(width=condense.i.payload.shape().size, depth=config.in_flight)
        m.d.comb += [
            neuron.i.payload.eq(drain.o.payload),
            classifier.i.payload.eq(drain.o.payload),
            neuron.i.valid.eq(drain.o.valid & ~scoring),
            classifier.i.valid.eq(drain.o.valid & scoring),
            queue.w_en.eq(neuron.o.valid),
            queue.w_data.eq(neuron.o.payload),
            condense.i.valid.eq(queue.r_rdy),
            condense.i.payload.eq(queue.r_data),
            queue.r_en.eq(condense.i.ready),
            drain.left.eq((queue.r_rdy & queue.r_en) | classifier.left),
        ]
        # Three more cycles: into the queue, out of it, and for the drain to decide.
        assert drain.latency + neuron.latency + 3 <= NEURON_CYCLES, "positions would follow one another with a pause"
        wiring.connect(m, neuron.potentials, drain.potentials)
        wiring.connect(m, classifier.scores, wiring.flipped(self.scores))
        m.d.comb += [sequencer.word_done.eq(condense.word_done), sequencer.scores_done.eq(classifier.done)]
        m.d.comb += sequencer.empty.eq(drain.empty)

        # Spikes of the layers go before those of the image, which can wait.
        m.d.comb += [
            encoder.o.ready.eq(~condense.o.valid),
            spikes.write.valid.eq(condense.o.valid | encoder.o.valid),
            spikes.write.payload.eq(Mux(condense.o.valid, condense.o.payload.as_value(), encoder.o.payload.as_value())),
        ]

        self._count(m, registers, loader, encoder, sequencer, windows, array)
        m.d.comb += [
            self.activity.valid.eq(neuron.o.valid),
            self.activity.neurons.eq(neuron.o.payload),
            self.activity.done.eq(sequencer.done),
        ]
        m.d.comb += [
            self.trace.index.eq(sequencer.index),
            self.trace.begins.eq(sequencer.begins),
            self.trace.beat.eq(array.spikes.valid),
            self.trace.chain_index.eq(sequencer.chain_index),
            self.trace.ends.eq(sequencer.chain_ends),
            self.trace.write.eq(condense.o.valid),
            *(self.trace[name].eq(condense.o.payload[name]) for name, _ in spike_write(config)),
        ]
        return m

    def _count(self, m, registers, loader, encoder, sequencer, windows, array):
        """Registers: identity, status, and counters from one image's last score to the next one's."""
        wiring.connect(m, wiring.flipped(self.registers), registers.bus)
        cycles, busy, stalls = Signal(32), Signal(32), Signal(32)
        begun = Signal()
        with m.If(encoder.i.valid & encoder.i.ready):
            m.d.sync += begun.eq(1)
        with m.If(begun):
            m.d.sync += [
                cycles.eq(cycles + 1),
                busy.eq(busy + array.spikes.valid),
                stalls.eq(stalls + windows.waits),
            ]
        with m.If(sequencer.done):
            m.d.sync += [
                registers.images.eq(registers.images + 1),
                registers.cycles.eq(cycles),
                registers.array_cycles.eq(busy),
                registers.weight_waits.eq(stalls),
                cycles.eq(0),
                busy.eq(0),
                stalls.eq(0),
            ]
        with m.If(registers.reset):
            counters = (registers.cycles, registers.array_cycles, registers.weight_waits, cycles, busy, stalls)
            m.d.sync += [registers.images.eq(0), begun.eq(0), *(counter.eq(0) for counter in counters)]
        m.d.comb += [registers.fingerprint.eq(fingerprint(self.config)), registers.status.eq(loader.status)]
