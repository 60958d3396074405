"""What a network makes a core do for one image: operations, and words to and from its memories.

Two networks of one shape are counted with one record: the spiking network on the core as it is, and an 8-bit ANN
on the same core, whose spike words would be words of 8-bit activations and whose array would multiply.
"""

from dataclasses import dataclass, replace

from ..compiler.layout import Map, chain_side
from ..compiler.report import image_cycles
from ..compiler.schedule import predict
from ..contract.config import PARAMETER_BITS, PIXEL_BITS, POTENTIAL_BITS, SCORE_BITS, TAPS, WINDOWS
from ..contract.isa import Carry, Condense, Op, Windows
from .assumptions import add_pj, memory_pj, multiply_pj

ANN_BITS = 8
"""Bits of the ANN's weights and activations."""
CARRY_ADDS = {
    Carry.NONE: 0, Carry.LEAK: 2, Carry.OMEGA: 3, Carry.MEAN: 3, Carry.RELU: 3, Carry.SUM: 3, Carry.RESET: 3,
}  # fmt: skip
"""Adds that make a carry: the leak takes two (``arith.leak``), Omega two addresses and the sum of two entries."""


@dataclass(frozen=True)
class Work:
    """What one layer takes for one image. Counts, and the widths in bits that price them.

    ``dense`` adds of synapses (of every bit plane; of an ANN MACs), ``effective`` of them carried out, each with a
    multiply of ``factor_bits`` squared where that is not 0; ``multiplies`` of the folded BatchNorm, 16 x ``adder_bits``;
    ``neuron_adds`` of bias, carry and comparison. Memory: ``blocks`` of weights loaded, ``words_read`` and ``written`` of
    spikes or activations (the same place of four quadrants), ``accumulator_accesses`` (reads and writes),
    ``parameters`` read (a scale and a bias), ``table_reads`` and ``potential_accesses`` of a carry.
    """

    name: str
    dense: float = 0
    effective: float = 0
    factor_bits: int = 0
    adder_bits: int = 0
    multiplies: float = 0
    neuron_adds: float = 0
    neuron_add_bits: int = POTENTIAL_BITS
    blocks: float = 0
    block_bits: int = 0
    words_read: float = 0
    words_written: float = 0
    word_bits: int = 0
    accumulator_accesses: float = 0
    parameters: float = 0
    table_reads: float = 0
    table_bits: int = 0
    potential_accesses: float = 0

    def picojoules(self):
        """{part: pJ}; the first two are arithmetic, the others memory."""
        synapse = add_pj(self.adder_bits) + (multiply_pj(self.factor_bits, self.factor_bits) if self.factor_bits else 0)
        neurons = self.multiplies * multiply_pj(PARAMETER_BITS, self.adder_bits)
        kept = (
            self.parameters * 2 * PARAMETER_BITS
            + self.table_reads * self.table_bits
            + self.potential_accesses * POTENTIAL_BITS
        )
        return {
            "synapses": self.effective * synapse,
            "neurons": neurons + self.neuron_adds * add_pj(self.neuron_add_bits),
            "weights": memory_pj(self.blocks * self.block_bits),
            "words": memory_pj((self.words_read + self.words_written) * self.word_bits),
            "accumulators": memory_pj(self.accumulator_accesses * self.adder_bits),
            "parameters": memory_pj(kept),
        }

    def share(self, factor):
        """The same with every count times ``factor``; widths stay."""
        counts = {name: value * factor for name, value in vars(self).items() if name != "name" and name[-5:] != "_bits"}
        return replace(self, **counts)


ARITHMETIC = ("synapses", "neurons")
"""Parts of ``Work.picojoules`` that are no memory."""


def spiking_work(model, compiled, effective):
    """``Work`` of the image's arrival and of every layer; ``effective`` adds an image by layer, from real spikes."""
    spec, program, report = model.spec, compiled.program, compiled.report
    config = program.config
    plan = predict(program.layers, config, image_cycles(spec, config))
    word_bits, block_bits = config.word * WINDOWS, config.outputs * config.lanes * config.weight_bits
    result = [_image(spec, config, PIXEL_BITS, word_bits)]
    for index, (layer, row) in enumerate(zip(program.layers, report.layers, strict=True)):
        entry = spec.layers[index] if layer["op"] is Op.SPIKE else None
        result.append(
            Work(
                name=row.name,
                dense=row.dense_sop,
                effective=effective[index],
                adder_bits=row.acc_bits,
                blocks=plan.blocks[index],
                block_bits=block_bits,
                words_read=TAPS * plan.beats[index],
                words_written=layer["words"] * layer["half"] ** 2 * (entry.planes if entry else 0),
                word_bits=word_bits,
                # A scanned window is walked alone: one pixel a cycle instead of four.
                accumulator_accesses=2 * plan.beats[index] * config.outputs * (1 if layer["scan"] else WINDOWS),
                table_bits=config.table_bits,
                **(_neurons(entry, layer) if entry else _classes(layer["channels"])),
            )
        )
    return result


