"""Integer arithmetic of the recurrent block: a cell that walks over the pixels of a window (paper A, its RNN variants).

The one definition for golden model, training and firmware. As in ``arith`` every function takes plain ``int`` or
``numpy.int64`` arrays and means the same on both.

Fixed point: an activation (gate, state ``h``) counts 2**-7, a weight 2**-5, so their products, the pre-activations
``z`` and the LSTM's ``c`` count 2**-12. Spikes are 0 or 1: an input weight is added or not, then shifted by 7.
"""

import enum

import numpy as np

from . import arith
from .isa import Carry

ACTIVATION_SHIFT = 7
WEIGHT_SHIFT = 5
STATE_SHIFT = ACTIVATION_SHIFT + WEIGHT_SHIFT
"""Fractional bits of an activation, of a weight, and of ``z`` and ``c``."""
WEIGHT_TOP = 127
"""Largest magnitude of a weight: 8 signed bits, symmetrical."""
BIAS_BITS = STATE_BITS = 16
"""Signed bits of a bias (it counts as ``z`` does) and of ``c``."""
SIGMOID_STEP_SHIFT = 8
TANH_STEP_SHIFT = 7
"""A table's step is 2**n units of ``z``: 1/16 for the sigmoid, which ends at +-8, and 1/32 for the tanh, at +-4."""
TABLE_SIZE = 256
K = 5
"""The threshold is TH = 2**K, as in every network here; the firmware's Omega table is made for it."""
CARRIES = (Carry.NONE, Carry.LEAK, Carry.OMEGA)
DIRECTIONS = 2
"""Forward and backward over a window's pixels in raster order."""
MAX_INPUTS, MAX_HIDDEN, MAX_SIDE, MAX_CLASSES = 64, 16, 8, 16
"""What the firmware's memory is laid out for: input channels, ``h`` of one direction, side of the map, classes."""


class Cell(enum.Enum):
    """The recurrence; the paper's supplement has all three."""

    RNN = 0
    """``h = tanh(z)``"""
    GRU = 1
    """Gates r, u, n: ``n = tanh(z_n + r * w h)``, ``h = (1 - u) * n + u * h``; the recurrent sum has no bias of its own."""
    LSTM = 2
    """Gates i, f, g, o: ``c = f * c + i * g``, ``h = o * tanh(c)``."""

    @property
    def gates(self):
        """Pre-activations per element of ``h``."""
        return {Cell.RNN: 1, Cell.GRU: 3, Cell.LSTM: 4}[self]


