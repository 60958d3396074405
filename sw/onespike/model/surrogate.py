"""The firing step and its surrogate gradients, chosen by name.

Potentials here are in real units (threshold 0.5); x = v - 0.5 is the distance to the threshold.
"""

import functools
import math

import torch

from ..errors import ModelError

THRESHOLD = 0.5
BFLOAT16_STEP = 2.0**-6
"""Grid on which bfloat16 sums below 4 are exact."""


def rectangle(x):
    """1 where |x| < 0.5, else 0 (paper A, published code)."""
    return (x.abs() < 0.5).to(x.dtype)


def triangle(x):
    """1 - |x| where that is positive, else 0."""
    return (1 - x.abs()).clamp_(min=0)


def s3nn(x, alpha=4.0, beta=1.0):
    """Paper C (S3NN): a sigmoid tail below the threshold, beta / (1 + x) above it.

    x counts in units of the threshold, as in the paper.
    """
    x = x / THRESHOLD
    tail = torch.sigmoid(alpha * x)
    return torch.where(x < 0, alpha * tail * (1 - tail), beta / (1 + x.clamp(min=0))) / THRESHOLD


SURROGATES = {"rectangle": rectangle, "triangle": triangle, "s3nn": s3nn}


def surrogate_named(name):
    """The surrogate gradient ``name``; "s3nn:2:0.5" is S3NN's with alpha 2 and beta 0.5. Raises ``ModelError``."""
    kind, *numbers = name.split(":")
    try:
        if kind == "s3nn" and len(numbers) == 2:
            alpha, beta = (float(number) for number in numbers)
            if 0 < alpha < math.inf and 0 < beta < math.inf:
                return functools.partial(s3nn, alpha=alpha, beta=beta)
        if not numbers:
            return SURROGATES[kind]
    except (KeyError, ValueError):
        pass
    raise ModelError(f"no surrogate gradient {name!r}; choose one of {', '.join(SURROGATES)} or s3nn:ALPHA:BETA")


def thresholds(levels):
    """Thresholds of a neuron that fires 0..``levels``: 0.5, 1.0, 1.5 (paper B); a spiking one has the first."""
    return [THRESHOLD * n for n in range(1, levels + 1)]


@functools.cache
def _table(surrogate, levels, device):
    """The surrogate's value at every bfloat16 potential, (65536,), by its bits read as uint16."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16)
    return _sum(bits.view(torch.bfloat16).float(), surrogate, levels).nan_to_num().bfloat16().to(device)


def _sum(v, surrogate, levels):
    """Each threshold has a surrogate gradient of its own; a level is the sum of its spikes."""
    first, *others = thresholds(levels)
    total = surrogate(v - first)
    for threshold in others:
        total = total + surrogate(v - threshold)
    return total


def lookup(index, table):
    """``table[index]`` for int32 indices (batch, channels, height, width), in their memory order."""
    in_order = memory_order(index, index)
    # Of all ways to read a table this one alone is fast on a CPU: one dimension, no wrapping of negative indices.
    values = table.index_select(0, in_order.reshape(-1)).view(in_order.shape)
    return values if in_order is index else values.permute(0, 3, 1, 2)


def memory_order(x, like):
    """``x``, its dimensions in the order in which those of ``like`` lie in memory."""
    return x.permute(0, 2, 3, 1) if like.is_contiguous(memory_format=torch.channels_last) else x


def surrogate_gradient(v, surrogate, levels=1):
    """``surrogate`` at potentials ``v``; in bfloat16 by table: a formula of three levels is 40 passes over memory."""
    if v.dtype is torch.bfloat16:
        return lookup(v.view(torch.uint16).int(), _table(surrogate, levels, v.device))
    return _sum(v, surrogate, levels)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v, step, surrogate, levels):
        ctx.save_for_backward(v)
        ctx.surrogate, ctx.levels = surrogate, levels
        # Thresholds are THRESHOLD apart, so the level is one rounding: no comparisons, whose booleans cost seven times as much.
        exact = v.float() if v.dtype is torch.bfloat16 and step < BFLOAT16_STEP else v
        return torch.rsub(exact, -step / 2 / THRESHOLD, alpha=-1 / THRESHOLD).floor_().clamp_(0, levels).to(v.dtype)

    @staticmethod
    def backward(ctx, grad):
        (v,) = ctx.saved_tensors
        return grad * surrogate_gradient(v, ctx.surrogate, ctx.levels), None, None, None


def fire(v, step, surrogate, levels=1):
    """Spikes (0.0 or 1.0), or levels 0.0 to ``levels``, of potentials ``v`` that will be rounded to multiples of ``step``.

    The integer neuron rounds half up and then asks V > TH; on the unrounded potential both steps
    are the one comparison v >= 0.5 + step/2, so training pays for no rounding here.
    """
    return _Fire.apply(v, step, surrogate, levels)


def relu(v, step, top):
    """Activation of an 8-bit ANN: ``v`` in steps, rounded and clamped to 0..``top``, gradient straight through."""
    scaled = v / step
    return straight_through(torch.floor(scaled + 0.5).clamp(0, top), scaled.clamp(0, top))


class _Or(torch.autograd.Function):
    @staticmethod
    def forward(ctx, total, cover):
        ctx.save_for_backward(cover)
        return (total > 0).to(total.dtype)

    @staticmethod
    def backward(ctx, grad):
        (cover,) = ctx.saved_tensors
        return grad / cover, None


def condense_or(total, cover):
    """OR of overlapping windows from the spike count ``total``; gradient of the mean over ``cover``."""
    return _Or.apply(total, cover)


def straight_through(exact, smooth):
    """The value of ``exact`` with the gradient of ``smooth``."""
    return smooth + (exact - smooth).detach()
