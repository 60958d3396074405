"""A plain network in real numbers to the core's integers, without training."""

import numpy as np
import torch

from ..contract.config import PARAMETER_BITS, PIXEL_BITS
from ..errors import ExchangeError
from ..quantised import QuantisedLayer, QuantisedModel
from .plain import accumulate
from .thresholds import SHIFT, encode, reach


def quantise_plain(network, images=None, card=None):
    """``QuantisedModel`` of a ``PlainNetwork``.

    Weights get the step with the least squared error, one per output channel; thresholds are then exact. With
    ``images``, patched pixels uint8 (n, C, H, W), every channel's threshold is moved so that it fires as often on
    them as in real numbers. Weights that are small integers already stay as they are.
    Raises ``ExchangeError`` or ``ModelError`` naming the layer.
    """
    spec = network.spec
    real = None if images is None else network(images).spikes
    maps = [] if images is None else [torch.from_numpy(images).double()]
    layers = []
    for index, (layer, (entry, _, _, _, source)) in enumerate(zip(network.layers, spec.geometry(), strict=True)):
        main, side, steps = _weights(layer, entry.weight_bits or spec.weight_bits)
        rows = level_rows(main, side, first=index == 0)
        sign = np.where(steps < 0, -1, 1)
        low, high = reach(rows, sign)
        # sign * acc * |step| + bias > 0; the clip comes first, as the quotient may be beyond an integer
        t = np.floor(np.clip(-layer.bias / np.abs(steps), low - 1, high)).astype(np.int64) + 1
        if real is not None:
            acc = accumulate(main, side, maps[-1], None if source is None else maps[source + 1], entry.stride)
            signed = acc * torch.from_numpy(sign)[:, None, None]
            t = np.clip(_as_often(t, signed, real[index]), low, high + 1)
            maps.append((signed >= torch.from_numpy(t)[:, None, None]).double())
        scale, bias = encode(entry.name, sign, t, spec.k, rows)
        layers.append(QuantisedLayer(main, side, scale, SHIFT, bias, None))
    return QuantisedModel(spec, layers, *_classifier(network), card or {})


def level_rows(weight, shortcut, first):
    """Integer weights times the largest level that they meet, int64 (outputs, inputs)."""
    top = 2**PIXEL_BITS - 1 if first else 1
    rows = [weight.reshape(len(weight), -1).astype(np.int64) * top]
    if shortcut is not None:
        rows.append(shortcut.reshape(len(shortcut), -1).astype(np.int64))
    return np.concatenate(rows, axis=1)


def fit(rows, bits, signs=(1, -1)):
    """(integers int8 (r, n), steps float64 (r,)): the step with the least squared error for every row.

    Integers reach from -2**(bits-1) to 2**(bits-1)-1, one more on one side: ``signs`` of a step says on which.
    """
    top = 2 ** (bits - 1)
    largest = np.abs(rows).max(1, keepdims=True)
    largest = np.where(largest > 0, largest, 1.0)
    best, integers, steps = np.full(len(rows), np.inf), np.zeros(rows.shape, np.int8), np.ones(len(rows))
    # The step of 1 comes first: what are small integers already stays what it is.
    counts = (largest, *range(1, top + 1), *np.linspace(top / 2, 2 * top, 49))
    for count in counts:
        for sign in signs:
            step = sign * largest / count
            q = np.clip(np.rint(rows / step), -top, top - 1)
            error = ((q * step - rows) ** 2).sum(1)
            better = error < best
            best[better], integers[better], steps[better] = error[better], q[better], step[better, 0]
    return integers, steps


def _weights(layer, bits):
    """Integers of convolution and shortcut, on one step per output channel."""
    parts = [layer.weight] if layer.shortcut is None else [layer.weight, layer.shortcut]
    integers, steps = fit(np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1), bits)
    split = layer.weight[0].size
    main = integers[:, :split].reshape(layer.weight.shape)
    return main, None if layer.shortcut is None else integers[:, split:].reshape(layer.shortcut.shape), steps


def _as_often(t, signed, spikes):
    """Thresholds int64 (outputs,) that ``signed`` sums (n, outputs, y, x) reach as often as ``spikes`` fire.

    A channel that always or never fires says nothing about its threshold, which stays ``t``.
    """
    ordered = signed.transpose(0, 1).flatten(1).sort(1).values.long().numpy()
    fired = spikes.sum((0, 2, 3)).long().numpy()
    channels, positions = ordered.shape
    at = ordered[np.arange(channels), np.minimum(positions - fired, positions - 1)]
    # Equal sums fire together: one step higher may be closer.
    too_many = (ordered >= at[:, None]).sum(1) - fired
    too_few = fired - (ordered > at[:, None]).sum(1)
    moved = np.where(too_many <= too_few, at, at + 1)
    return np.where((fired == 0) | (fired == positions), t, moved)


def _classifier(network):
    """(weight int8, bias int64): one positive step for all classes, as scores are compared."""
    integers, steps = fit(network.weight.reshape(1, -1), network.spec.weight_bits, signs=(1,))
    bias = np.rint(network.bias / steps[0])
    if np.abs(bias).max() >= 2 ** (PARAMETER_BITS - 1):
        raise ExchangeError(
            f"classifier: a bias of {np.abs(bias).max():.0f} weight steps is beyond {PARAMETER_BITS} bits; "
            "train with weight decay on the bias"
        )
    return integers.reshape(network.weight.shape), bias.astype(np.int64)
