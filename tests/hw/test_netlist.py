"""Equivalence after synthesis: cell models against Amaranth, the core's netlist against the golden model, faults."""

import copy
import json
from functools import cache

import pytest

from onespike.contract.arith import TOP_LEVEL
from onespike.contract.config import preset
from onespike.contract.isa import Carry, Condense, Padding, Windows
from onespike.errors import ToolError
from onespike.random_networks import draw
from onespike_sim import runner
from onespike_sim.equivalence import SEEDS, STALL, core_netlist, verify_netlist
from onespike_sim.netlist import (
    DSP_CONTROLS,
    QUICK,
    cell_models,
    count_cells,
    each_cell,
    load,
    open_flow_hazards,
    settle,
    simulation_files,
    untie_dsp_constants,
)
from onespike_sim.runner import SimulationError, to_verilog
from onespike_sim.synth import run_yosys

from ..support.sampler import Sampler, record

FAMILIES = ("xc7", "ecp5")

TINY = preset("tiny")


@cache
def sampler_netlist(family):
    text = to_verilog(Sampler(), "sampler", family)[0]
    return load(run_yosys(text, "sampler", family, flatten=False), "sampler")


@cache
def vectors():
    path = runner.ROOT / "sampler.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record(path, runner.seed())
    return path


def mismatched_bits(netlist, family, name):
    """Output of ``Sampler`` -> bits in which its netlist differs from Amaranth's simulation, where any do."""
    netlist = copy.deepcopy(netlist)
    settle(netlist, runner.seed())
    name = f"sampler-{family}-{name}"
    files = simulation_files(netlist, "sampler", family, runner.ROOT / name)
    ports = netlist["modules"]["sampler"]["ports"]
    built, folder = runner.build(name, files, "sampler", ports, args=QUICK)
    test_dir, path = folder / "runs", vectors()
    with runner.locked(test_dir):
        mine = test_dir / path.name
        mine.write_bytes(path.read_bytes())
        environment = {"ONESPIKE_VECTORS": str(mine)}
        runner.run(built, folder, "sampler", "onespike_sim.harness.vectors", test_dir, environment=environment)
        return json.loads(mine.with_suffix(".wrong").read_text())


def cells_of(netlist, *kinds):
    found = [cell for _, cell in each_cell(netlist) if cell["type"] in kinds]
    assert found, f"no {kinds} in the netlist"
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_cells_do_what_was_written(family):
    """Every kind of memory, a multiplier, DSP chains, shift registers, flip-flops: all output bits of 1,500 cycles."""
    netlist = copy.deepcopy(sampler_netlist(family))
    expected = {
        "xc7": {"RAMB18E1", "RAMB36E1", "RAM32M", "RAM64M", "DSP48E1", "SRLC32E", "FDRE", "LUT6"},
        "ecp5": {"DP16KD", "TRELLIS_DPR16X4", "MULT18X18D", "TRELLIS_FF", "CCU2C", "LUT4"},
    }
    assert expected[family] <= count_cells(netlist).keys()
    # Nothing to untie on ECP5; on the 7 series the simulation shows that it changes nothing.
    assert mismatched_bits(untie_dsp_constants(netlist), family, "whole") == {}


def test_shapes_of_block_ram():
    """The words that the models are compared in: from bits of a byte to the words of both ports."""
    shapes = {"xc7": set(), "ecp5": set()}
    for cell in cells_of(sampler_netlist("xc7"), "RAMB18E1", "RAMB36E1"):
        reads, writes = (
            [int(cell["parameters"][f"{what}_WIDTH_{port}"], 2) for port in "AB"] for what in ("READ", "WRITE")
        )
        shapes["xc7"].add((cell["type"], cell["parameters"]["RAM_MODE"], *reads, *writes))
    for cell in cells_of(sampler_netlist("ecp5"), "DP16KD"):
        shapes["ecp5"].add(int(cell["parameters"]["DATA_WIDTH_A"], 2))
    for size, shape in (
        ("RAMB18E1", ("TDP", 0, 2, 2, 0)),
        ("RAMB18E1", ("TDP", 9, 9, 9, 0)),
        ("RAMB18E1", ("SDP", 36, 0, 0, 36)),
        ("RAMB36E1", ("TDP", 0, 18, 18, 0)),
        ("RAMB36E1", ("TDP", 0, 36, 36, 0)),
        ("RAMB36E1", ("SDP", 72, 0, 0, 72)),
    ):
        assert (size, *shape) in shapes["xc7"]
    assert shapes["ecp5"] == {2, 9, 18, 36}


