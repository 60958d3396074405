"""The recurrent block in exact integers (NumPy): the reference for the firmware that runs it."""

from dataclasses import dataclass

import numpy as np

from ..contract import arith
from ..contract import recurrent as definition
from .layers import corners
from .network import run_traced

BATCH = 500


@dataclass
class BlockTrace:
    """What the block held: ``h`` and ``potentials``, a list of four windows int64 (n, 2 hidden, w, w);
    ``spikes`` int64 (n, 2 hidden, side, side)."""

    h: list
    potentials: list
    spikes: np.ndarray


def walk(model, direction, sequence):
    """``h`` of one direction at every pixel: int64 (pixels, hidden, n) from spikes (pixels, inputs, n).

    The pixels come in raster order; direction 1 goes from the last to the first.
    """
    drive, weight = model.drive[direction].astype(np.int64), model.weight[direction].astype(np.int64)
    bias = model.bias[direction].astype(np.int64)[..., None]
    pixels, _, count = sequence.shape
    h = np.zeros((model.spec.hidden, count), np.int64)
    c, out = h, np.empty((pixels, *h.shape), np.int64)
    for pixel in range(pixels) if direction == 0 else reversed(range(pixels)):
        z = definition.drive(drive @ sequence[pixel], bias)
        h, c = definition.step(model.spec.cell, z, weight @ h, h, c)
        out[pixel] = h
    return out


def bidirectional(model, window):
    """``h`` of both directions, int64 (n, 2 hidden, w, w), of a window of spikes (n, inputs, w, w)."""
    n, inputs, side, _ = window.shape
    sequence = window.reshape(n, inputs, -1).transpose(2, 1, 0).astype(np.int64)
    both = np.concatenate([walk(model, direction, sequence) for direction in range(definition.DIRECTIONS)], 1)
    return both.transpose(2, 1, 0).reshape(n, -1, side, side)


def run_block(model, spikes):
    """``BlockTrace`` of spikes 0/1 (n, inputs, side, side); overlapping windows are joined by OR."""
    places = corners(model.spec.windows, model.side)
    h = [bidirectional(model, spikes[:, :, y, x]) for y, x in places]
    potentials = []
    for window in h:
        carry = definition.carry_over(model.spec.carry, potentials[-1]) if potentials else 0
        potentials.append(definition.current(window) + carry)
    fired = np.zeros((len(spikes), model.spec.hidden * definition.DIRECTIONS, model.side, model.side), np.int64)
    for v, (y, x) in zip(potentials, places, strict=True):
        fired[:, :, y, x] |= arith.fire(v, definition.K)
    return BlockTrace(h, potentials, fired)


def block_scores(model, fired):
    """Class scores int64 (n, classes): weights times the spikes of each channel over the whole map."""
    return fired.sum((2, 3)) @ model.class_weight.astype(np.int64).T + model.class_bias


def run_recurrent(model, program, pixels):
    """(scores int64 (n, classes), spikes of the front, spikes of the block) of patched pixels.

    ``program`` is ``model.front`` compiled for any core that holds it.
    """
    parts = []
    for start in range(0, len(pixels), BATCH):
        _, trace = run_traced(program, pixels[start : start + BATCH])
        fired = run_block(model, trace.levels[-1]).spikes
        parts.append((block_scores(model, fired), trace.levels[-1], fired))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
