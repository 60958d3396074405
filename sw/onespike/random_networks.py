"""Random quantised networks that a core can run: every feature combination, drawn from a seed.

For tests and ``make fuzz``: the weights mean nothing, but scales and biases are drawn so that most
layers fire neither never nor always.
"""

from dataclasses import replace

import numpy as np

from .compiler import compile
from .contract import arith
from .contract.config import PARAMETER_BITS
from .contract.isa import Carry, Condense, Padding, Windows
from .errors import LimitError
from .network import LayerSpec, NetworkSpec
from .quantised import QuantisedLayer, QuantisedModel


def draw(seed, config):
    """(model, images uint8 (n, C, H, W)) that fit ``config``; the same for the same seed."""
    rng = np.random.default_rng(seed)
    # The compiler is asked what fits; a network too large for the core is drawn again, smaller.
    for size in (1.0, 0.8, 0.6, 0.4, 0.25, 0.15):
        spec = _varied(np.random.default_rng([seed, int(100 * size)]), _spec(rng, config, size, seed))
        model = _model(rng, spec)
        try:
            compile(model, config)
        except LimitError:
            continue
        return model, _images(rng, spec)
    raise AssertionError(f"seed {seed}: even the smallest network does not fit {config.name}")


def _spec(rng, config, size, seed):
    patch = int(rng.choice([1, 2]))
    side = int(rng.choice([4, 8, 12, 16] if size > 0.5 else [4, 8]))
    colours = int(rng.choice([1, 3]))
    layers, sides = [], {}
    start, previous = side * patch, None
    for index in range(int(rng.integers(1, 5))):
        layer, side = _layer(rng, config, size, index, side, sides, previous)
        sides[layer.name] = side
        previous = layer
        layers.append(layer)
        if side < 4 and index:
            break
    return NetworkSpec(
        name=f"random-{seed}",
        image=(colours, start, start),
        classes=int(rng.integers(2, 2 * config.outputs + 2)),
        layers=tuple(layers),
        patch=patch,
        weight_bits=int(rng.integers(2, config.weight_bits + 1)),
        k=config.k,
    )


def _layer(rng, config, size, index, side, sides, previous):
    stride = 2 if side % 4 == 0 and rng.random() < 0.3 else 1
    out = side // stride
    windows = Windows(int(rng.integers(3))) if out % 4 == 0 else Windows(int(rng.integers(2)))
    channels = int(rng.integers(1, max(2, int(size * 3 * config.word)) + 1))
    before = sides[previous.name] if previous else 0
    if previous is not None and previous.windows is not Windows.NONE and rng.random() < 0.6:
        # A carry that takes the layer before needs its shape.
        stride, out, windows, channels = 1, before, previous.windows, previous.channels
    choices = [Carry.NONE] if windows is Windows.NONE else [Carry.NONE, Carry.LEAK]
    if windows is not Windows.NONE and previous is not None:
        same = (previous.windows, previous.channels, before) == (windows, channels, out)
        choices += [Carry.OMEGA, Carry.MEAN, Carry.RELU] if same else []
    skips = [name for name, source in sides.items() if source in (out, 2 * out)]
    layer = LayerSpec(
        name=f"layer{index}",
        channels=channels,
        kernel=int(rng.choice([1, 3])),
        stride=stride,
        windows=windows,
        padding=Padding(int(rng.integers(2))),
        carry=choices[int(rng.integers(len(choices)))],
        condense=Condense(int(rng.integers(2))) if windows is Windows.D else Condense.OR,
        shortcut=str(rng.choice(skips)) if skips and rng.random() < 0.5 else None,
    )
    return layer, out


def _varied(rng, spec):
    """``spec`` with what stands beside the shapes: time steps, groups, levels, narrow weights, carries that differ little."""
    if rng.random() < 0.2 and spec.image[1] // spec.patch % 4 == 0:
        # The same maps, each of four steps of a smaller image.
        colours, side, _ = spec.image
        same = {"windows": Windows.N, "padding": Padding.WINDOW, "condense": Condense.OR}
        layers = tuple(replace(layer, **same) for layer in spec.layers)
        steps = int(rng.choice([2, 4]))
        spec = replace(spec, image=(colours, side // 2, side // 2), layers=layers, steps=steps)
    layers = []
    for layer in spec.layers:
        levels, carry, bits = 1, layer.carry, None
        if layer.windows is not Windows.D and rng.random() < 0.3:
            levels = arith.TOP_LEVEL
        if carry in (Carry.NONE, Carry.LEAK) and layer.windows is not Windows.NONE and rng.random() < 0.4:
            carry = Carry.RESET
        elif carry.takes_previous and rng.random() < 0.25:
            carry = Carry.SUM
        if rng.random() < 0.2:
            bits = int(rng.integers(2, spec.weight_bits + 1))
        layers.append(replace(layer, levels=levels, carry=carry, weight_bits=bits))
    groups = 2 if spec.steps == 1 and rng.random() < 0.3 else 4
    return replace(spec, layers=tuple(layers), groups=groups)


def _model(rng, spec):
    geometry = spec.geometry()
    tops = [255] + [layer.top for layer in spec.layers]
    layers = []
    for index, (layer, channels, _, _, source) in enumerate(geometry):
        bits = layer.weight_bits or spec.weight_bits
        weight = _weights(rng, bits, (layer.channels, channels, layer.kernel, layer.kernel))
        shortcut = None if source is None else _weights(rng, bits, (layer.channels, geometry[source][0].channels, 1, 1))
        spread = np.sqrt((weight.astype(float) ** 2).sum((1, 2, 3)) + 1) * tops[index] * 0.4
        slope = 2 ** (spec.k + 1) * rng.uniform(0.3, 2.0, layer.channels) / spread
        if rng.random() < 0.15:
            slope *= 40  # far into saturation
        shift = int(np.clip(np.floor(14 - np.log2(np.abs(slope).max())), 0, 15))
        limit = 2 ** (PARAMETER_BITS - 1) - 1
        scale = np.clip(np.round(slope * 2**shift * rng.choice([-1, 1], layer.channels, p=[0.2, 0.8])), -limit, limit)
        bias = np.round(rng.normal(2**spec.k * 0.5, 2**spec.k, layer.channels))
        table = None
        if layer.carry is Carry.OMEGA:
            # Any function is allowed in the table, not only a sine.
            table = rng.integers(-(2 ** (spec.k + 2)), 2 ** (spec.k + 2), 2 ** (spec.k + 4))
        layers.append(QuantisedLayer(weight, shortcut, scale.astype(np.int64), shift, bias.astype(np.int64), table))
    weight = _weights(rng, spec.weight_bits, (spec.classes, spec.layers[-1].channels))
    return QuantisedModel(spec, layers, weight, rng.integers(-500, 500, spec.classes))


def _weights(rng, bits, shape):
    top = 2 ** (bits - 1)
    if rng.random() < 0.1:
        return np.full(shape, rng.choice([-top, top - 1]), np.int8)
    return rng.integers(-top, top, shape).astype(np.int8)


def _images(rng, spec):
    count = int(rng.integers(1, 3))
    kind = rng.random()
    if kind < 0.1:
        return np.zeros((count, *spec.image), np.uint8)
    if kind < 0.2:
        return np.full((count, *spec.image), 255, np.uint8)
    return rng.integers(0, 256, (count, *spec.image)).astype(np.uint8)
