"""What the spikes of a run cost: effective SOP, gated adds whose spike is 1."""

import numpy as np

from ..contract.isa import Op, Padding, Windows
from .layers import convolve, corners
from .network import base_of


def effective_sop(program, pixels, trace):
    """Gated adds per image whose spike is 1 (float, mean over the images); zeros of the padding excluded.

    ``pixels`` uint8 (n, C, H, W) and ``trace`` of the same run. Counts what the array does: a dilated
    layer that is scanned window by window counts overlapping pixels more than once.
    """
    maps = {program.image_base: np.bitwise_count(pixels).sum(1, dtype=np.int64)}
    total = 0
    for index, layer in enumerate(program.layers):
        for name in ("main", "shortcut"):
            if layer[name]["planes"]:
                total += layer["channels"] * _hits(layer, layer[name], maps[base_of(layer[name])])
        if layer["op"] is Op.SPIKE:
            maps[layer["base"]] = np.bitwise_count(trace.levels[index].astype(np.uint8)).sum(1, dtype=np.int64)
    return total / len(pixels)


def _hits(layer, source, bits):
    """How often a set bit of ``bits`` (n, side, side) meets a kernel tap."""
    kernel = np.ones((1, 1, source["kernel"], source["kernel"]), np.int64)
    top = int(bits.max(initial=1))
    bits = bits[None].astype(np.float64)
    scanned = layer["windows"] is Windows.D and not layer["gather"]
    if layer["padding"] is Padding.WINDOW and layer["windows"] is not Windows.NONE:
        views = [bits[:, :, y, x] for y, x in corners(layer["windows"], source["side"])]
        return sum(int(convolve(kernel, view, top, source["stride"]).sum()) for view in views)
    hits = convolve(kernel, bits, top, source["stride"])
    if scanned:
        return sum(int(hits[:, :, y, x].sum()) for y, x in corners(Windows.D, layer["side"]))
    return int(hits.sum())
