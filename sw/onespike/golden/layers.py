"""One layer in exact integers: convolution, windows, carry chain, condense.

Maps are (channels, n, side, side); every array holds integers, in float32 or float64 only where the
matrix product's partial sums are proven to stay exact.
"""

import numpy as np

from ..contract import arith
from ..contract.config import POTENTIAL_BITS, TAPS, WINDOWS
from ..contract.isa import Carry, Condense, Padding, Windows, output_top
from .encoder import pad_channels


def block_weights(program, first, layer, kernel, groups):
    """Weights of one source as stored, int64 (output channels padded, groups * word, kernel, kernel)."""
    config = program.config
    count = -(-layer["channels"] // config.outputs)
    size = groups * TAPS if kernel == 3 else -(-groups // TAPS)
    blocks = np.stack([program.weights[first + og * layer["group_blocks"] :][:size] for og in range(count)])
    if kernel == 1:
        rows = blocks.transpose(0, 2, 1, 3).reshape(count * config.outputs, -1, 1, 1)
        return rows[:, : groups * config.word]
    parts = blocks.reshape(count, groups, kernel, config.outputs, kernel, config.word)
    return parts.transpose(0, 3, 1, 5, 2, 4).reshape(count * config.outputs, groups * config.word, kernel, kernel)


def exact_product(weights, columns, top):
    """``weights`` (o, c) times ``columns`` (c, p) of levels up to ``top``, exact, as int64.

    A partial sum cannot exceed max_o sum_c |w| * top: below 2**24 float32 is exact, below 2**53
    float64 is.
    """
    bound = int(np.abs(weights).sum(1).max(initial=0)) * top
    assert bound < 2**53, "levels and weights are beyond exact arithmetic"
    kind = np.float32 if bound < 2**24 else np.float64
    return (weights.astype(kind) @ columns.astype(kind, copy=False)).astype(np.int64)


def convolve(weights, levels, top, stride):
    """Accumulators int64 (o, n, side/stride, side/stride) of zero-padded ``levels`` (c, n, side, side)."""
    kernel = weights.shape[-1]
    if kernel > 1:
        levels = np.pad(levels, ((0, 0), (0, 0), (1, 1), (1, 1)))
    side = (levels.shape[-1] - kernel) // stride + 1
    taps = [
        levels[:, :, dy : dy + stride * side : stride, dx : dx + stride * side : stride]
        for dy in range(kernel)
        for dx in range(kernel)
    ]
    columns = np.stack(taps).reshape(kernel * kernel * levels.shape[0], -1)
    rows = weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    return exact_product(rows, columns, top).reshape(len(weights), levels.shape[1], side, side)


def frame(windows, side):
    """(window side, offset) of a map of ``side`` pixels (paper A, section 3.1)."""
    return (3 * side // 4, side // 4) if windows is Windows.D else (side // 2, side // 2)


def corners(windows, side):
    """Slices of the four windows, in the order TL, TR, BL, BR."""
    size, offset = frame(windows, side)
    return [(slice(y, y + size), slice(x, x + size)) for y in (0, offset) for x in (0, offset)]


def accumulate(program, layer, sources):
    """Accumulators: one map (o, n, side, side), or four windows where padding stops at their borders."""
    windows = layer["windows"]
    inside = layer["padding"] is Padding.WINDOW and windows is not Windows.NONE
    parts = [0] * (WINDOWS if inside else 1)
    for name, first in (("shortcut", layer["weights"]), ("main", layer["weights"] + layer["shortcut_blocks"])):
        source = layer[name]
        if not source["planes"]:
            continue
        levels, top = sources[name]
        weights = block_weights(program, first, layer, source["kernel"], source["groups"])[: layer["channels"]]
        views = [levels[:, :, y, x] for y, x in corners(windows, 2 * source["half"])] if inside else [levels]
        for index, view in enumerate(views):
            parts[index] = parts[index] + convolve(weights, view, top, source["stride"])
    return parts


def carry_over(layer, program, a, b):
    """Carry into the next window (contract.arith)."""
    if layer["carry"] is Carry.OMEGA:
        table = program.tables[layer["table"]]
        plus, minus = arith.omega_addresses(a, b, program.config.k)
        return table[plus] + table[minus]
    if layer["carry"] is Carry.MEAN:
        return arith.carry_mean(a, b)
    if layer["carry"] is Carry.RELU:
        return arith.carry_relu(a, b)
    if layer["carry"] is Carry.SUM:
        return arith.carry_sum(a, b)
    if layer["carry"] is Carry.RESET:
        return arith.carry_reset(b, arith.fired(b, layer["levels"], program.config.k), program.config.k)
    return arith.leak(b)


def chain(layer, program, currents, previous):
    """Potentials of the windows in their order: one chain, or with ``pairs`` two chains of two."""
    potentials = currents[:1]
    for index, u in enumerate(currents[1:]):
        if layer["carry"] is not Carry.NONE and not (layer["pairs"] and index == 1):
            a = previous[index] if layer["carry"].takes_previous else None
            u = arith.potential(u, carry_over(layer, program, a, potentials[-1]), POTENTIAL_BITS)
        potentials.append(u)
    return potentials


def condense(layer, spikes):
    """Levels (o, n, side, side) of one map from four windows of what neurons fired; levels do not overlap."""
    side, windows = 2 * layer["half"], layer["windows"]
    total = np.zeros((*spikes[0].shape[:2], side, side), np.int64)
    cover = np.zeros((side, side), np.int64)
    for fired, (y, x) in zip(spikes, corners(windows, side), strict=True):
        total[:, :, y, x] += fired
        cover[y, x] += 1
    if layer["condense"] is Condense.MSP:
        return arith.condense_level(total, np.log2(cover).astype(np.int64))
    return total if layer["levels"] else (total > 0).astype(np.int64)


def run_layer(program, layer, sources, previous):
    """One spiking layer.

    ``sources``: name -> (levels, largest level); ``previous``: potentials of the layer before.
    Returns (levels (channels padded, n, side, side) float32, largest level, list of potentials).
    """
    first = layer["parameters"]
    shape = (-1, 1, 1, 1)
    scale, bias = (v[first : first + layer["channels"]].reshape(shape) for v in (program.scale, program.bias))
    parts = [
        arith.current(acc, scale, layer["shift"], bias, POTENTIAL_BITS) for acc in accumulate(program, layer, sources)
    ]
    if layer["windows"] is Windows.NONE:
        potentials, levels = parts, arith.fired(parts[0], layer["levels"], program.config.k)
    else:
        if len(parts) == 1:
            parts = [parts[0][:, :, y, x] for y, x in corners(layer["windows"], 2 * layer["half"])]
        potentials = chain(layer, program, parts, previous)
        levels = condense(layer, [arith.fired(v, layer["levels"], program.config.k) for v in potentials])
    return pad_channels(levels.astype(np.float32), program.config.word), output_top(layer), potentials
