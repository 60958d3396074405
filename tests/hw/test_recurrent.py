"""The recurrent block on the simulated CPU, with the board's buses: every bit and some cycles."""

from onespike.contract.isa import Carry, Windows
from onespike.contract.recurrent import Cell
from onespike.recurrent import BlockSpec
from onespike_sim.recurrent import mismatched_bits, run_on_cpu

from ..support.recurrent import random_model, random_spikes

BLOCKS = (
    BlockSpec(Cell.LSTM, 4, Windows.N, Carry.LEAK),
    BlockSpec(Cell.GRU, 3, Windows.D, Carry.OMEGA),
    BlockSpec(Cell.RNN, 4, Windows.N, Carry.NONE),
)


def test_every_cell_is_bit_exact():
    models = [random_model(block, seed=seed) for seed, block in enumerate(BLOCKS)]
    cases = [(model, random_spikes(model, 3, seed)) for seed, model in enumerate(models)]
    runs = run_on_cpu(cases, "recurrent-test")
    for (model, spikes), run in zip(cases, runs, strict=True):
        assert mismatched_bits(model, spikes, run) == 0
        none, every = run.cycles[:2]
        assert 33 * model.products < none < every, "a multiplication alone takes 33 cycles"
        assert run.fired.any()