def test_faults_are_seen():
    """One bit of one LUT flipped; block RAMs that no longer promise the old word to a read beside a write."""
    netlist = copy.deepcopy(sampler_netlist("xc7"))
    flags = netlist["modules"]["sampler"]["ports"]["flags"]["bits"]
    inputs = {cell["connections"]["D"][0] for cell in cells_of(netlist, "FDRE") if cell["connections"]["Q"][0] in flags}
    lut = next(cell for cell in cells_of(netlist, "LUT4", "LUT5") if cell["connections"]["O"][0] in inputs)
    table = lut["parameters"]["INIT"]
    lut["parameters"]["INIT"] = table[:-1] + ("0" if table[-1] == "1" else "1")
    for cell in cells_of(netlist, "RAMB18E1"):
        cell["parameters"] |= {"WRITE_MODE_A": "NO_CHANGE", "WRITE_MODE_B": "NO_CHANGE"}
    wrong = mismatched_bits(netlist, "xc7", "broken")
    assert {"flags", "tables_q0", "tables_q1", "narrow_q0"} <= wrong.keys()
    assert not {"late", "chain", "product", "potentials_q0", "subsets_q0"} & wrong.keys()


def test_what_no_model_covers_is_refused():
    netlist = copy.deepcopy(sampler_netlist("xc7"))
    cells_of(netlist, "RAMB18E1")[0]["parameters"]["DOB_REG"] = "1".zfill(32)
    with pytest.raises(SimulationError, match="could not build"):
        mismatched_bits(netlist, "xc7", "refused")
    assert "modelled without output registers" in (runner.ROOT / "sampler-xc7-refused" / "build.log").read_text()
    cells_of(netlist, "RAMB18E1")[0]["type"] = "URAM288"
    with pytest.raises(ToolError, match="no model of the cell 'URAM288'"):
        cell_models(netlist, "xc7")


def test_untied_dsp_blocks_have_no_constants():
    """Two LUTs more in a module, and no control pin of a DSP block that is a constant; ``whole`` computes the same."""
    netlist = copy.deepcopy(sampler_netlist("xc7"))
    hazards = {line.split(" with ")[1] for line in open_flow_hazards(netlist)}
    assert hazards == {f"constants at {pin}" for pin in DSP_CONTROLS}
    before = count_cells(netlist)
    assert untie_dsp_constants(netlist) is netlist
    assert open_flow_hazards(netlist) == []
    for cell in cells_of(netlist, "DSP48E1"):
        assert all(isinstance(bit, int) for pin in DSP_CONTROLS for bit in cell["connections"][pin])
    added = [(name, cell) for name, cell in each_cell(netlist) if "keep" in cell["attributes"]]
    assert {cell["type"] for _, cell in added} == {"LUT1"}
    constants = [(name, cell["parameters"]["INIT"]) for name, cell in added]
    assert len(constants) == len(set(constants)) and {init for _, init in constants} == {"00", "11"}
    assert count_cells(netlist) - before == {"LUT1": len(added)}
    untied = copy.deepcopy(netlist)
    assert untie_dsp_constants(untied) == netlist


def module(cells, ports=()):
    """A netlist of one module; ``cells``: (kind, parameters, connections)."""
    made = {
        f"cell{n}": {"type": kind, "parameters": parameters, "connections": pins, "port_directions": {}}
        for n, (kind, parameters, pins) in enumerate(cells)
    }
    ports = {name: {"direction": direction, "bits": bits} for name, direction, bits in ports}
    return {"modules": {"top": {"attributes": {}, "ports": ports, "cells": made, "netnames": {}}}}


