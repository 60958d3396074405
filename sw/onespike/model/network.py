"""The trainable network: quantised weights, BatchNorm, paper-A neurons; built from a NetworkSpec.

Training runs in real units on the integer grid; ``export`` folds everything into the integers that
golden model, compiler and core use.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from ..contract import arith
from ..contract.arith import TOP_LEVEL
from ..contract.config import PARAMETER_BITS
from ..contract.isa import Carry, Condense, Padding, Windows
from ..errors import ModelError
from ..quantised import QuantisedLayer, QuantisedModel
from .neuron import chain, condense, roughness, series_table, split
from .surrogate import SURROGATES, fire, relu, surrogate_named

STEPS = {1: 1.0, 2: 1.4, 3: 0.9, 4: 0.5, 5: 0.27, 6: 0.14, 7: 0.07, 8: 0.035}
"""Bits -> one weight step, in mean absolute weights: +-7 steps of 0.5 reach 2.8 sigma of a normal law."""
GAIN = 0.1
"""Gain of an Omega carry before training: the carry grows where it helps."""
HARMONICS = 8
"""Harmonics of a learnt table."""


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, step, top):
        scaled = w / step
        ctx.save_for_backward(scaled.abs() <= top + 0.5)
        ctx.step = step
        return scaled.round().clamp(-top, top)

    @staticmethod
    def backward(ctx, grad):
        (inside,) = ctx.saved_tensors
        return grad * inside / ctx.step, None, None


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, step):
        ctx.step = step
        return torch.where(w < 0, -1.0, 1.0)

    @staticmethod
    def backward(ctx, grad):
        return grad / ctx.step, None


def quantise(w, bits, step):
    """Integer weights (as floats) in -(2**(bits-1)-1) .. 2**(bits-1)-1, of one bit -1 or 1; straight-through gradient."""
    if bits == 1:
        return _Sign.apply(w, step)
    return _Quantise.apply(w, step, 2 ** (bits - 1) - 1)


class SpikingConv(nn.Module):
    """One spiking layer: integer convolution (+ 1x1 shortcut), BatchNorm, windows, carry, condense.

    Input and output: (batch, channels, side, side), spikes 0/1 or MSp levels 0..4.
    """

    def __init__(self, spec, channels, side, shortcut_channels, shortcut_side, network):
        super().__init__()
        self.spec, self.side, self.k = spec, side, network.k
        self.bits = spec.weight_bits or network.weight_bits
        self.steps, self.pairs = network.steps, network.pairs
        self.out_side = side // spec.stride
        self.weight = nn.Parameter(torch.empty(spec.channels, channels, spec.kernel, spec.kernel))
        nn.init.normal_(self.weight, std=(channels * spec.kernel**2) ** -0.5)
        self.shortcut = None
        if shortcut_channels is not None:
            self.shortcut = nn.Parameter(torch.randn(spec.channels, shortcut_channels, 1, 1) * shortcut_channels**-0.5)
            self.shortcut_stride = shortcut_side // self.out_side
        self.norm = nn.BatchNorm2d(spec.channels)
        self.carrying = True
        self.gain = self.series = None
        if spec.carry is Carry.OMEGA and spec.table == "learnt":
            start = torch.zeros(2, HARMONICS)
            start[0, 0] = 0.4 * GAIN
            self.series = nn.Parameter(start)
        elif spec.carry is Carry.OMEGA:
            self.gain = nn.Parameter(torch.tensor(GAIN))
        self.surrogate = SURROGATES["triangle"]

    @property
    def distinct(self):
        """How many of the four windows differ: time steps do once they carry, and of two steps there are two equal pairs."""
        if self.steps == 1:
            return 4
        return self.steps if self.carrying else 1

    def integer_weights(self):
        """(main, shortcut or None), both on one step per output channel."""
        step = STEPS[self.bits] * self.weight.detach().abs().mean((1, 2, 3), keepdim=True)
        main = quantise(self.weight, self.bits, step)
        return main, None if self.shortcut is None else quantise(self.shortcut, self.bits, step)

    def accumulate(self, x, skip):
        """Sums of integer weights over all spikes, before BatchNorm."""
        main, side_path = self.integer_weights()
        acc = F.conv2d(x, main, stride=self.spec.stride, padding=self.spec.kernel // 2)
        if side_path is not None:
            acc = acc + F.conv2d(skip, side_path, stride=self.shortcut_stride)
        return acc

    def forward(self, x, previous, skip):
        """Spikes of this layer and its four window potentials (one element where windows are none)."""
        spec = self.spec
        if spec.padding is Padding.WINDOW and spec.windows is not Windows.NONE:
            count = self.distinct
            skips = None if skip is None else torch.cat(split(skip, spec.windows)[:count])
            u = self.norm(self.accumulate(torch.cat(split(x, spec.windows)[:count]), skips)).chunk(count)
        else:
            whole = self.norm(self.accumulate(x, skip))
            u = [whole] if spec.windows is Windows.NONE else split(whole, spec.windows)
            if spec.carry is Carry.NONE or not self.carrying:
                # Every window over a pixel has the same potential: one comparison does for all.
                return self.fire(whole) * (spec.condense.top if spec.condense is Condense.MSP else 1), u
        if not self.carrying:
            spec = replace(spec, carry=Carry.NONE)
        shape = self.gain if self.series is None else self.series
        v, spikes = chain(u, previous, spec, shape, self.k, self.fire, self.pairs)
        return condense(spikes * (4 // len(spikes)), spec, self.out_side), v

    def fire(self, v):
        """Spikes or levels of potentials ``v``, rounded to the integer grid or not."""
        step = 2.0 ** -(self.k + 1)
        if self.spec.levels > TOP_LEVEL:
            return relu(v, step, self.spec.levels)
        return fire(v, step, self.surrogate, self.spec.levels)

    def export(self):
        """Fold into a ``QuantisedLayer``; raises ``ModelError`` on NaN or infinite parameters."""
        for name, value in self.state_dict().items():
            if not torch.isfinite(value.float()).all():
                raise ModelError(
                    f"layer {self.spec.name!r}: {name} holds NaN or infinity; the training diverged, lower the rate"
                )
        with torch.no_grad():
            main, side_path = self.integer_weights()
            unit = 2.0 ** (self.k + 1)
            sigma = torch.sqrt(self.norm.running_var.double() + self.norm.eps)
            slope = unit * self.norm.weight.double() / sigma
            offset = unit * self.norm.bias.double() - slope * self.norm.running_mean.double()
            top = 2 ** (PARAMETER_BITS - 1) - 1
            shift = 0
            while shift < 15 and (slope.abs().max() * 2 ** (shift + 1)).round() <= top:
                shift += 1
        return QuantisedLayer(
            weight=main.numpy().astype("int8"),
            shortcut=None if side_path is None else side_path.numpy().astype("int8"),
            scale=(slope * 2**shift).round().long().numpy(),
            shift=shift,
            bias=torch.floor(offset + 0.5).clamp(-top - 1, top).long().numpy(),
            table=self._table(),
        )

    def _table(self):
        """Entries of the Omega table, int64 (16 TH,), or None; all zero while the carries are off."""
        if self.spec.carry is not Carry.OMEGA:
            return None
        if self.spec.table == "inside":
            raise ModelError(
                f"layer {self.spec.name!r}: a carry with the cosine inside the sine has no table; use 'sine'"
            )
        if self.series is None:
            return arith.omega_table(self.k, self.gain.item() if self.carrying else 0.0, self.spec.theta)
        unit = 2.0 ** (self.k + 1)
        values, _ = series_table(self.series.detach(), self.k)
        table = torch.floor(values * unit + 0.5).clamp(-2 * unit, 2 * unit - 1).long()
        return (table if self.carrying else 0 * table).numpy()


class Classifier(nn.Module):
    """Class scores: integer weights times the number of spikes of each channel over the whole map.

    ``level``: how much larger than spikes the last layer's outputs are.
    """

    def __init__(self, channels, side, network, level=1):
        super().__init__()
        self.bits = network.weight_bits
        self.weight = nn.Parameter(torch.randn(network.classes, channels) * channels**-0.5)
        self.bias = nn.Parameter(torch.zeros(network.classes))
        # Its logarithm is learnt: it is small, and must stay positive.
        # Scores grow with the steps that a weight has, and with the size of what is counted.
        scores = side * side * channels**0.5 * STEPS[4] / STEPS[self.bits] * level
        self.log_temperature = nn.Parameter(-torch.tensor(scores).log())

    def integer_weights(self):
        return quantise(self.weight, self.bits, STEPS[self.bits] * self.weight.detach().abs().mean())

    def forward(self, x):
        """Logits (batch, classes)."""
        return F.linear(x.float().sum((2, 3)), self.integer_weights()) * self.log_temperature.exp() + self.bias

    def export(self):
        for name, value in self.state_dict().items():
            if not torch.isfinite(value).all():
                raise ModelError(f"classifier: {name} holds NaN or infinity; the training diverged, lower the rate")
        with torch.no_grad():
            top = 2 ** (PARAMETER_BITS - 1) - 1
            bias = torch.floor(self.bias / self.log_temperature.exp() + 0.5).clamp(-top - 1, top)
            return self.integer_weights().numpy().astype("int8"), bias.long().numpy()


class SpikingNetwork(nn.Module):
    """The whole network of a ``NetworkSpec``; input: patched pixels 0..255, (batch, C, H, W)."""

    def __init__(self, spec, surrogate="triangle"):
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleList()
        geometry = spec.geometry()
        for layer, channels, side, _, source in geometry:
            skip = (None, None) if source is None else (geometry[source][0].channels, geometry[source][3])
            self.layers.append(SpikingConv(layer, channels, side, *skip, spec))
            self.layers[-1].surrogate = surrogate_named(surrogate)
        last, side = geometry[-1][0], geometry[-1][3]
        level = 2 ** (spec.k + 1) if last.levels > TOP_LEVEL else 1
        self.classifier = Classifier(last.channels, side, spec, level)
        self.carrying = True

    def forward(self, pixels):
        """Logits (batch, classes)."""
        x, v, outputs = pixels, None, []
        for layer, (_, _, _, _, source) in zip(self.layers, self.spec.geometry(), strict=True):
            x, v = layer(x, v, None if source is None else outputs[source])
            outputs.append(x)
        return self.classifier(x)

    def set_carrying(self, on):
        """Switch the carries of all layers on or off; off, an exported Omega table is all zero."""
        self.carrying = on
        for layer in self.layers:
            layer.carrying = on

    @property
    def exports(self):
        """Whether the network has integers: all but one with the cosine inside the sine."""
        return all(layer.spec.table != "inside" for layer in self.layers)

    @property
    def learns_tables(self):
        return any(layer.series is not None for layer in self.layers)

    def roughness(self):
        """Sum of the learnt tables' roughness, for a penalty."""
        return sum(roughness(layer.series) for layer in self.layers if layer.series is not None)

    def gains(self):
        """The learnt gain of every Omega layer."""
        return [layer.gain.item() for layer in self.layers if layer.gain is not None]

    def export(self):
        """The integers of the trained network as a ``QuantisedModel``."""
        weight, bias = self.classifier.export()
        return QuantisedModel(self.spec, [layer.export() for layer in self.layers], weight, bias)
