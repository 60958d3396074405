"""Every hardware unit in Verilator, driven by its cocotb testbench (sim/onespike_sim/units)."""

from dataclasses import replace

import pytest

from onespike.contract.config import ARRAYS, preset
from onespike_hw.classifier import Classifier
from onespike_hw.control.loader import Loader
from onespike_hw.control.regfile import RegisterFile
from onespike_hw.control.sequencer import Sequencer
from onespike_hw.encoder import Encoder
from onespike_hw.engine import make_array
from onespike_hw.engine.accumulators import Accumulators
from onespike_hw.engine.condense import Condense
from onespike_hw.engine.neuron import NeuronUnit
from onespike_hw.engine.windows import WindowAddresses
from onespike_hw.memory.spikes import SpikeMemory
from onespike_hw.memory.weights import WeightMemory
from onespike_sim.runner import simulate, to_verilog
from onespike_sim.synth import cell_model
from onespike_sim.units.benches import AccumulatorsAndDrain, SimdChain

UNITS = {
    "windows": WindowAddresses,
    "accumulators": Accumulators,
    "drain": AccumulatorsAndDrain,
    "neuron": NeuronUnit,
    "condense": Condense,
    "classifier": Classifier,
    "encoder": Encoder,
    "loader": Loader,
    "sequencer": Sequencer,
    "spikes": SpikeMemory,
}


@pytest.mark.parametrize("name", UNITS)
def test_unit(name):
    """The unit in the tiny configuration."""
    assert simulate(UNITS[name](preset("tiny")), f"onespike_sim.units.test_{name}", f"unit-{name}") >= 1


@pytest.mark.parametrize(("array", "config"), [*((array, "tiny") for array in ARRAYS), ("da-simd", "arty-a7-35t")])
def test_array(array, config):
    """Every array by the same testbench, and the chosen one at board size."""
    tests = simulate(
        make_array(replace(preset(config), array=array)),
        "onespike_sim.units.test_array",
        f"unit-array-{array}-{config}",
        {"ONESPIKE_ARRAY": array, "ONESPIKE_CONFIG": config},
    )
    assert tests >= 1


@pytest.mark.parametrize("array", ["tree", "da-simd"])
def test_weights(array):
    """The weight memory in both orders that arrays want."""
    config = replace(preset("tiny"), array=array)
    tests = simulate(
        WeightMemory(config, make_array(config).order),
        "onespike_sim.units.test_weights",
        f"unit-weights-{array}",
        {"ONESPIKE_ARRAY": array},
    )
    assert tests >= 1


@pytest.mark.parametrize("family", [None, "xc7"])
def test_simd(family):
    """The adder in plain logic, and as the DSP block that Yosys models."""
    cells = cell_model("DSP48E1") if family else ""
    assert ("DSP48E1" in to_verilog(SimdChain(), "top", family)[0]) == bool(family)
    assert simulate(SimdChain(), "onespike_sim.units.test_simd", f"unit-simd-{family}", None, family, cells) >= 1


@pytest.mark.parametrize("array", ["da", "da-simd"])
def test_array_in_vendor_cells(array):
    """An array as it is built for Xilinx 7 series: carry chains and DSP blocks are Yosys' models."""
    unit = make_array(replace(preset("tiny"), array=array))
    cells = cell_model("CARRY4") + cell_model("DSP48E1")
    bench, name = "onespike_sim.units.test_array", f"unit-array-{array}-xc7"
    assert "CARRY4" in to_verilog(unit, "top", "xc7")[0]
    assert simulate(unit, bench, name, {"ONESPIKE_ARRAY": array}, "xc7", cells) >= 1


def test_register_file():
    assert simulate(RegisterFile(), "onespike_sim.units.test_regfile", "unit-regfile") >= 1


@pytest.mark.parametrize("name", ["drain", "condense", "encoder"])
def test_unit_at_board_size(name):
    """Words, outputs and widths of the board."""
    config = "arty-a7-35t"
    tests = simulate(
        UNITS[name](preset(config)),
        f"onespike_sim.units.test_{name}",
        f"unit-{name}-{config}",
        {"ONESPIKE_CONFIG": config},
    )
    assert tests >= 1
