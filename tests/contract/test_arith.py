"""The shared arithmetic against worked examples and an oracle that shares nothing with it."""

import itertools
import math

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal, signed, unsigned
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from onespike.contract import arith

from . import oracle

WORKED = [
    # round_shift: ties go towards plus infinity, negative ones too
    ("round_shift", (5, 1), 3),
    ("round_shift", (-5, 1), -2),
    ("round_shift", (-6, 2), -1),
    ("round_shift", (6, 2), 2),
    ("round_shift", (-7, 2), -2),
    ("round_shift", (7, 0), 7),
    ("round_shift", (-7, 0), -7),
    ("round_shift", (16383, 15), 0),
    ("round_shift", (16384, 15), 1),
    ("round_shift", (-16384, 15), 0),
    ("round_shift", (-16385, 15), -1),
    # saturate: both sides and their neighbours, 12 bits
    ("saturate", (2047, 12), 2047),
    ("saturate", (2048, 12), 2047),
    ("saturate", (-2048, 12), -2048),
    ("saturate", (-2049, 12), -2048),
    ("saturate", (0, 12), 0),
    # current: round(acc * scale / 2**shift) + bias
    ("current", (100, 3, 2, -5, 12), 70),
    ("current", (-3, 1, 1, 0, 12), -1),
    ("current", (1, 32767, 0, 32767, 12), 2047),
    ("current", (524287, -32768, 15, 0, 12), -2048),
    ("potential", (2000, 100, 12), 2047),
    ("potential", (-2000, -100, 12), -2048),
    ("potential", (10, -3, 12), 7),
    # fire: strictly above TH = 32
    ("fire", (32, 5), False),
    ("fire", (33, 5), True),
    ("fire", (-33, 5), False),
    # fire_level: thresholds 32, 64, 96, each strict
    *(("fire_level", (v, 5), level) for v, level in ((-99, 0), (32, 0), (33, 1), (64, 1), (65, 2), (96, 2), (97, 3))),
    ("fire_level", (2047, 5), 3),
    ("fired", (97, 0, 5), 1),
    ("fired", (97, 1, 5), 3),
    ("fired", (32, 0, 5), 0),
    # leak: 16 + 8 + 2 of 64, every term floored by itself
    ("leak", (64,), 26),
    ("leak", (-1,), -3),
    ("leak", (31,), 10),
    ("carry_mean", (-1, 0), -3),
    ("carry_mean", (64, 65), 26),
    ("carry_relu", (-5, 4), 0),
    ("carry_relu", (40, 24), 26),
    ("carry_sum", (-5, 4), -3),
    ("carry_sum", (40, 24), 26),
    # 97 fires one spike, or level 3: 65 or 1 are left
    ("carry_reset", (97, 1, 5), 26),
    ("carry_reset", (97, 3, 5), 0),
    ("carry_reset", (-1, 0, 5), -3),
    ("omega_addresses", (-1, 0, 5), (511, 511)),
    ("omega_addresses", (300, 300, 5), (88, 0)),
    ("condense_level", (3, 2), 3),
    ("condense_level", (1, 1), 2),
    ("condense_level", (1, 0), 4),
    ("combine_plane", (-3, 2), -4),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), WORKED)
def test_worked_examples(name, arguments, expected):
    assert getattr(arith, name)(*arguments) == expected
    assert getattr(oracle, name)(*arguments) == expected


def disagreements(module):
    """Names of functions of ``module`` that differ from the oracle, all narrow operands tried."""
    narrow = range(-40, 41)
    cases = {
        "round_shift": itertools.product(range(-70, 71), range(6)),
        "saturate": itertools.product(range(-70, 71), (2, 4, 6)),
        "current": itertools.product(range(-20, 21, 3), (-7, -1, 3, 8), range(4), (-9, 0, 5), (5,)),
        "potential": itertools.product(narrow, narrow, (6,)),
        "fire": itertools.product(narrow, (2, 5)),
        "fire_level": itertools.product(range(-70, 200), (2, 5)),
        "fired": itertools.product(range(-70, 200), (0, 1), (2, 5)),
        "leak": ((v,) for v in range(-300, 300)),
        "carry_mean": itertools.product(narrow, narrow),
        "carry_relu": itertools.product(narrow, narrow),
        "carry_sum": itertools.product(narrow, narrow),
        "carry_reset": itertools.product(range(-40, 200), range(4), (2, 5)),
        "omega_addresses": itertools.product(range(-70, 71, 3), range(-70, 71), (0, 1, 2)),
        "condense_level": ((c, n) for n in range(3) for c in range(2**n + 1)),
        "combine_plane": itertools.product(narrow, narrow),
    }
    return {
        name
        for name, operands in cases.items()
        if any(getattr(module, name)(*args) != getattr(oracle, name)(*args) for args in operands)
    }


def test_narrow_operands_exhaustively():
    assert disagreements(arith) == set()


@given(st.integers(-(2**35), 2**35), st.integers(0, 15))
def test_round_shift_is_the_nearest_integer(x, n):
    assert arith.round_shift(x, n) == oracle.round_shift(x, n)


