"""The quantised network in PyTorch integers: a third, separate statement of the arithmetic.

Written against the papers' formulas with torch operations only; shares no code with the golden model
(NumPy) or the core, so that agreement between the three means something.
"""

import torch
import torch.nn.functional as F

from ..contract.arith import TOP_LEVEL
from ..contract.config import POTENTIAL_BITS
from ..contract.isa import Carry, Condense, Padding, Windows
from .neuron import cover, join, split


class IntegerNetwork:
    """Scores of a ``QuantisedModel`` for patched pixels, uint8 (n, C, H, W) -> int64 (n, classes)."""

    def __init__(self, model, device="cpu"):
        self.model, self.device = model, device
        # Every partial sum is an integer below 2**24 (the compiler proves the bound), so float32 is exact where
        # products are summed; on a GPU, whose float32 convolutions may transform their inputs, float64 is.
        self.kind = torch.float32 if device == "cpu" else torch.float64

    @torch.no_grad()
    def __call__(self, pixels):
        model = self.model
        x, windows, outputs = pixels.to(self.device, self.kind), None, []
        for layer, (spec, _, _, side, source) in zip(model.layers, model.spec.geometry(), strict=True):
            skip = None if source is None else outputs[source]
            x, windows = self._layer(layer, spec, side, x, windows, skip)
            outputs.append(x)
        weight = self._tensor(model.weight).double()
        return (x.double().sum((2, 3)) @ weight.T).long() + self._tensor(model.bias)

    def _tensor(self, array):
        return torch.from_numpy(array).to(self.device)

    def _layer(self, layer, spec, side, x, previous, skip):
        inside = spec.padding is Padding.WINDOW and spec.windows is not Windows.NONE
        if inside:
            x = torch.cat(split(x, spec.windows))
            skip = None if skip is None else torch.cat(split(skip, spec.windows))
        acc = F.conv2d(x, self._tensor(layer.weight).to(self.kind), stride=spec.stride, padding=spec.kernel // 2)
        if skip is not None:
            stride = skip.shape[-1] // acc.shape[-1]
            acc = acc + F.conv2d(skip, self._tensor(layer.shortcut).to(self.kind), stride=stride)
        scale, bias = (self._tensor(v)[:, None, None] for v in (layer.scale, layer.bias))
        product = acc.long() * scale
        if layer.shift:
            product = torch.div(product + 2 ** (layer.shift - 1), 2**layer.shift, rounding_mode="floor")
        u = _limit(product + bias)
        if spec.windows is Windows.NONE:
            return self._fire(u, spec), [u]
        u = list(u.chunk(4)) if inside else split(u, spec.windows)
        v = []
        for index, current in enumerate(u):
            if index and spec.carry is not Carry.NONE and not (self.model.spec.pairs and index == 2):
                a = previous[index - 1] if spec.carry.takes_previous else None
                current = _limit(current + self._carry(layer, spec, a, v[-1]))
            v.append(current)
        total = join([self._fire(p, spec) for p in v], spec.windows, side)
        if spec.condense is Condense.MSP:
            return total * 4 / cover(spec.windows, side, total), v
        if spec.windows is Windows.N:
            return total, v
        return (total > 0).to(self.kind), v

    def _fire(self, v, spec):
        if spec.levels > TOP_LEVEL:
            return v.clamp(0, spec.levels).to(self.kind)
        return torch.div(v - 1, 2**self.model.spec.k, rounding_mode="floor").clamp(0, spec.levels).to(self.kind)

    def _carry(self, layer, spec, a, b):
        if spec.carry is Carry.OMEGA:
            table = self._tensor(layer.table)
            return table[(a + b) % len(table)] + table[(a - b) % len(table)]
        if spec.carry is Carry.MEAN:
            b = torch.div(a + b, 2, rounding_mode="floor")
        elif spec.carry is Carry.RELU:
            b = (a + b).clamp(min=0)
        elif spec.carry is Carry.SUM:
            b = a + b
        elif spec.carry is Carry.RESET:
            b = b - self._fire(b, spec).long() * 2**self.model.spec.k
        return sum(torch.div(b, d, rounding_mode="floor") for d in (4, 8, 32))


def _limit(x):
    return x.clamp(-(2 ** (POTENTIAL_BITS - 1)), 2 ** (POTENTIAL_BITS - 1) - 1)
