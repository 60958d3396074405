"""A plain network in real numbers: what every importer builds and ``quantise_plain`` takes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ..network import NetworkSpec


@dataclass
class PlainLayer:
    """One layer: a neuron fires where its sum is above zero, so ``bias`` holds the threshold too.

    ``weight`` float64 (outputs, inputs, kernel, kernel); ``shortcut`` (outputs, inputs, 1, 1) or None; ``bias``
    (outputs,).
    """

    weight: np.ndarray
    shortcut: np.ndarray | None
    bias: np.ndarray

    def accumulate(self, x, skip, stride):
        """Sums float64 (n, outputs, side, side) of maps ``x`` and ``skip`` (n, inputs, side, side), without bias."""
        return accumulate(self.weight, self.shortcut, x, skip, stride)


def accumulate(weight, shortcut, x, skip, stride):
    """What a layer sums of its inputs, float64: exact where weights and levels are integers."""
    kernel = weight.shape[-1]
    acc = F.conv2d(x, torch.from_numpy(weight).double(), stride=stride, padding=kernel // 2)
    if shortcut is not None:
        step = skip.shape[-1] // acc.shape[-1]
        acc = acc + F.conv2d(skip, torch.from_numpy(shortcut).double(), stride=step)
    return acc


class Activity(NamedTuple):
    """``spikes``: float64 (n, channels, side, side) of every layer; ``scores`` float64 (n, classes)."""

    spikes: list
    scores: torch.Tensor


@dataclass
class PlainNetwork:
    """A description and its real weights, for pixels 0..255.

    ``weight`` float64 (classes, channels) of the classifier counts spikes of a channel over the whole last map;
    ``bias`` (classes,).
    """

    spec: NetworkSpec
    layers: list[PlainLayer]
    weight: np.ndarray
    bias: np.ndarray

    @torch.no_grad()
    def __call__(self, pixels):
        """``Activity`` for patched pixels uint8 (n, C, H, W), an array."""
        x, spikes = torch.from_numpy(pixels).double(), []
        for layer, (entry, _, _, _, source) in zip(self.layers, self.spec.geometry(), strict=True):
            acc = layer.accumulate(x, None if source is None else spikes[source], entry.stride)
            x = (acc + torch.from_numpy(layer.bias)[:, None, None] > 0).double()
            spikes.append(x)
        return Activity(spikes, x.sum((2, 3)) @ torch.from_numpy(self.weight).T + torch.from_numpy(self.bias))
