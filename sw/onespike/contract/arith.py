"""The integer arithmetic of one neuron, written once for Python, NumPy and Amaranth.

Every function takes plain ``int``, ``numpy.int64`` arrays or Amaranth values and means the same
on all three, because ``+ - * >> <`` are exact on each (Amaranth results grow, they never wrap).
``where`` is the only dispatch.

Units: the membrane potential counts in steps of 1 / (2 * TH), TH = 2**k, so real 1.0 is 2 * TH and
the firing threshold 0.5 is TH (paper A, Eq. 1-3; integer form: Omega as a sum of two sines, Eq. 5
with theta = 0.5).
"""

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Mux, Value


def where(condition, yes, no) -> Any:
    """``yes`` where ``condition`` holds, else ``no``; on ints, arrays or Amaranth values."""
    if isinstance(condition, Value):
        return Mux(condition, yes, no)
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def round_shift(x, n):
    """``x / 2**n`` rounded to the nearest integer, ties towards plus infinity; n >= 0."""
    return (x + ((1 << n) >> 1)) >> n


def saturate(x, bits):
    """``x`` clamped to the range of a signed integer of ``bits`` bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if isinstance(x, Value):  # the same, without two comparators: it fits if all upper bits are the sign
        upper: Any = x[bits - 1 :] if len(x) >= bits else x[-1]
        lower: Any = x[:bits]
        return Mux(upper.any() & ~upper.all(), Mux(x[-1], low, high), lower.as_signed())
    return where(x < low, low, where(x > high, high, x))


def combine_plane(acc, total):
    """Accumulator after one more bit plane, most significant plane first."""
    return (acc << 1) + total


def current(acc, scale, shift, bias, bits):
    """Synaptic current U of one neuron: folded BatchNorm, ``round(acc*scale / 2**shift) + bias``."""
    return saturate(round_shift(acc * scale, shift) + bias, bits)


def prescale(scale, shift):
    """``scale`` so that the right shift of ``shift`` (0..15) that follows is 7 or 15; 7 bits wider."""
    return scale << (7 ^ (shift & 7))


def rounding_offset(bias, shift):
    """What to add to ``acc * prescale(scale, shift)``: half a unit for rounding, and the bias in units."""
    return where(shift > 7, (bias << 15) + (1 << 14), (bias << 7) + (1 << 6))


def rescale(total, shift, bits):
    """``current`` from ``acc * prescale(scale, shift) + rounding_offset(bias, shift)``.

    The same integer as ``current`` (the offset of the bias is a multiple of what is shifted out), in the
    form of one multiply-add and one choice of two shifts.
    """
    return saturate(where(shift > 7, total >> 15, total >> 7), bits)


def potential(u, carry, bits):
    """Membrane potential V: current plus the carry of the window before."""
    return saturate(u + carry, bits)


def fire(v, k):
    """Spike, 1 where the potential is strictly above the threshold TH = 2**k."""
    return v > (1 << k)


TOP_LEVEL = 3
"""Largest level of a multi-threshold neuron: two bit planes."""
LEVEL_BITS = TOP_LEVEL.bit_length()
"""Bits of what a neuron fires, spike or level."""


def fire_level(v, k):
    """Level 0..3 of a multi-threshold neuron: how many of the thresholds TH, 2 TH, 3 TH lie below ``v`` (paper B).

    ``clamp((v - 1) >> k, 0, 3)``: the first threshold is that of ``fire``.
    """
    if isinstance(v, Value):  # the same, without three comparators: whole thresholds, one less if nothing is left over
        left: Any = v[:k]
        above: Any = v[k + 2 : -1]
        some, high = left.any(), above.any()
        low: Any = v[k]
        twice: Any = v[k + 1]
        level = Cat(high | Mux(some, low, twice & ~low), high | (twice & (low | some)))
        return Mux(v[-1], 0, level)
    return (v > (1 << k)) * 1 + (v > (2 << k)) * 1 + (v > (3 << k)) * 1


def fired(v, levels, k):
    """What a neuron of potential ``v`` fires: a spike 0 or 1, or where ``levels`` is set a level 0..3."""
    level = fire_level(v, k)
    return where(levels, level, (level != 0) * 1)


def leak(v):
    """0.40625 v without a multiplier (paper A: 0.4 v): each term is floored by itself."""
    return (v >> 2) + (v >> 3) + (v >> 5)


def mean(a, b):
    """Mean of two potentials, rounded down."""
    return (a + b) >> 1


def rectified_sum(a, b):
    """Sum of two potentials, 0 where it is negative."""
    total = a + b
    return where(total < 0, 0, total)


def soft_reset(b, level, k):
    """Potential less the ``level`` thresholds that it has fired."""
    return b - (level << k)


def carry_mean(a, b):
    """Leaked mean of the two potentials (the CIFAR-100 variant of paper A)."""
    return leak(mean(a, b))


def carry_relu(a, b):
    """Leaked, rectified sum of the two potentials (paper A, Fig. 5a)."""
    return leak(rectified_sum(a, b))


def carry_sum(a, b):
    """Leaked sum of the two potentials (paper A, Fig. 5a)."""
    return leak(a + b)


def carry_reset(b, level, k):
    """Leaked potential after the soft reset, which takes ``level`` thresholds off (paper A, Eq. 2; paper B)."""
    return leak(soft_reset(b, level, k))


def omega_addresses(a, b, k):
    """The two table addresses of Omega: low k+4 bits of a+b and of a-b.

    The sine's period is 16 * TH = 2**(k+4), so dropping the upper bits is an exact wrap.
    """
    low = (1 << (k + 4)) - 1
    return (a + b) & low, (a - b) & low


def condense_level(count, cover_log2):
    """MSp level 0..4 of a pixel: four times the fraction of its windows that fired (A3, P5).

    ``cover_log2`` is the base-2 logarithm of the number of windows over the pixel (0, 1 or 2).
    """
    return (count << 2) >> cover_log2


def omega_table(k, gain, theta=0.5):
    """Omega's sine table S[i] = round(gain * 0.8 TH sin(theta pi i / (4 TH))), 16 TH entries (P3).

    ``gain`` 1.0 is the paper's function with the leak of 0.4 folded in; i counts from -8 TH, in two's complement.
    int64 array.
    """
    th = 1 << k
    index = np.arange(16 * th)
    index -= 16 * th * (index >= 8 * th)
    return np.floor(gain * 0.8 * th * np.sin(theta * np.pi * index / (4 * th)) + 0.5).astype(np.int64)
