"""Builds a ``PlainNetwork`` part by part; every importer calls it, and it refuses by name what the core cannot run.

A part's method takes the values of the parts before it and returns its own: what is known of a tensor on its
way through the network.
"""

from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import numpy as np

from ..contract.config import PIXEL_BITS
from ..errors import ExchangeError, NetworkError
from ..network import NetworkSpec
from .plain import PlainLayer, PlainNetwork

IMAGE = -1
"""Index of the image among the sources of a convolution."""


class Pool(NamedTuple):
    """A pooling of a spike map: ``gain`` is what it multiplies the sum over its window with."""

    size: int
    stride: int
    padding: int
    gain: float


@dataclass(frozen=True)
class Map:
    """Spikes of layer ``source``, or the image, of ``side`` pixels; ``pool`` if they were pooled since."""

    source: int
    channels: int
    side: int
    pool: Pool | None = None


@dataclass(frozen=True)
class Term:
    """One convolution: ``weight`` (outputs, inputs, kernel, kernel) over the map of ``source``."""

    name: str
    source: int
    weight: np.ndarray
    stride: int


@dataclass(frozen=True)
class Current:
    """A sum of convolutions of the same shape, and a ``bias`` (outputs,)."""

    terms: tuple[Term, ...]
    bias: np.ndarray
    side: int


@dataclass(frozen=True)
class Counts:
    """Spikes of every channel of layer ``source`` over the whole map, times ``gain``."""

    source: int
    channels: int
    gain: float


@dataclass(frozen=True)
class Scores:
    """Class scores: ``weight`` (classes, channels) times the spike counts of layer ``source``, plus ``bias``."""

    source: int
    weight: np.ndarray
    bias: np.ndarray


def refuse(name, why) -> NoReturn:
    """Raise the refusal of the part ``name``."""
    raise ExchangeError(f"{name!r}: {why}")


