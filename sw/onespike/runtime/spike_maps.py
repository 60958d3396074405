"""Which neurons fired, by the golden model, packed as bits so that a page can draw them."""

from dataclasses import dataclass

import numpy as np

from ..contract import arith
from ..contract.isa import output_planes, output_top
from ..golden import run_traced

WINDOW_NAMES = ("top left", "top right", "bottom left", "bottom right")
"""In the order of the contract's windows: TL, TR, BL, BR."""


@dataclass(frozen=True)
class LayerMaps:
    """Shape of what one spiking layer left behind.

    ``top`` is the largest level of a neuron, ``planes`` its bits; ``window`` the side of each of the four
    windows, 0 where the layer has none.
    """

    name: str
    channels: int
    side: int
    planes: int
    top: int
    window: int


def spike_maps(program, pixels):
    """(scores, layers, packed) of patched pixels uint8 (n, C, H, W).

    Scores int64 (n, classes); a ``LayerMaps`` per spiking layer; packed uint8 (n, bytes). The bits of an image,
    lowest first: for every layer the planes of its levels (planes, channels, side, side), least significant
    plane first, then the spikes of its windows (4, channels, window, window).
    Raises ``DataError`` where the pixels do not fit the program.
    """
    scores, trace = run_traced(program, pixels)
    names = program.metadata.get("layers", [f"layer {index}" for index in range(len(program.layers))])
    layers, bits = [], []
    for name, layer, levels, potentials in zip(names, program.layers, trace.levels, trace.potentials, strict=False):
        planes, top = output_planes(layer), output_top(layer)
        bits += [levels >> plane & 1 for plane in range(planes)]
        window = potentials[0].shape[-1] if len(potentials) > 1 else 0
        if window:
            bits += [arith.fire(v, program.config.k) for v in potentials]
        layers.append(LayerMaps(name, levels.shape[1], levels.shape[2], planes, top, window))
    flat = np.concatenate([part.reshape(len(pixels), -1).astype(np.uint8) for part in bits], axis=1)
    return scores, layers, np.packbits(flat, axis=1, bitorder="little")
