"""What the spikes of a run cost, and what skipping zeros would save."""

from typing import Any

import numpy as np

from ..contract import arith
from ..contract.config import PIXEL_BITS, TAPS
from ..contract.isa import Op, Padding, Windows, output_planes
from .encoder import pad_channels
from .layers import convolve, corners
from .network import base_of


def fired_spikes(program, trace):
    """Spikes that the layers' neurons fired per image, int64 (n,): each window's own, before any are condensed.

    A level has as many spikes as bits that are set: each is one in its plane.
    """
    fired = [
        np.bitwise_count(arith.fired(v, layer["levels"], program.config.k)).sum((1, 2, 3), dtype=np.int64)
        for layer, windows in zip(program.layers, trace.potentials, strict=False)
        for v in windows
    ]
    return np.sum(fired, axis=0)


def effective_sop(program, pixels, trace):
    """Gated adds per image whose spike is 1 (float, mean over the images); zeros of the padding excluded.

    ``pixels`` uint8 (n, C, H, W) and ``trace`` of the same run. Counts what the array does: a dilated
    layer that is scanned window by window counts overlapping pixels more than once.
    """
    return sum(effective_sop_by_layer(program, pixels, trace)) / len(pixels)


def effective_sop_by_layer(program, pixels, trace):
    """The adds of ``effective_sop`` in each layer, summed over the images: list of int."""
    maps = {program.image_base: np.bitwise_count(pixels).sum(1, dtype=np.int64)}
    counts = [0] * len(program.layers)
    for index, layer in enumerate(program.layers):
        for name in ("main", "shortcut"):
            if layer[name]["planes"]:
                counts[index] += layer["channels"] * _hits(layer, layer[name], maps[base_of(layer[name])])
        if layer["op"] is Op.SPIKE:
            maps[layer["base"]] = np.bitwise_count(trace.levels[index].astype(np.uint8)).sum(1, dtype=np.int64)
    return counts


def _hits(layer, source, bits):
    """How often a set bit of ``bits`` (n, side, side) meets a kernel tap."""
    kernel = np.ones((1, 1, source["kernel"], source["kernel"]), np.int64)
    top = int(bits.max(initial=1))
    bits = bits[None].astype(np.float64)
    if layer["padding"] is Padding.WINDOW and layer["windows"] is not Windows.NONE:
        views = [bits[:, :, y, x] for y, x in corners(layer["windows"], 2 * source["half"])]
        return sum(int(convolve(kernel, view, top, source["stride"]).sum()) for view in views)
    hits = convolve(kernel, bits, top, source["stride"])
    if layer["scan"]:
        return sum(int(hits[:, :, y, x].sum()) for y, x in corners(Windows.D, 2 * layer["half"]))
    return int(hits.sum())


def silent_beats(program, pixels, trace):
    """Array cycles in which nothing would be added: per layer (cycles, silent cycles, silent window cycles).

    A cycle takes a kernel row of three words (three channel words of a 1x1 kernel) for each of four windows; it
    is silent where none of the four has a spike. Window cycles count each window by itself, so there are four of
    them in a cycle. int64 (layers, 3), summed over the images; ``pixels`` and ``trace`` as for ``effective_sop``.
    """
    maps = {program.image_base: np.stack([pixels >> plane & 1 for plane in range(PIXEL_BITS)]).transpose(0, 2, 1, 3, 4)}
    counts = np.zeros((len(program.layers), 3), np.int64)
    for index, layer in enumerate(program.layers):
        repeats = -(-layer["channels"] // program.config.outputs)
        for name in ("main", "shortcut"):
            if layer[name]["planes"]:
                spikes = _beats(program.config, layer, layer[name], maps[base_of(layer[name])])
                together = spikes if layer["scan"] else spikes.any(0)
                counts[index] += repeats * np.array([together.size, (~together).sum(), (~spikes).sum()])
        if layer["op"] is Op.SPIKE:
            levels = trace.levels[index].astype(np.uint8).transpose(1, 0, 2, 3)
            maps[layer["base"]] = np.stack([levels >> plane & 1 for plane in range(output_planes(layer))])
    return counts


def _beats(config, layer, source, planes) -> np.ndarray:
    """Whether a window has a spike in a cycle: bool (windows, ...); ``planes`` (planes, channels, n, side, side)."""
    parts = np.stack([pad_channels(plane, config.word) for plane in planes])
    words: Any = parts.reshape(len(parts), -1, config.word, *parts.shape[2:]).any(2)
    if source["kernel"] == 1:
        words = np.pad(words, ((0, 0), (0, -words.shape[1] % TAPS), *3 * ((0, 0),)))
        words = words.reshape(len(words), -1, TAPS, *words.shape[2:]).any(2)
    stride = source["stride"]
    inside = layer["padding"] is Padding.WINDOW and layer["windows"] is not Windows.NONE
    views = [words[..., y, x] for y, x in corners(layer["windows"], 2 * source["half"])] if inside else [words]
    found = []
    view: Any
    for view in views:
        if source["kernel"] == 3:
            wide = np.pad(view, ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)))
            across = wide[..., :-2] | wide[..., 1:-1] | wide[..., 2:]
            rows = [across[..., dy : dy + view.shape[-2], :] for dy in range(TAPS)]
        else:
            rows = [view]
        found.append(np.stack(rows)[..., ::stride, ::stride])
    if inside:
        return np.stack(found)
    windows = Windows.D if layer["scan"] else Windows.N
    return np.stack([found[0][..., y, x] for y, x in corners(windows, 2 * layer["half"])])