def activation_table(function, step_shift):
    """``function`` at the middle of every step of 2**step_shift units of ``z``, as activations; int64 (``TABLE_SIZE``,)."""
    middle = (np.arange(TABLE_SIZE) - TABLE_SIZE // 2 + 0.5) * 2.0 ** (step_shift - STATE_SHIFT)
    values = np.floor(function(middle) * 2**ACTIVATION_SHIFT + 0.5).astype(np.int64)
    return np.clip(values, -(2**ACTIVATION_SHIFT) + 1, 2**ACTIVATION_SHIFT - 1)


SIGMOID = activation_table(lambda x: 1 / (1 + np.exp(-x)), SIGMOID_STEP_SHIFT)
TANH = activation_table(np.tanh, TANH_STEP_SHIFT)
OMEGA = arith.omega_table(K, 1.0)
"""The carry's sine, with the paper's gain."""


def _look_up(table, z, step_shift):
    half = TABLE_SIZE // 2
    index = z >> step_shift
    value = table[arith.where(index < -half, -half, arith.where(index >= half, half - 1, index)) + half]
    return value if isinstance(z, np.ndarray) else int(value)


def sigmoid(z):
    """Activation 0..127 of a pre-activation."""
    return _look_up(SIGMOID, z, SIGMOID_STEP_SHIFT)


def tanh(z):
    """Activation -127..127 of a pre-activation or of ``c``."""
    return _look_up(TANH, z, TANH_STEP_SHIFT)


def drive(total, bias):
    """Pre-activation from the sum of the weights of the spikes at the input."""
    return (total << ACTIVATION_SHIFT) + bias


def rnn(z, w):
    """``h`` from the drive ``z`` and the recurrent sum ``w`` (products of weights and ``h``)."""
    return tanh(z + w)


def gru(z, w, h):
    """``h`` from drives and recurrent sums of the gates r, u, n, and the ``h`` before."""
    r, u = sigmoid(z[0] + w[0]), sigmoid(z[1] + w[1])
    n = tanh(z[2] + arith.round_shift(r * w[2], ACTIVATION_SHIFT))
    return arith.round_shift(((1 << ACTIVATION_SHIFT) - u) * n + u * h, ACTIVATION_SHIFT)


def lstm(z, w, c):
    """``(h, c)`` from drives and recurrent sums of the gates i, f, g, o, and the ``c`` before.

    ``i * g`` counts 2**-14 and ``f * c`` 2**-19: the first is brought to the second, and both are rounded once.
    """
    i, f, g, o = sigmoid(z[0] + w[0]), sigmoid(z[1] + w[1]), tanh(z[2] + w[2]), sigmoid(z[3] + w[3])
    new = arith.round_shift(f * c + (i * g << STATE_SHIFT - ACTIVATION_SHIFT), ACTIVATION_SHIFT)
    new = arith.saturate(new, STATE_BITS)
    return arith.round_shift(o * tanh(new), ACTIVATION_SHIFT), new


def step(cell, z, w, h, c):
    """``(h, c)`` after one pixel of any ``cell``; ``z`` and ``w`` hold an entry per gate. ``c`` is the LSTM's alone."""
    if cell is Cell.RNN:
        return rnn(z[0], w[0]), c
    if cell is Cell.GRU:
        return gru(z, w, h), c
    return lstm(z, w, c)


def current(h):
    """Synaptic current of the neuron that ``h`` feeds: both count the same reals, the neuron in steps of 1 / (2 TH)."""
    return arith.round_shift(h, ACTIVATION_SHIFT - (K + 1))


def carry_over(carry, v):
    """Carry into the next window from this window's potential ``v``.

    Before the first recurrent block lies none whose potential Omega could take: it is 0, and 2 sin a cos 0 is left.
    With a current of at most 64 a potential stays below 128, so nothing saturates and the firmware keeps it in a byte.
    """
    if carry is Carry.LEAK:
        return arith.leak(v)
    if carry is Carry.OMEGA:
        plus, minus = arith.omega_addresses(v, 0, K)
        return OMEGA[plus] + OMEGA[minus]
    return v * 0


HEADER = ("cell", "carry", "inputs", "hidden", "side", "window", "offset", "classes")
"""Bytes at the start of a block's data, in their order; ``window`` is a window's side, ``offset`` from one to the next."""


def firmware_header():
    """``firmware/recurrent_tables.h``: formats, limits and tables of the recurrent block for C."""
    sizes = ("ACTIVATION_SHIFT", "WEIGHT_SHIFT", "STATE_SHIFT", "STATE_BITS", "SIGMOID_STEP_SHIFT", "TANH_STEP_SHIFT")
    sizes += ("TABLE_SIZE", "K", "DIRECTIONS", "MAX_INPUTS", "MAX_HIDDEN", "MAX_SIDE", "MAX_CLASSES")
    values = globals()
    lines = [
        "// Generated by `make gen` from `sw/onespike/contract/recurrent.py`; do not edit.",
        "#pragma once",
        "#include <stdint.h>",
        "",
        *(f"#define RECURRENT_{name} {values[name]}" for name in sizes),
        "",
        "enum Cell {",
        *(f"    CELL_{cell.name} = {cell.value}," for cell in Cell),
        "};",
        "",
        "enum WindowCarry {",
        *(f"    WINDOW_CARRY_{carry.name} = {carry.value}," for carry in CARRIES),
        "};",
        "",
        "// Start of a block's data.",
        "struct RecurrentHeader {",
        *(f"    uint8_t {name};" for name in HEADER),
        "};",
        "",
        "// Activations in units of 2**-7; Omega's sine in units of a potential.",
    ]
    for name, table in (("sigmoid", SIGMOID), ("tanh", TANH), ("omega", OMEGA)):
        lines += [f"static const int8_t recurrent_{name}[{len(table)}] = {{"]
        for at in range(0, len(table), 16):
            lines += ["    " + ", ".join(str(value) for value in table[at : at + 16]) + ","]
        lines += ["};", ""]
    return "\n".join(lines).rstrip("\n") + "\n"
