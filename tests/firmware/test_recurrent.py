"""``firmware/recurrent.c`` on this computer, under sanitizers, against the golden model."""

import subprocess

import numpy as np
import pytest

from onespike.contract import recurrent as definition
from onespike.contract.isa import Carry, Windows
from onespike.contract.recurrent import Cell
from onespike.golden.recurrent import block_scores, run_block
from onespike.recurrent import BlockSpec
from onespike_sim.recurrent import spike_bits

from ..support.native_board import build
from ..support.recurrent import random_model, random_spikes

SHAPES = [
    # cell, hidden, windows, carry, inputs, side, classes: odd sizes, the largest, more than a word of inputs
    (Cell.RNN, 1, Windows.N, Carry.NONE, 1, 2, 2),
    (Cell.RNN, 16, Windows.D, Carry.LEAK, 64, 8, 16),
    (Cell.GRU, 5, Windows.N, Carry.OMEGA, 33, 6, 3),
    (Cell.GRU, 16, Windows.D, Carry.OMEGA, 32, 8, 10),
    (Cell.LSTM, 3, Windows.D, Carry.LEAK, 7, 4, 5),
    (Cell.LSTM, 16, Windows.N, Carry.OMEGA, 64, 8, 16),
    (Cell.LSTM, 16, Windows.D, Carry.NONE, 40, 8, 10),
]


def answer(data, spikes):
    """What the program writes about a block's ``data`` and spike words: uint32 words."""
    head = np.array([len(data), len(spikes)], "<u4").tobytes()
    done = subprocess.run([build("recurrent_test")], input=head + data + spikes.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, "<u4")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("cell", "hidden", "windows", "carry", "inputs", "side", "classes"), SHAPES)
def test_it_is_the_golden_model(cell, hidden, windows, carry, inputs, side, classes, seed):
    model = random_model(BlockSpec(cell, hidden, windows, carry), inputs, side, classes, seed)
    spikes = random_spikes(model, 4, seed)
    right, *words = answer(model.blob(), spike_bits(spikes))
    told = np.array(words, "<u4").reshape(len(spikes), side * side + classes)
    trace = run_block(model, spikes)
    channels = np.arange(2 * hidden)[:, None]
    fired = told[:, None, : side * side] >> channels & 1
    assert right == 1
    np.testing.assert_array_equal(fired.reshape(trace.spikes.shape), trace.spikes)
    np.testing.assert_array_equal(told[:, side * side :].view("<i4"), block_scores(model, trace.spikes))
    assert trace.spikes.any() or hidden < 4


def test_what_is_no_block_is_refused(rng):
    """Lengths that do not fit and headers at random: refused, or run without touching what is not theirs."""
    model = random_model(BlockSpec(Cell.GRU, 4), inputs=9)
    data, spikes = model.blob(), spike_bits(random_spikes(model, 1))
    assert answer(data, spikes)[0] == 1
    for length in (0, 7, 8, len(data) - 1, len(data) + 1):
        assert answer(data.ljust(length, b"\0")[:length], spikes).tolist() == [0]
    for place, value in (("cell", 3), ("carry", 3), ("inputs", 0), ("hidden", 17), ("window", 0), ("offset", 9)):
        damaged = bytearray(data)
        damaged[definition.HEADER.index(place)] = value
        assert answer(bytes(damaged), spikes).tolist() == [0], place
    plenty = np.zeros((1, definition.MAX_SIDE**2 * 2), "<u4")
    for _ in range(100):
        damaged = bytearray(data)
        damaged[rng.integers(len(definition.HEADER))] = rng.integers(20)
        answer(bytes(damaged), plenty)
