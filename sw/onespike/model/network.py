"""The trainable network: quantised weights, BatchNorm, paper-A neurons; built from a NetworkSpec.

Training runs in real units on the integer grid; ``export`` folds everything into the integers that
golden model, compiler and core use.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from ..contract import arith
from ..contract.config import PARAMETER_BITS
from ..contract.isa import Carry, Padding, Windows
from ..errors import ModelError
from ..quantised import QuantisedLayer, QuantisedModel
from .neuron import chain, condense, split
from .surrogate import SURROGATES, fire

# One weight step, in mean absolute weights: +-7 steps of 0.5 reach 2.8 sigma of a normal law.
STEP = 0.5


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


def quantise(w, bits, step):
    """Integer weights (as floats) in -(2**(bits-1)-1) .. 2**(bits-1)-1, straight-through gradient."""
    return _Quantise.apply(w, step, 2 ** (bits - 1) - 1)


class SpikingConv(nn.Module):
    """One spiking layer: integer convolution (+ 1x1 shortcut), BatchNorm, windows, carry, condense.

    Input and output: (batch, channels, side, side), spikes 0/1 or MSp levels 0..4.
    """

    def __init__(self, spec, channels, side, shortcut_channels, shortcut_side, network):
        super().__init__()
        self.spec, self.side, self.k, self.bits = spec, side, network.k, network.weight_bits
        self.out_side = side // spec.stride
        self.weight = nn.Parameter(torch.empty(spec.channels, channels, spec.kernel, spec.kernel))
        nn.init.normal_(self.weight, std=(channels * spec.kernel**2) ** -0.5)
        self.shortcut = None
        if shortcut_channels is not None:
            self.shortcut = nn.Parameter(torch.randn(spec.channels, shortcut_channels, 1, 1) * shortcut_channels**-0.5)
            self.shortcut_stride = shortcut_side // self.out_side
        self.norm = nn.BatchNorm2d(spec.channels)
        self.carrying = True
        self.gain = nn.Parameter(torch.tensor(0.1)) if spec.carry is Carry.OMEGA else None
        self.surrogate = SURROGATES["triangle"]

    def integer_weights(self):
        """(main, shortcut or None), both on one step per output channel."""
        step = STEP * self.weight.detach().abs().mean((1, 2, 3), keepdim=True)
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
            skips = None if skip is None else torch.cat(split(skip, spec.windows))
            u = self.norm(self.accumulate(torch.cat(split(x, spec.windows)), skips)).chunk(4)
        else:
            whole = self.norm(self.accumulate(x, skip))
            u = [whole] if spec.windows is Windows.NONE else split(whole, spec.windows)
            if spec.carry is Carry.NONE or not self.carrying:
                # Every window over a pixel has the same potential: one comparison does for all.
                return self.fire(whole) * spec.condense.top, u
        if not self.carrying:
            spec = replace(spec, carry=Carry.NONE)
        v, spikes = chain(u, previous, spec, self.gain, self.k, self.fire)
        return condense(spikes, spec, self.out_side), v

    def fire(self, v):
        """Spikes of potentials ``v``, rounded to the integer grid or not."""
        return fire(v, 2.0 ** -(self.k + 1), self.surrogate)

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
            gain = self.gain.item() if self.gain is not None and self.carrying else 0.0
            table = None if self.gain is None else arith.omega_table(self.k, gain)
        return QuantisedLayer(
            weight=main.numpy().astype("int8"),
            shortcut=None if side_path is None else side_path.numpy().astype("int8"),
            scale=(slope * 2**shift).round().long().numpy(),
            shift=shift,
            bias=torch.floor(offset + 0.5).clamp(-top - 1, top).long().numpy(),
            table=table,
        )


class Classifier(nn.Module):
    """Class scores: integer weights times the number of spikes of each channel over the whole map."""

    def __init__(self, channels, side, network):
        super().__init__()
        self.bits = network.weight_bits
        self.weight = nn.Parameter(torch.randn(network.classes, channels) * channels**-0.5)
        self.bias = nn.Parameter(torch.zeros(network.classes))
        self.temperature = nn.Parameter(torch.tensor(1.0 / (side * side * channels**0.5)))

    def integer_weights(self):
        return quantise(self.weight, self.bits, STEP * self.weight.detach().abs().mean())

    def forward(self, x):
        """Logits (batch, classes)."""
        return F.linear(x.float().sum((2, 3)), self.integer_weights()) * self.temperature + self.bias

    def export(self):
        for name, value in self.state_dict().items():
            if not torch.isfinite(value).all():
                raise ModelError(f"classifier: {name} holds NaN or infinity; the training diverged, lower the rate")
        if self.temperature <= 0:
            raise ModelError("classifier: the learnt temperature is not positive; train longer or lower the rate")
        with torch.no_grad():
            top = 2 ** (PARAMETER_BITS - 1) - 1
            bias = torch.floor(self.bias / self.temperature + 0.5).clamp(-top - 1, top)
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
            self.layers[-1].surrogate = SURROGATES[surrogate]
        self.classifier = Classifier(geometry[-1][0].channels, geometry[-1][3], spec)

    def forward(self, pixels):
        """Logits (batch, classes)."""
        x, v, outputs = pixels, None, []
        for layer, (_, _, _, _, source) in zip(self.layers, self.spec.geometry(), strict=True):
            x, v = layer(x, v, None if source is None else outputs[source])
            outputs.append(x)
        return self.classifier(x)

    def set_carrying(self, on):
        """Switch the carries of all layers on or off; off, an exported Omega table is all zero."""
        for layer in self.layers:
            layer.carrying = on

    def gains(self):
        """The learnt gain of every Omega layer."""
        return [layer.gain.item() for layer in self.layers if layer.gain is not None]

    def export(self):
        """The integers of the trained network as a ``QuantisedModel``."""
        weight, bias = self.classifier.export()
        return QuantisedModel(self.spec, [layer.export() for layer in self.layers], weight, bias)
