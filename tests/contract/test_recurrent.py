"""The recurrent block's arithmetic against worked examples, real numbers and an oracle in exact rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest

from onespike.contract import recurrent as definition
from onespike.contract.isa import Carry
from onespike.contract.recurrent import Cell

WORKED = [
    # The tables: the middle of a step, their ends, one below zero.
    ("sigmoid", (0,), 65),
    ("sigmoid", (-1,), 63),
    ("sigmoid", (1 << 20,), 127),
    ("sigmoid", (-(1 << 20),), 0),
    ("tanh", (0,), 2),
    ("tanh", (-1,), -2),
    ("tanh", (16384,), 127),
    ("tanh", (-16385,), -127),
    ("drive", (-3, 10), -374),
    ("current", (127,), 64),
    ("current", (-127,), -63),
    ("current", (1,), 1),
    ("rnn", (100, 28), 6),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), WORKED)
def test_worked_examples(name, arguments, expected):
    assert getattr(definition, name)(*arguments) == expected


def real(z):
    """A pre-activation as a real number."""
    return z / 4096


@pytest.mark.parametrize(
    ("look_up", "function", "slope", "step", "end"),
    [
        (definition.sigmoid, lambda x: 1 / (1 + math.exp(-x)), 1 / 4, 1 / 16, 8),
        (definition.tanh, math.tanh, 1, 1 / 32, 4),
    ],
)
def test_tables_follow_their_functions(look_up, function, slope, step, end):
    """Nowhere further off than half a step of the table, half a unit of the result, and the unit that 1.0 lacks."""
    for z in range(-end * 4096, end * 4096, 37):
        error = abs(look_up(z) / 128 - function(real(z)))
        assert error <= slope * step / 2 + 1.5 / 128, z


def floor_half_up(x):
    """Nearest integer, ties upwards, of a ``Fraction``."""
    return math.floor(x + Fraction(1, 2))


def oracle(cell, z, w, h, c):
    """``step`` in rationals: activations in real units, rounded where the definition says so."""
    real_gates = [Fraction(a + b) for a, b in zip(z, w, strict=True)]
    unit = Fraction(1, 128)
    if cell is Cell.RNN:
        return definition.tanh(int(real_gates[0])), c
    if cell is Cell.GRU:
        r, u = (definition.sigmoid(int(gate)) * unit for gate in real_gates[:2])
        n = definition.tanh(z[2] + floor_half_up(r * w[2])) * unit
        return floor_half_up(((1 - u) * n + u * h * unit) / unit), c
    i, f, o = (definition.sigmoid(int(real_gates[gate])) * unit for gate in (0, 1, 3))
    g = definition.tanh(int(real_gates[2])) * unit
    c = floor_half_up((f * Fraction(c, 4096) + i * g) * 4096)
    c = max(-(2**15), min(2**15 - 1, c))
    return floor_half_up(o * definition.tanh(c) * unit / unit), c


@pytest.mark.parametrize("cell", Cell)
def test_steps_are_the_oracles_on_numbers_and_arrays(cell):
    rng = np.random.default_rng(5)
    count = 3000
    z, w = (rng.integers(-40_000, 40_000, (cell.gates, count)) for _ in range(2))
    h, c = rng.integers(-127, 128, count), rng.integers(-(2**15), 2**15, count)
    h_new, c_new = definition.step(cell, z, w, h, c)
    for n in range(count):
        operands = cell, z[:, n].tolist(), w[:, n].tolist(), int(h[n]), int(c[n])
        assert definition.step(*operands) == oracle(*operands) == (h_new[n], c_new[n])
    assert np.abs(h_new).max() <= 127


def test_the_state_saturates():
    """Gates are 127/128 at most, so a full ``c`` would shrink if nothing were added."""
    on, off = 1 << 15, -(1 << 15)
    assert definition.lstm([off, on, on, on], [0] * 4, 32767)[1] == 32511
    assert definition.lstm([on] * 4, [0] * 4, 32767)[1] == 32767
    assert definition.lstm([on, on, off, on], [0] * 4, -32768)[1] == -32768


@pytest.mark.parametrize("carry", definition.CARRIES)
def test_a_potential_fits_a_byte(carry):
    """Over any number of windows, from the extremes of the current on."""
    reachable = set(range(definition.current(-127), definition.current(127) + 1))
    low, high = min(reachable), max(reachable)
    for _ in range(50):
        carries = [definition.carry_over(carry, v) for v in reachable]
        reachable |= set(range(low + min(carries), high + max(carries) + 1))
    assert min(reachable) >= -128 and max(reachable) <= 127
    if carry is Carry.NONE:
        assert max(reachable) == high


def test_the_header_holds_the_tables():
    header = definition.firmware_header()
    for name, table in (("sigmoid", definition.SIGMOID), ("tanh", definition.TANH), ("omega", definition.OMEGA)):
        body = header.split(f"recurrent_{name}[{len(table)}] = {{")[1].split("}")[0]
        assert [int(word) for word in body.split(",") if word.strip()] == table.tolist()
