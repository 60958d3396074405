"""The compiler: trained model -> program image for one core configuration, with its report."""

from dataclasses import dataclass

import numpy as np

from ..contract.config import PIXEL_BITS
from ..contract.isa import Carry
from ..contract.program import Program
from . import limits, report
from .layout import describe, parameter_entries, place_maps
from .schedule import predict
from .weights import encode


@dataclass
class Compiled:
    """A program and what it costs."""

    program: Program
    report: report.Report


def compile(model, config):
    """Compile a ``QuantisedModel`` for ``config``.

    Raises ``LimitError`` naming the layer and the limit, ``ModelError`` on a damaged model.
    """
    model.check()
    spec = model.spec
    limits.check_network(spec, config)
    maps = place_maps(spec, config)
    layers = describe(spec, config, maps)
    for layer, trained in zip(layers, model.layers, strict=False):
        layer["shift"] = trained.shift
    names = [layer.name for layer in spec.layers] + ["classifier"]
    limits.check_descriptors(layers, names)
    weights = encode(model, config)
    limits.check_weights(len(weights), config)
    bits = _prove_accumulators(model, config, maps, names)

    scale = [layer.scale for layer in model.layers] + [np.zeros(spec.classes, np.int64)]
    bias = [layer.bias for layer in model.layers] + [model.bias]
    scale, bias = ([_whole_words(part, config) for part in parts] for parts in (scale, bias))
    tables = [layer.table for layer in model.layers if layer.table is not None]
    channels, side, _ = spec.input_shape
    program = Program(
        config=config,
        layers=layers,
        weights=weights,
        scale=np.concatenate(scale).astype(np.int64),
        bias=np.concatenate(bias).astype(np.int64),
        tables=np.array(tables, np.int64).reshape(-1, config.table_words),
        image_channels=channels,
        image_side=side,
        image_base=maps[0].base,
        classes=spec.classes,
        metadata={
            "network": spec.name,
            "layers": names,
            "labels": list(spec.labels),
            "image": list(spec.image),
            "patch": spec.patch,
            "steps": spec.steps,
            "encoding": spec.encoding,
            "card": model.card,
        },
    )
    return Compiled(program, _report(spec, config, maps, layers, weights, bits))


def _whole_words(values, config):
    """``values`` with zeros up to whole words of the parameter memory."""
    return np.pad(values, (0, parameter_entries(len(values), config) - len(values)))


def _prove_accumulators(model, config, maps, names):
    """Accumulator bits per layer, from the actual weights."""
    bits, top_of = [], [2**PIXEL_BITS - 1] + [layer.top for layer in model.spec.layers]
    for index, (layer, (*_, skip)) in enumerate(zip(model.layers, model.spec.geometry(), strict=True)):
        rows = layer.weight.reshape(len(layer.weight), -1).astype(np.int64) * top_of[index]
        if skip is not None:
            side = layer.shortcut.reshape(len(layer.shortcut), -1).astype(np.int64) * top_of[skip + 1]
            rows = np.concatenate([rows, side], axis=1)
        bits.append(limits.accumulator_bits(rows, 1))
    # The classifier's accumulators run over all positions of a window.
    bits.append(limits.accumulator_bits(model.weight, top_of[-1] * (maps[-1].side // 2) ** 2))
    for name, needed in zip(names, bits, strict=True):
        limits.check_accumulator(name, needed, config)
    limits.check_score(model.weight, model.bias, top_of[-1], maps[-1].side ** 2)
    return bits


def _report(spec, config, maps, layers, weights, bits):
    arrives = report.image_cycles(spec, config)
    plan = predict(layers, config, arrives)
    costs = list(zip(bits, plan.layer_cycles, plan.beats, strict=True))
    rows = [report.layer_row(spec, i, config, layers[i], maps, *costs[i]) for i in range(len(spec.layers))]
    rows.append(report.classifier_row(spec, config, maps[-1], *costs[-1]))
    memory = {
        "spike words": (max(m.base + m.words for m in maps), config.spike_words),
        "weight blocks": (len(weights), config.blocks),
        "channels": (sum(parameter_entries(layer["channels"], config) for layer in layers), config.channels),
        "potential words": (max(row.potential_words for row in rows), config.potential_words),
        "layers": (len(layers), config.layers),
        "tables": (sum(layer["carry"] is Carry.OMEGA for layer in layers), config.tables),
        "acc bits": (max(bits), config.acc_bits),
    }
    return report.Report(
        config.name, config.peak_sop, config.clock_mhz, plan.cycles, plan.latency, arrives, rows, memory
    )
