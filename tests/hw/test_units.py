"""Every hardware unit in Verilator, driven by its cocotb testbench (sim/onespike_sim/units)."""

import pytest

from onespike.contract.config import preset
from onespike_hw.classifier import Classifier
from onespike_hw.control.loader import Loader
from onespike_hw.control.regfile import RegisterFile
from onespike_hw.control.sequencer import Sequencer
from onespike_hw.encoder import Encoder
from onespike_hw.engine.accumulators import Accumulators
from onespike_hw.engine.condense import Condense
from onespike_hw.engine.neuron import NeuronUnit
from onespike_hw.engine.tree import TreeArray
from onespike_hw.engine.windows import WindowAddresses
from onespike_hw.memory.spikes import SpikeMemory
from onespike_hw.memory.weights import WeightMemory
from onespike_sim.runner import simulate
from onespike_sim.units.benches import AccumulatorsAndDrain

UNITS = {
    "windows": WindowAddresses,
    "array": TreeArray,
    "accumulators": Accumulators,
    "drain": AccumulatorsAndDrain,
    "neuron": NeuronUnit,
    "condense": Condense,
    "classifier": Classifier,
    "encoder": Encoder,
    "loader": Loader,
    "sequencer": Sequencer,
    "spikes": SpikeMemory,
    "weights": WeightMemory,
}


@pytest.mark.parametrize("name", UNITS)
def test_unit(name):
    """The unit in the tiny configuration."""
    assert simulate(UNITS[name](preset("tiny")), f"onespike_sim.units.test_{name}", f"unit-{name}") >= 1


def test_register_file():
    assert simulate(RegisterFile(), "onespike_sim.units.test_regfile", "unit-regfile") >= 1


@pytest.mark.parametrize("name", ["array", "condense", "encoder"])
def test_unit_at_board_size(name):
    """Lanes equal to outputs, and the widths of the board."""
    config = "arty-a7-35t"
    tests = simulate(
        UNITS[name](preset(config)),
        f"onespike_sim.units.test_{name}",
        f"unit-{name}-{config}",
        {"ONESPIKE_CONFIG": config},
    )
    assert tests >= 1
