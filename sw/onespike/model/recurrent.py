"""The recurrent block in PyTorch: trained on the integer grid, every rounding with a straight-through gradient.

Values are real, all of them whole multiples of their grid (``contract.recurrent``), so what is computed is exactly what
the integers do, as long as the sums fit a float's mantissa.
"""

import torch
from torch import nn

from ..contract import recurrent as definition
from ..contract.isa import Carry, Windows
from ..contract.recurrent import DIRECTIONS, Cell
from ..recurrent import RecurrentModel
from . import surrogate as sg
from .network import Classifier, SpikingNetwork
from .neuron import cover, join, leak, on_grid, split

ACTIVATION_GRID = definition.ACTIVATION_SHIFT - 1
STATE_GRID = definition.STATE_SHIFT - 1
"""``on_grid(v, k)`` rounds to multiples of 2**-(k+1)."""


class _Activation(torch.autograd.Function):
    """A table of activations at ``z``, by index; the gradient is that of the function the table stands for."""

    @staticmethod
    def forward(ctx, z, table, step_shift):
        half = definition.TABLE_SIZE // 2
        index = torch.floor(z * 2.0 ** (definition.STATE_SHIFT - step_shift)).clamp_(-half, half - 1) + half
        value = table[index.long()]
        # Both tables have 256 entries; the tanh's are the ones that go below zero.
        ctx.is_tanh = step_shift == definition.TANH_STEP_SHIFT
        ctx.save_for_backward(value)
        return value

    @staticmethod
    def backward(ctx, grad):
        (value,) = ctx.saved_tensors
        return grad * (1 - value * value if ctx.is_tanh else value * (1 - value)), None, None


def _whole(w, scale, top):
    """Whole numbers (as floats) nearest to ``w * scale``, within +-top, with the gradient of ``w * scale``."""
    scaled = w * scale
    return sg.straight_through(torch.round(scaled.detach()).clamp(-top, top), scaled)