@given(
    st.integers(-(2**19), 2**19 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(0, 15),
    st.integers(-(2**15), 2**15 - 1),
)
def test_current_at_full_width(acc, scale, shift, bias):
    expected = oracle.current(acc, scale, shift, bias, 12)
    assert arith.current(acc, scale, shift, bias, 12) == expected
    array = arith.current(np.array([acc]), np.array([scale]), shift, np.array([bias]), 12)
    assert array.dtype == np.int64 and array[0] == expected


def in_steps(acc, scale, shift, bias, bits):
    """``current`` as the neuron unit computes it: one multiply-add and one choice of two shifts."""
    total = acc * arith.prescale(scale, shift) + arith.rounding_offset(bias, shift)
    return arith.rescale(total, shift, bits)


@given(
    st.integers(-(2**17), 2**17 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(0, 15),
    st.integers(-(2**15), 2**15 - 1),
)
def test_current_in_steps(acc, scale, shift, bias):
    assert in_steps(acc, scale, shift, bias, 12) == oracle.current(acc, scale, shift, bias, 12)


def test_amaranth_means_the_same(rng):
    """The gateware's expressions, simulated on corners and random operands."""
    a, b, acc = Signal(signed(12)), Signal(signed(12)), Signal(signed(20))
    scale, shift, bias = Signal(signed(16)), Signal(unsigned(4)), Signal(signed(16))
    outputs = {
        "current": arith.current(acc, scale, shift, bias, 12),
        "in_steps": in_steps(acc, scale, shift, bias, 12),
        "saturate_narrow": arith.saturate(a, 16),
        "potential": arith.potential(a, b, 12),
        "fire": arith.fire(a, 5),
        "fire_level": arith.fire_level(a, 5),
        "fired": arith.fired(a, shift[0], 5),
        "leak": arith.leak(a),
        "carry_mean": arith.carry_mean(a, b),
        "carry_relu": arith.carry_relu(a, b),
        "carry_sum": arith.carry_sum(a, b),
        "carry_reset": arith.carry_reset(b, shift[:2], 5),
        "plus": arith.omega_addresses(a, b, 5)[0],
        "minus": arith.omega_addresses(a, b, 5)[1],
        "combine_plane": arith.combine_plane(acc, a),
    }
    m = Module()
    results = {name: Signal.like(value + Const(0, 1)) for name, value in outputs.items()}
    m.d.comb += [results[name].eq(value) for name, value in outputs.items()]

    def corner(bits):
        top = 2 ** (bits - 1)
        return int(rng.choice([-top, top - 1, 0, -1, int(rng.integers(-top, top))]))

    async def bench(ctx):
        for _ in range(400):
            va, vb, vacc, vscale, vbias = corner(12), corner(12), corner(20), corner(16), corner(16)
            vshift = int(rng.integers(0, 16))
            for signal, value in ((a, va), (b, vb), (acc, vacc), (scale, vscale), (shift, vshift), (bias, vbias)):
                ctx.set(signal, value)
            expected = {
                "current": oracle.current(vacc, vscale, vshift, vbias, 12),
                "in_steps": oracle.current(vacc, vscale, vshift, vbias, 12),
                "saturate_narrow": va,
                "potential": oracle.potential(va, vb, 12),
                "fire": oracle.fire(va, 5),
                "fire_level": oracle.fire_level(va, 5),
                "fired": oracle.fired(va, vshift & 1, 5),
                "leak": oracle.leak(va),
                "carry_mean": oracle.carry_mean(va, vb),
                "carry_relu": oracle.carry_relu(va, vb),
                "carry_sum": oracle.carry_sum(va, vb),
                "carry_reset": oracle.carry_reset(vb, vshift & 3, 5),
                "plus": oracle.omega_addresses(va, vb, 5)[0],
                "minus": oracle.omega_addresses(va, vb, 5)[1],
                "combine_plane": oracle.combine_plane(vacc, va),
            }
            assert {name: ctx.get(signal) for name, signal in results.items()} == expected

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_omega_table_is_the_paper_function(k):
    """0.4 * 2 sin(pi a/4) cos(pi b/4), to one rounding per read, for potentials far outside the period."""
    th = 2**k
    table = arith.omega_table(k, 1.0)
    assert len(table) == 16 * th and abs(table).max() == round(0.8 * th)
    for a, b in itertools.product(range(-40 * th, 40 * th, 37), range(-40 * th, 40 * th, 41)):
        plus, minus = arith.omega_addresses(a, b, k)
        exact = 0.4 * 2 * th * 2 * math.sin(math.pi * a / (8 * th)) * math.cos(math.pi * b / (8 * th))
        assert abs(table[plus] + table[minus] - exact) <= 1 + 1e-9


@pytest.mark.parametrize("k", [1, 5, 9])
def test_levels_of_every_potential(k):
    """The gateware's form at every potential of 12 bits."""
    v, m = Signal(signed(12)), Module()
    level = Signal(4)
    m.d.comb += level.eq(arith.fire_level(v, k))

    async def bench(ctx):
        for value in range(-2048, 2048):
            ctx.set(v, value)
            assert ctx.get(level) == oracle.fire_level(value, k)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


def test_omega_table_gain():
    assert not arith.omega_table(5, 0.0).any()
    assert arith.omega_table(5, -1.0)[128] == -26 and arith.omega_table(5, 0.5)[128] == 13
