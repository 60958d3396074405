"""The neuron's arithmetic a second time: exact rationals and plain Python, nothing from ``arith``."""

import math
from fractions import Fraction


def round_shift(x, n):
    return math.floor(Fraction(x, 2**n) + Fraction(1, 2)) if n else x


def saturate(x, bits):
    return min(max(x, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def current(acc, scale, shift, bias, bits):
    return saturate(round_shift(acc * scale, shift) + bias, bits)


def potential(u, carry, bits):
    return saturate(u + carry, bits)


def fire(v, k):
    return Fraction(v, 2 ** (k + 1)) > Fraction(1, 2)


def fire_level(v, k):
    return sum(Fraction(v, 2**k) > n for n in (1, 2, 3))


def fired(v, levels, k):
    return fire_level(v, k) if levels else int(fire(v, k))


def leak(v):
    return sum(math.floor(Fraction(v, d)) for d in (4, 8, 32))


def carry_mean(a, b):
    return leak(math.floor(Fraction(a + b, 2)))


def carry_relu(a, b):
    return leak(max(a + b, 0))


def carry_sum(a, b):
    return leak(a + b)


def carry_reset(b, level, k):
    return leak(b - level * 2**k)


def omega_addresses(a, b, k):
    period = 16 * 2**k
    return (a + b) % period, (a - b) % period


def condense_level(count, cover_log2):
    return Fraction(4 * count, 2**cover_log2)


def combine_plane(acc, total):
    return 2 * acc + total
