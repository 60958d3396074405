"""A neuron's one comparison, between accumulator thresholds and the core's scale, shift and bias.

With one threshold and no carry, ``round(acc * scale / 2**shift) + bias > TH`` is the same as ``sign * acc >= t`` for one
integer t (``contract.arith.current`` and ``fire``): both directions are exact, no rounding is lost.
"""

import numpy as np

from ..contract import arith
from ..contract.config import PARAMETER_BITS, POTENTIAL_BITS
from ..errors import ExchangeError

SHIFT = 14
"""Shift of imported layers: scales from 2**-14 to 2, and from 1 on every threshold is hit."""
LIMIT = 2 ** (PARAMETER_BITS - 1) - 1


def reach(rows, sign):
    """(lowest, highest) ``sign * acc``, int64 (outputs,): ``rows`` int64 (outputs, inputs) hold weight x largest level."""
    signed = rows * sign[:, None]
    return np.minimum(signed, 0).sum(1), np.maximum(signed, 0).sum(1)


def thresholds(layer, k, rows):
    """(sign, t) int64 (outputs,) of a ``QuantisedLayer``: it fires where ``sign * acc >= t``.

    Thresholds beyond what the accumulator reaches come back as just beyond it.
    """
    sign = np.where(layer.scale < 0, -1, 1)
    low, high = reach(rows, sign)
    # round_shift(a * |scale|, shift) >= needed  <=>  a * |scale| >= needed * 2**shift - half
    needed = (1 << k) + 1 - layer.bias.astype(np.int64)
    bound = (needed << layer.shift) - ((1 << layer.shift) >> 1)
    size = np.abs(layer.scale.astype(np.int64))
    t = -(-bound // np.maximum(size, 1))
    t = np.where(size == 0, np.where(needed <= 0, low, high + 1), t)
    return sign, np.clip(t, low, high + 1)


def encode(name, sign, t, k, rows):
    """(scale, bias) int64 (outputs,) with shift ``SHIFT``: fires exactly where ``sign * acc >= t``.

    Of the many pairs that do, the one whose potentials come closest to half of their range is taken.
    """
    low, high = reach(rows, sign)
    wanted = 2.0 ** (POTENTIAL_BITS - 2) / np.maximum(np.maximum(high - t, t - low), 1)
    pairs = [_encode_one(name, *channel, k) for channel in zip(t, wanted, strict=True)]
    scale, bias = (np.array(values, np.int64) for values in zip(*pairs, strict=True))
    return scale * sign, bias


def _encode_one(name, t, wanted, k):
    scale = np.arange(1, LIMIT + 1)
    steps = arith.round_shift(t * scale, SHIFT)
    bias = (1 << k) + 1 - steps
    hits = (arith.round_shift((t - 1) * scale, SHIFT) < steps) & (np.abs(bias) <= LIMIT)
    if not hits.any():
        raise ExchangeError(f"layer {name!r}: a threshold of {t} weight steps is beyond the core; use fewer inputs")
    best = np.abs(scale[hits] / 2.0**SHIFT - wanted).argmin()
    return scale[hits][best], bias[hits][best]