class RecurrentBlock(nn.Module):
    """Spikes (batch, inputs, side, side) to spikes (batch, 2 hidden, side, side); ``spec`` is a ``BlockSpec``."""

    def __init__(self, spec, inputs, side, surrogate="triangle"):
        super().__init__()
        self.spec, self.side = spec, side
        rows, reach = spec.cell.gates * spec.hidden, spec.hidden**-0.5
        self.drive = nn.Parameter(torch.empty(DIRECTIONS, rows, inputs).uniform_(-reach, reach))
        self.weight = nn.Parameter(torch.empty(DIRECTIONS, rows, spec.hidden).uniform_(-reach, reach))
        self.bias = nn.Parameter(torch.zeros(DIRECTIONS, rows))
        if spec.cell is Cell.LSTM:  # the usual start: the forget gate open, so that gradients reach far back
            self.bias.data.view(DIRECTIONS, spec.cell.gates, spec.hidden)[:, 1] = 1.0
        self.surrogate = sg.SURROGATES[surrogate]
        for name, table in (("sigmoid", definition.SIGMOID), ("tanh", definition.TANH)):
            values = torch.from_numpy(table).float() / 2**definition.ACTIVATION_SHIFT
            self.register_buffer(f"{name}_table", values, persistent=False)
        half = definition.OMEGA / 2 ** (definition.K + 1)
        self.register_buffer("omega_table", torch.from_numpy(half).float(), persistent=False)

    def integers(self):
        """Weights (drive, recurrent) and bias as whole numbers in floats, shapes as the parameters'."""
        scale, top = 2.0**definition.WEIGHT_SHIFT, definition.WEIGHT_TOP
        bias_top = 2 ** (definition.BIAS_BITS - 1) - 1
        bias = _whole(self.bias, 2.0**definition.STATE_SHIFT, bias_top)
        return _whole(self.drive, scale, top), _whole(self.weight, scale, top), bias

    def _sigmoid(self, z):
        return _Activation.apply(z, self.sigmoid_table, definition.SIGMOID_STEP_SHIFT)

    def _tanh(self, z):
        return _Activation.apply(z, self.tanh_table, definition.TANH_STEP_SHIFT)

    def _step(self, z, w, h, c):
        """``(h, c)`` (2, batch, hidden) after one pixel; ``z`` and ``w`` are (2, batch, gates * hidden)."""
        if self.spec.cell is Cell.RNN:
            return self._tanh(z + w), c
        hidden = self.spec.hidden
        z, w = z.split(hidden, -1), w.split(hidden, -1)
        if self.spec.cell is Cell.GRU:
            r, u = self._sigmoid(z[0] + w[0]), self._sigmoid(z[1] + w[1])
            n = self._tanh(z[2] + on_grid(r * w[2], STATE_GRID))
            return on_grid((1 - u) * n + u * h, ACTIVATION_GRID), c
        i, f, o = (self._sigmoid(z[gate] + w[gate]) for gate in (0, 1, 3))
        top = 2 ** (definition.STATE_BITS - 1)
        unit = 2.0**-definition.STATE_SHIFT
        c = on_grid(f * c + i * self._tanh(z[2] + w[2]), STATE_GRID).clamp(-top * unit, (top - 1) * unit)
        return on_grid(o * self._tanh(c), ACTIVATION_GRID), c

    def walk(self, x):
        """``h`` (batch, 2 hidden, w, w) of both directions over the pixels of windows ``x`` (batch, inputs, w, w)."""
        batch, _, size, _ = x.shape
        drive, weight, bias = self.integers()
        sequence = x.flatten(2).permute(2, 0, 1)
        z = torch.einsum("tbi,dri->tdbr", sequence, drive / 2.0**definition.WEIGHT_SHIFT)
        z = z + (bias / 2.0**definition.STATE_SHIFT)[:, None]
        # One walk for both directions: the second one's pixels are turned round, and its results back.
        z = torch.stack([z[:, 0], z[:, 1].flip(0)], 1)
        turned = (weight / 2.0**definition.WEIGHT_SHIFT).transpose(1, 2)
        h = c = x.new_zeros(DIRECTIONS, batch, self.spec.hidden)
        states = []
        for pixel in z:
            h, c = self._step(pixel, torch.bmm(h, turned), h, c)
            states.append(h)
        forward, backward = torch.stack(states).unbind(1)
        return torch.cat([forward, backward.flip(0)], -1).permute(1, 2, 0).reshape(batch, -1, size, size)

    def carry_over(self, v):
        """Carry into the next window from this window's potential."""
        if self.spec.carry is Carry.LEAK:
            return leak(v, definition.K)
        unit = 2 ** (definition.K + 1)
        index = torch.remainder(v.detach() * unit, len(self.omega_table)).long()
        smooth = 0.8 * torch.sin(torch.pi / 4 * v)
        return sg.straight_through(2 * self.omega_table[index], smooth)

    def potentials(self, x):
        """Potentials of the four windows, each (batch, 2 hidden, w, w)."""
        currents = on_grid(self.walk(torch.cat(split(x, self.spec.windows))), definition.K).chunk(4)
        v = [currents[0]]
        for current in currents[1:]:
            v.append(current if self.spec.carry is Carry.NONE else current + self.carry_over(v[-1]))
        return v

    def forward(self, x):
        spikes = [sg.fire(v, 2.0 ** -(definition.K + 1), self.surrogate) for v in self.potentials(x)]
        joined = join(spikes, self.spec.windows, self.side)
        if self.spec.windows is Windows.N:
            return joined
        return sg.condense_or(joined, cover(self.spec.windows, self.side, joined))


class _Through(nn.Module):
    """Takes the classifier's place in a front: hands the spikes on, and exports scores that are all zero."""

    def __init__(self, classifier):
        super().__init__()
        self.shape = classifier.weight.shape

    def forward(self, x):
        return x

    def export(self):
        classes, channels = self.shape
        return torch.zeros(classes, channels).numpy().astype("int8"), torch.zeros(classes).long().numpy()


class RecurrentNetwork(nn.Module):
    """Front (``NetworkSpec``), recurrent block (``BlockSpec``) and classifier; input as ``SpikingNetwork``'s."""

    def __init__(self, front, block, surrogate="triangle"):
        super().__init__()
        last, _, _, side, _ = front.geometry()[-1]
        self.front = SpikingNetwork(front, surrogate)
        self.front.classifier = _Through(self.front.classifier)
        self.block = RecurrentBlock(block, last.channels, side, surrogate)
        self.classifier = Classifier(DIRECTIONS * block.hidden, side, front)

    def forward(self, pixels):
        """Logits (batch, classes)."""
        return self.classifier(self.block(self.front(pixels)))

    def export(self):
        """The integers of the trained network as a ``RecurrentModel``; parameters must be on the CPU."""
        spec = self.block.spec
        with torch.no_grad():
            arrays = [array.long().numpy() for array in self.block.integers()]
        drive, weight, bias = (a.reshape(DIRECTIONS, spec.cell.gates, spec.hidden, *a.shape[2:]) for a in arrays)
        class_weight, class_bias = self.classifier.export()
        front = self.front.export()
        return RecurrentModel(front, spec, drive.astype("int8"), weight.astype("int8"), bias, class_weight, class_bias)
