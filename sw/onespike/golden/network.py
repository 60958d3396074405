"""A whole program in exact integers: the reference for every simulation and board."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..contract.isa import Op, output_planes
from .classifier import score
from .encoder import encode
from .layers import run_layer

BATCH = 50


@dataclass
class Trace:
    """What a run left behind: per spiking layer levels int64 (n, channels, side, side) and potentials,
    a list of four windows (n, channels, w, w), or of one map where windows are none."""

    levels: list = field(default_factory=list)
    potentials: list = field(default_factory=list)


def base_of(source):
    """First word of the map that a source reads."""
    return source["top"] - (source["planes"] - 1) * source["plane_step"]


def run(program, pixels):
    """Scores int64 (n, classes) of patched pixels uint8 (n, C, H, W).

    Raises ``DataError`` where the pixels do not fit the program.
    """
    return np.concatenate([_run_batch(program, batch, None) for batch in _batches(pixels)])


def run_traced(program, pixels):
    """(scores, ``Trace``): ``run``, and everything the layers held."""
    scores, traces = [], []
    for batch in _batches(pixels):
        traces.append(Trace())
        scores.append(_run_batch(program, batch, traces[-1]))
    levels = [np.concatenate(parts) for parts in zip(*(t.levels for t in traces), strict=True)]
    potentials = [
        [np.concatenate(parts) for parts in zip(*windows, strict=True)]
        for windows in zip(*(t.potentials for t in traces), strict=True)
    ]
    return np.concatenate(scores), Trace(levels, potentials)


def _batches(pixels):
    return [pixels[start : start + BATCH] for start in range(0, max(1, len(pixels)), BATCH)]


def _run_batch(program, pixels, trace):
    maps: dict = {program.image_base: encode(program, pixels)}
    potentials: Any = None
    for layer in program.layers:
        if layer["op"] is Op.SCORE:
            return score(program, layer, *maps[base_of(layer["main"])])
        sources = {name: maps[base_of(layer[name])] for name in ("main", "shortcut") if layer[name]["planes"]}
        levels, top, potentials = run_layer(program, layer, sources, potentials)
        maps[layer["base"]] = levels, top
        if trace is not None:
            channels = layer["channels"]
            trace.levels.append(levels[:channels].astype(np.int64).transpose(1, 0, 2, 3))
            trace.potentials.append([v.transpose(1, 0, 2, 3) for v in potentials])
    raise AssertionError("a program ends with a SCORE layer")


def spike_words(program, layer, levels):
    """A layer's levels int64 (channels, side, side) as the spike memory holds them.

    Returns (addresses, words) int64 (n,) and (n, 4): a word's channels in the four quadrants.
    """
    word, half, groups = program.config.word, layer["half"], layer["words"]
    padded = np.zeros((groups * word, 2 * half, 2 * half), np.int64)
    padded[: layer["channels"]] = levels
    # groups, word, quadrant row, row, quadrant column, column
    quadrants = padded.reshape(groups, word, 2, half, 2, half)
    planes = []
    for plane in range(output_planes(layer)):
        bits = np.einsum("gwyrxc,w->grcyx", quadrants >> plane & 1, 1 << np.arange(word))
        first = layer["base"] + plane * layer["plane_step"] + layer["group_step"] * np.arange(groups)
        planes.append(((first[:, None] + np.arange(half**2)).reshape(-1), bits.reshape(-1, 4)))
    return tuple(np.concatenate(parts) for parts in zip(*planes, strict=True))
