"""The core: program, pixels in; class scores out. The whole data path, connected in order."""

from amaranth.hdl import Module, ResetInserter, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import PIXEL_BITS, SCORE_BITS
from onespike.contract.isa import WORD_BITS, Op
from onespike.contract.program import fingerprint
from onespike.contract.regs import Status

from .classifier import Classifier
from .control.loader import Loader
from .control.regfile import RegisterBus, RegisterFile
from .control.sequencer import Sequencer
from .encoder import Encoder, image_setup
from .engine.accumulators import Accumulators
from .engine.condense import Condense
from .engine.drain import Drain
from .engine.neuron import NeuronUnit
from .engine.tree import TreeArray
from .engine.windows import WindowAddresses
from .interfaces import spike_write
from .memory.spikes import SpikeMemory
from .memory.weights import WeightMemory


def trace_layout(config):
    """What a simulation may watch: the running layer and every spike word the condenser writes."""
    return data.StructLayout(
        {"layer": unsigned(8), "busy": unsigned(1), "write": unsigned(1), **spike_write(config).members}
    )


class Core(wiring.Component):
    """One spiking core of the sizes in ``config``.

    Members
    -------
    program : In(stream(32 bits)), a program image (``contract.program``)
    pixels : In(stream(8 bits)), images: positions in raster order, channels of a position in order
    scores : Out(stream(signed)), ``classes`` scores per image, class 0 first
    registers : the bus of ``RegisterFile``
    trace : Out, for simulation

    An image is taken when a program runs and the image before has left its last layer.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "program": In(stream.Signature(WORD_BITS)),
                "pixels": In(stream.Signature(PIXEL_BITS)),
                "scores": Out(stream.Signature(signed(SCORE_BITS))),
                "registers": Out(RegisterBus()),
                "trace": Out(trace_layout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.registers = registers = RegisterFile()
        loader = Loader(config)
        m.submodules.loader = ResetInserter(registers.reset)(loader)
        m.submodules.encoder = encoder = Encoder(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.windows = windows = WindowAddresses(config)
        m.submodules.spikes = spikes = SpikeMemory(config)
        m.submodules.weights = weights = WeightMemory(config)
        m.submodules.array = array = TreeArray(config)
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

        # Image.
        was_running, running = Signal(), Signal()
        m.d.comb += running.eq(was_running | encoder.done)
        with m.If(encoder.done):
            m.d.sync += was_running.eq(1)
        with m.If(sequencer.done):
            m.d.sync += was_running.eq(0)
        wiring.connect(m, wiring.flipped(self.pixels), encoder.i)
        m.d.comb += [
            encoder.enable.eq((loader.status == Status.READY) & ~running),
            *(encoder.setup[name].eq(loader.header[name]) for name, _ in image_setup),
            sequencer.start.eq(encoder.done),
            sequencer.layers.eq(loader.header.layers),
        ]

        # Layer.
        for unit in (windows, drain, neuron, condense):
            m.d.comb += unit.layer.eq(sequencer.layer)
        for unit in (drain, condense):
            m.d.comb += unit.restart.eq(sequencer.restart)
        wiring.connect(m, sequencer.blocks, windows.i)
        wiring.connect(m, sequencer.weights, weights.i)
        wiring.connect(m, windows.o, spikes.i)
        wiring.connect(m, spikes.o, array.spikes)
        wiring.connect(m, weights.o, array.weights)
        wiring.connect(m, array.sums, accumulators.i)
        m.d.comb += [
            drain.tile_done.eq(accumulators.done),
            accumulators.address.eq(drain.address),
            drain.row.eq(accumulators.row),
            sequencer.release.eq(drain.release),
        ]

        # Neurons or scores.
        scoring = sequencer.layer.op == Op.SCORE
        m.d.comb += [
            neuron.i.payload.eq(drain.o.payload),
            classifier.i.payload.eq(drain.o.payload),
            neuron.i.valid.eq(drain.o.valid & ~scoring),
            classifier.i.valid.eq(drain.o.valid & scoring),
        ]
        with m.If(scoring):
            m.d.comb += drain.o.ready.eq(classifier.i.ready)
        with m.Else():
            m.d.comb += drain.o.ready.eq(neuron.i.ready)
        wiring.connect(m, neuron.o, condense.i)
        neuron_taken = condense.i.valid & condense.i.ready
        score_taken = classifier.i.valid & classifier.i.ready
        m.d.comb += [
            drain.potentials.valid.eq(neuron_taken & sequencer.layer.store),
            drain.potentials.payload.eq(neuron.o.payload.potentials),
            sequencer.group_done.eq(
                (neuron_taken & neuron.o.payload.group_end) | (score_taken & drain.o.payload.group_end)
            ),
            sequencer.idle.eq(condense.idle),
        ]
        wiring.connect(m, classifier.scores, wiring.flipped(self.scores))

        # The encoder writes only while no layer runs.
        m.d.comb += [condense.o.ready.eq(1), encoder.o.ready.eq(~running)]
        with m.If(running):
            m.d.comb += [
                spikes.write.valid.eq(condense.o.valid),
                spikes.write.payload.eq(condense.o.payload),
            ]
        with m.Else():
            m.d.comb += [spikes.write.valid.eq(encoder.o.valid), spikes.write.payload.eq(encoder.o.payload)]

        self._count(m, registers, loader, encoder, sequencer, array)
        m.d.comb += [
            self.trace.layer.eq(sequencer.index),
            self.trace.busy.eq(sequencer.busy),
            self.trace.write.eq(condense.o.valid),
            self.trace.address.eq(condense.o.payload.address),
            self.trace.word.eq(condense.o.payload.word),
            self.trace.mask.eq(condense.o.payload.mask),
        ]
        return m

    def _count(self, m, registers, loader, encoder, sequencer, array):
        """Registers: identity, status and counters of the image that finished last."""
        wiring.connect(m, wiring.flipped(self.registers), registers.bus)
        cycles, busy, stalls = Signal(32), Signal(32), Signal(32)
        measuring = Signal()
        begins = encoder.i.valid & encoder.i.ready & ~measuring
        with m.If(begins):
            m.d.sync += [measuring.eq(1), cycles.eq(1), busy.eq(0), stalls.eq(0)]
        with m.Elif(measuring):
            m.d.sync += [
                cycles.eq(cycles + 1),
                busy.eq(busy + (array.spikes.valid & array.spikes.ready)),
                stalls.eq(stalls + (array.spikes.valid & ~array.spikes.ready)),
            ]
        with m.If(sequencer.done):
            m.d.sync += [
                measuring.eq(0),
                registers.images.eq(registers.images + 1),
                registers.cycles.eq(cycles),
                registers.array_cycles.eq(busy),
                registers.spike_stalls.eq(stalls),
            ]
        with m.If(registers.reset):
            m.d.sync += registers.images.eq(0)
        m.d.comb += [registers.fingerprint.eq(fingerprint(self.config)), registers.status.eq(loader.status)]