def _neurons(entry, layer):
    """What the neurons of a spiking layer take: every window's neurons are neurons of their own."""
    windowed = entry.windows is not Windows.NONE
    place = layer["channels"] * chain_side(entry, 2 * layer["half"]) ** 2  # neurons of a window, or of a quadrant
    neurons = WINDOWS * place
    starts = 2 if layer["pairs"] else 1
    carried = (WINDOWS - starts) * place if windowed and entry.carry is not Carry.NONE else 0
    comparisons = entry.levels if entry.condense is Condense.OR else 1
    kept = (WINDOWS - 1) * place if layer["store"] else 0
    return {
        "multiplies": neurons,
        "neuron_adds": neurons * (1 + comparisons) + carried * (CARRY_ADDS[entry.carry] + 1),
        "parameters": place,  # for all four windows at once
        "table_reads": 2 * carried if entry.carry is Carry.OMEGA else 0,
        "potential_accesses": kept + (carried if entry.carry.takes_previous else 0),
    }


def _classes(count):
    """What the classifier adds to its accumulators: the sums of four quadrants and a bias for every class."""
    return {"neuron_adds": count * WINDOWS, "neuron_add_bits": SCORE_BITS, "parameters": count}


def ann_work(model, compiled):
    """``Work`` of an 8-bit ANN of the same shape: every dense position one MAC, no windows, no carry, no planes.

    Where windows are time steps, the ANN takes its one image once: a quarter of the map.
    """
    spec, config = model.spec, compiled.program.config
    layers = [_plain(layer) for layer in compiled.program.layers]
    plan = predict(layers, config, image_cycles(spec, config))
    word_bits, block_bits = config.word * WINDOWS * ANN_BITS, config.outputs * config.lanes * ANN_BITS
    result = [_image(spec, config, 1, word_bits)]
    geometry = spec.geometry()
    for index, layer in enumerate(layers):
        places = (2 * layer["half"]) ** 2
        if layer["op"] is Op.SPIKE:
            entry, channels, _, _, skip = geometry[index]
            inputs = channels * entry.kernel**2 + (geometry[skip][0].channels if skip is not None else 0)
            sums, outputs = inputs, layer["channels"] * places
            own = {"multiplies": outputs, "neuron_adds": outputs, "parameters": outputs / WINDOWS}
        else:
            inputs = spec.layers[-1].channels
            sums, own = inputs * layer["positions"], _classes(layer["channels"])
        macs = layer["channels"] * places * inputs
        result.append(
            Work(
                name=compiled.report.layers[index].name,
                dense=macs,
                effective=macs,
                factor_bits=ANN_BITS,
                # Sums of the largest products: as proven as those of the spiking network, from no weights.
                adder_bits=2 * ANN_BITS + (sums - 1).bit_length(),
                blocks=plan.blocks[index],
                block_bits=block_bits,
                words_read=TAPS * plan.beats[index],
                words_written=layer["words"] * layer["half"] ** 2,
                word_bits=word_bits,
                accumulator_accesses=2 * plan.beats[index] * config.outputs * WINDOWS,
                **own,
            )
        )
    return result if spec.steps == 1 else [work.share(1 / WINDOWS) for work in result]


def _plain(layer):
    """A layer's descriptor without windows, whose sources have one plane of whole activations."""
    sources = {name: layer[name] | {"planes": min(1, layer[name]["planes"])} for name in ("main", "shortcut")}
    walked = {"scan": 0, "scan_side": layer["half"], "positions": layer["half"] ** 2}
    modes = {"windows": Windows.NONE, "carry": Carry.NONE, "condense": Condense.OR, "levels": 0, "pairs": 0}
    return layer | sources | walked | modes


def _image(spec, config, planes, word_bits):
    """The image's arrival: its words are written."""
    channels, side, _ = spec.input_shape
    words = Map(0, channels, side, planes, config.word).groups * (side // 2) ** 2 * planes
    return Work("image", words_written=words, word_bits=word_bits)
