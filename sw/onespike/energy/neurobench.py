"""NeuroBench's static and workload metrics under its own names (arXiv 2304.04640).

The definitions are those of its harness: an operation is effective where weight and input differ from 0; zeros of the padding
are no operations; a layer whose inputs are all spikes makes ACs, any other MACs. So the first layer makes MACs, unless the
pixels are encoded as spikes, and so does one that reads levels (MSp, or 0 to 3), though the core adds their bit
planes and never multiplies. A neuron of each window is a neuron; windows that are only a repetition
(``steps`` 2) are counted once.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..contract import arith
from ..contract.config import PARAMETER_BITS
from ..contract.isa import Op
from ..golden.encoder import encode, pad_channels
from ..golden.layers import accumulate
from ..golden.network import base_of


def static_metrics(model, config):
    """``Footprint`` in bytes, at the bits that the parameters have and as int8 and int16 tensors; ``ParameterCount``,
    ``ConnectionSparsity``.

    Parameters: weights, scales, biases, learnt tables; tables of a sine are buffers, which only the footprint counts.
    """
    weights = [(model.weight, model.spec.weight_bits)]
    parameters, tables, learnt = model.bias.size, 0, 0
    for entry, layer in zip(model.spec.layers, model.layers, strict=True):
        bits = entry.weight_bits or model.spec.weight_bits
        weights += [(part, bits) for part in (layer.weight, layer.shortcut) if part is not None]
        parameters += layer.scale.size + layer.bias.size
        entries = 0 if layer.table is None else layer.table.size
        tables += entries
        learnt += entries if entry.table == "learnt" else 0
    count = sum(part.size for part, _ in weights)
    bits = sum(part.size * width for part, width in weights)
    zeros = sum(int((part == 0).sum()) for part, _ in weights)
    return {
        "Footprint": -(-(bits + parameters * PARAMETER_BITS + tables * config.table_bits) // 8),
        "Footprint_int8": count + (parameters * PARAMETER_BITS + tables * 16) // 8,
        "ParameterCount": count + parameters + learnt,
        "ConnectionSparsity": round(zeros / count, 4),
    }


class Input(NamedTuple):
    """A map that layers read: where it is ``active``, bool (channels padded, n, side, side), its ``top`` level, and its
    real ``channels``."""

    active: np.ndarray
    top: int
    channels: int


class Workload:
    """Counts of the workload metrics, added up over batches of images."""

    def __init__(self, model, program):
        self.model, self.program = model, program
        self.images = self.dense = self.macs = self.acs = self.fired = self.neurons = 0
        # Sums of ones count operations: weights that are 1 where a weight is not 0, or everywhere.
        self.nonzero = replace(program, weights=(program.weights != 0).astype(np.int64))
        self.ones = replace(program, weights=np.ones_like(program.weights))

    def add(self, pixels, trace):
        """Count a batch: ``pixels`` uint8 (n, C, H, W) as the core takes them, ``trace`` of their golden run."""
        program, spec = self.program, self.model.spec
        image = Input(encode(program, pixels)[0] > 0, 255 if spec.encoding == "planes" else 1, program.image_channels)
        maps = {program.image_base: image}
        for index, layer in enumerate(program.layers):
            for name in ("main", "shortcut"):
                if layer[name]["planes"]:
                    self._count_synapses(layer, name, maps[base_of(layer[name])])
            if layer["op"] is Op.SPIKE:
                levels = trace.levels[index].transpose(1, 0, 2, 3) > 0
                padded = pad_channels(levels, program.config.word)
                maps[layer["base"]] = Input(padded, spec.layers[index].top, len(levels))
                self._count_neurons(trace.potentials[index])
        self.images += len(pixels)

    def _count_synapses(self, layer, name, source):
        done = _operations(self.nonzero, layer, name, source.active)
        if source.top == 1:
            self.acs += done
        else:
            self.macs += done
        if not self.images:  # the same for every image
            words, _, *sides = source.active.shape
            real = np.arange(words)[:, None, None, None] < source.channels
            self.dense += _operations(self.ones, layer, name, np.broadcast_to(real, (words, 1, *sides)))

    def _count_neurons(self, potentials):
        for v in potentials:
            self.fired += int(np.count_nonzero(arith.fire(v, self.program.config.k)))
            self.neurons += v.size

    def metrics(self):
        """``ActivationSparsity``, and per image ``SynapticOperations`` and ``MembraneUpdates``."""
        once = self.images * repeats(self.model.spec)
        return {
            "ActivationSparsity": 1 - self.fired / self.neurons,
            "SynapticOperations": {
                "Dense": self.dense / repeats(self.model.spec),
                "Effective_MACs": self.macs / once,
                "Effective_ACs": self.acs / once,
            },
            "MembraneUpdates": self.neurons / once,
        }


def repeats(spec):
    """How often the core computes the same time step."""
    return 2 if spec.steps == 2 else 1


def _operations(program, layer, name, levels):
    """Operations of one source, where ``program`` has ones for the weights that count and ``levels`` are 0 and 1."""
    alone = {other: layer[other] | ({} if other == name else {"planes": 0}) for other in ("main", "shortcut")}
    parts = accumulate(program, layer | alone, {name: (levels.astype(np.float32), 1)})
    return sum(int(np.sum(part)) for part in parts)