def test_hazards_are_told_by_module_and_kind():
    netlist = module(
        [
            ("RAM32M", {"INIT_A": "0x", "INIT_B": "00"}, {}),
            ("RAM64M", {"INIT_C": "10"}, {}),
            ("SRL16E", {"INIT": "01"}, {}),
            ("SRL16E", {"INIT": "11"}, {}),
            ("FDSE", {"INIT": "x"}, {}),
            ("FDSE", {"INIT": "0"}, {}),
            ("FDRE", {"INIT": "x"}, {}),
            ("DSP48E1", {}, {pin: [2] * width for pin, width in DSP_CONTROLS.items()} | {"INMODE": [2, "0", 2, 2, 2]}),
        ]
    )
    assert open_flow_hazards(netlist) == [
        "module 'top' has 1 RAM64M with initial contents other than zero",
        "module 'top' has 2 SRL16E with initial contents other than zero",
        "module 'top' has 1 FDSE with an undefined start",
        "module 'top' has 1 DSP48E1 with constants at INMODE",
    ]
    netlist["modules"]["FDSE"] = {"attributes": {"blackbox": "1"}, "ports": {}, "cells": {}, "netnames": {}}
    assert len(open_flow_hazards(netlist)) == 4


def test_a_module_without_flip_flops_unties_by_an_input():
    ports = (("clk", "input", [2]), ("a", "input", ["0", 3]), ("p", "output", [4]))
    netlist = untie_dsp_constants(module([("DSP48E1", {}, {"CLK": [2], "OPMODE": ["1"] * 7, "P": [4]})], ports))
    cells = netlist["modules"]["top"]["cells"]
    assert cells["untied_1"]["connections"] == {"I0": [3], "O": [5]}
    assert cells["cell0"]["connections"]["INMODE"] == [6] * 5
    with pytest.raises(ToolError, match="module 'top' has no signal"):
        untie_dsp_constants(module([("DSP48E1", {}, {"CLK": [2], "P": [4]})], ports[:1]))


def test_seeds_cover_every_mode_of_a_layer():
    found = set()
    for seed in SEEDS:
        model, images = draw(seed, TINY)
        found |= {len(images), ("stall", seed % 2), ("steps", model.spec.steps), ("groups", model.spec.groups)}
        for layer in model.spec.layers:
            found |= {layer.padding, (layer.carry, layer.windows), ("shortcut", layer.shortcut is not None)}
            found |= {("kernel", layer.kernel), ("stride", layer.stride)}
            found |= {layer.condense} if layer.windows is Windows.D else {(layer.levels, layer.windows)}
    pairs = ((carry, windows) for carry in Carry for windows in (Windows.N, Windows.D))
    levels = ((top, windows) for top in (1, TOP_LEVEL) for windows in (Windows.NONE, Windows.N))
    modes = {*Padding, *Condense, (Carry.NONE, Windows.NONE), *pairs, *levels, ("groups", 2), ("groups", 4)}
    modes |= {("steps", n) for n in (1, 2, 4)}
    flags = {(name, value) for name in ("stall", "shortcut") for value in (0, 1)}
    assert found == modes | flags | {1, 2, ("kernel", 1), ("kernel", 3), ("stride", 1), ("stride", 2)}


@pytest.mark.parametrize("family", FAMILIES)
def test_netlist_of_the_core(family):
    """The tiny core in cells: every spike and score as the golden model has it, every cycle as the RTL."""
    netlist = core_netlist(TINY, family)
    memory = {"xc7": ("RAMB36E1", "RAM32M", "DSP48E1"), "ecp5": ("DP16KD", "TRELLIS_DPR16X4", "MULT18X18D")}
    assert all(netlist.cells[kind] > 0 for kind in memory[family])
    assert netlist.hazards == ()
    for seed in SEEDS:
        model, images = draw(seed, TINY)
        row = verify_netlist(TINY, family, model, images, stall=STALL * (seed % 2), seed=seed + 1)
        assert (row["mismatched_bits"], row["same_cycles"]) == (0, True), f"random network {seed}"
        assert row["cycles"] == row["rtl_cycles"] > 0 and row["scores"] == len(images) * model.spec.classes