class Builder:
    """Grows a network from ``image``, the value of its input.

    ``shape`` (C, H, W) of the patched image; ``white`` is what the network takes for a pixel of 255.
    """

    def __init__(self, shape, white):
        shape = tuple(int(size) for size in shape)
        if len(shape) != 3 or shape[1] != shape[2]:
            raise ExchangeError(f"the input has shape {shape}; the core takes square images of (channels, side, side)")
        if not white > 0:
            raise ExchangeError(f"a white pixel of {white} makes no image; give what the network takes for 255")
        self.shape = shape
        self.image = Map(IMAGE, shape[0], shape[1])
        self.pixel = white / (2**PIXEL_BITS - 1)
        self.entries, self.layers = [], []

    def add(self, name, values):
        """Sum of the ``values`` that enter one part."""
        if not values:
            refuse(name, "nothing leads to it; connect it or take it out")
        if len(values) == 1:
            return values[0]
        if not all(isinstance(value, Current) for value in values):
            refuse(name, "the core adds convolutions only; lead the spikes of a shortcut through a 1x1 convolution")
        if len({(value.side, len(value.bias)) for value in values}) > 1:
            refuse(name, "the convolutions that it adds have different shapes")
        terms = tuple(term for value in values for term in value.terms)
        return Current(terms, np.sum([value.bias for value in values], axis=0), values[0].side)

    def convolution(self, name, value, weight, bias, stride, padding):
        """Convolution ``weight`` (outputs, inputs, kernel, kernel), ``bias`` (outputs,) of a spike map or of the image."""
        if not isinstance(value, Map):
            refuse(name, "a convolution must follow a spiking layer or the image")
        weight, bias = _finite(name, weight), _finite(name, bias)
        if weight.ndim != 4 or weight.shape[1] != value.channels:
            refuse(name, f"weights {weight.shape} do not fit {value.channels} input channels; groups are not supported")
        if value.pool is not None:
            weight, stride, padding = _fold(name, value.pool, weight, stride, padding)
        kernel = weight.shape[-1]
        if kernel not in (1, 3) or weight.shape[2] != kernel or stride not in (1, 2) or padding != kernel // 2:
            refuse(
                name,
                f"kernel {weight.shape[2]}x{kernel}, stride {stride}, padding {padding}: "
                "the core has kernels 1 and 3, strides 1 and 2, and zeros of half a kernel round the map",
            )
        if value.source == IMAGE:
            weight = weight * self.pixel
        side = (value.side + 2 * padding - kernel) // stride + 1
        return Current((Term(name, value.source, weight, stride),), bias, side)

    def scale(self, name, value, gain, offset):
        """BatchNorm: ``gain`` and ``offset`` (outputs,) on a sum of convolutions."""
        if not isinstance(value, Current):
            refuse(name, "the core scales sums of convolutions only; put it right after one")
        gain, offset = _finite(name, gain), _finite(name, offset)
        terms = tuple(Term(t.name, t.source, t.weight * gain[:, None, None, None], t.stride) for t in value.terms)
        return Current(terms, value.bias * gain + offset, value.side)

    def fire(self, name, value, gain, threshold):
        """Neurons that fire where ``gain * sum > threshold``, each one number or (outputs,): ends a layer."""
        if isinstance(value, Scores):
            refuse(name, "the core's output are the scores of the classifier; end the network before these neurons")
        if not isinstance(value, Current):
            refuse(name, "neurons must follow a convolution; the core has no other spiking layer")
        count = len(value.bias)
        gain = _finite(name, np.broadcast_to(gain, count))
        scaled = self.scale(name, value, gain, -_finite(name, np.broadcast_to(threshold, count)))
        main, shortcut = self._roles(name, scaled.terms)
        entry = {"name": main.name, "channels": count, "kernel": main.weight.shape[-1], "stride": main.stride}
        if shortcut is not None:
            entry["shortcut"] = self.entries[shortcut.source]["name"]
        self.entries.append(entry)
        self.layers.append(PlainLayer(main.weight, None if shortcut is None else shortcut.weight, scaled.bias))
        return Map(len(self.layers) - 1, count, value.side)

    def _roles(self, name, terms):
        """(the convolution of the layer before, the shortcut or None)."""
        last = len(self.layers) - 1
        main = max((t for t in terms if t.source == last), key=lambda t: t.weight.shape[-1], default=None)
        if main is None:
            refuse(name, "it does not follow the layer before; the core runs one chain of layers with 1x1 shortcuts")
        others = [term for term in terms if term is not main]
        if not others:
            return main, None
        if len(others) > 1 or others[0].weight.shape[-1] != 1 or others[0].source == IMAGE:
            refuse(name, "beside the layer before, the core adds one 1x1 convolution of an earlier layer's spikes")
        return main, others[0]

    def pool(self, name, value, size, stride, padding, average):
        """Sum or average over windows of ``size``: of the whole map before the classifier, or before a 1x1 convolution."""
        if not isinstance(value, Map) or value.pool is not None:
            refuse(name, "pooling must follow a spiking layer or the image")
        pool = Pool(size, stride, padding, 1 / size**2 if average else 1.0)
        if pool.size == value.side and not padding and value.source != IMAGE:
            return Counts(value.source, value.channels, pool.gain)
        return Map(value.source, value.channels, value.side, pool)

    def flatten(self, name, value):
        """Flattening, once the map is pooled."""
        if not isinstance(value, Counts):
            refuse(name, "the classifier counts spikes over the whole map; pool the map before flattening it")
        return value

    def linear(self, name, value, weight, bias):
        """The classifier, ``weight`` (classes, channels), ``bias`` (classes,)."""
        if not isinstance(value, Counts):
            refuse(name, "a linear part must follow the pooling of the whole last map; the core has one, at the end")
        weight, bias = _finite(name, weight), _finite(name, bias)
        if weight.ndim != 2 or weight.shape[1] != value.channels:
            refuse(name, f"weights {weight.shape} do not fit the {value.channels} channels before it")
        return Scores(value.source, weight * value.gain, bias)

    def finish(self, value, *, name, patch=1, k=5, weight_bits=4, labels=()):
        """The ``PlainNetwork`` whose output is ``value``."""
        if not isinstance(value, Scores) or value.source != len(self.layers) - 1:
            raise ExchangeError("the output is not a linear classifier of the last layer; end the network with one")
        channels, side, _ = self.shape
        if patch < 1 or channels % patch**2:
            raise ExchangeError(f"{channels} input channels are no patches of {patch} x {patch} pixels")
        try:
            spec = NetworkSpec.from_dict(
                {
                    "name": name,
                    "image": (channels // patch**2, side * patch, side * patch),
                    "patch": patch,
                    "classes": len(value.bias),
                    "layers": self.entries,
                    "k": k,
                    "weight_bits": weight_bits,
                    "labels": labels,
                }
            )
        except NetworkError as error:
            raise ExchangeError(f"the core cannot run this network: {error}") from error
        return PlainNetwork(spec, self.layers, value.weight, value.bias)


def _fold(name, pool, weight, stride, padding):
    """(weight, stride, padding) of one convolution that pools and then applies the 1x1 convolution ``weight``."""
    plain = (weight.shape[-1], stride, padding) == (1, 1, 0)
    if plain and pool[:3] == (2, 2, 0):
        # Pixels 2y and 2y+1 are the taps 1 and 2 of a 3x3 kernel at stride 2.
        return np.pad(np.tile(weight * pool.gain, (2, 2)), ((0, 0), (0, 0), (1, 0), (1, 0))), 2, 1
    if plain and pool[:3] in ((3, 1, 1), (3, 2, 1)):
        return np.tile(weight * pool.gain, (3, 3)), pool.stride, 1
    return refuse(
        name,
        f"after a pooling of {pool.size} x {pool.size} with stride {pool.stride} the core runs a 1x1 convolution only, "
        "after 2 x 2 with stride 2 or 3 x 3 with padding 1; use a convolution with stride 2 instead",
    )


def _finite(name, values):
    """Numbers as float64; refuses NaN and infinity."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        refuse(name, "it holds NaN or infinity; the training diverged, lower the rate")
    return values
