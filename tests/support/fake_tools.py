"""Stand-ins for tools that are not here: they check what they are given and write what the real ones would."""

import sys

UTILIZATION = """\
Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.
| Tool Version : Vivado v.2022.2 (lin64)
| Design       : top

1. Utilization by Hierarchy
---------------------------

+----------------+-----------------+------------+------------+---------+------+-------+--------+--------+------------+
|    Instance    |      Module     | Total LUTs | Logic LUTs | LUTRAMs | SRLs |  FFs  | RAMB36 | RAMB18 | DSP Blocks |
+----------------+-----------------+------------+------------+---------+------+-------+--------+--------+------------+
| top            |           (top) |      {lut} |      11000 |    4000 |   20 | 13000 |     46 |      7 |         88 |
|   (top)        |           (top) |          2 |          2 |       0 |    0 |     3 |      0 |      0 |          0 |
|   soc          |         top_soc |      14998 |      10998 |    4000 |   20 | 12997 |     46 |      7 |         88 |
|     (soc)      |         top_soc |         50 |         50 |       0 |    0 |    40 |      0 |      0 |          0 |
|     core       |    top_soc_core |      11000 |       7100 |    3900 |    0 |  9000 |     42 |      5 |         88 |
|       (core)   |    top_soc_core |        100 |        100 |       0 |    0 |    10 |      0 |      0 |          0 |
|       array    |   top_soc_array |       6000 |       2100 |    3900 |    0 |  5000 |      0 |      0 |         80 |
|       weights  | top_soc_weights |        700 |        700 |       0 |    0 |   900 |     32 |      0 |          0 |
|     cpu        |     top_soc_cpu |       1500 |       1400 |     100 |    0 |  1000 |      0 |      1 |          0 |
+----------------+-----------------+------------+------------+---------+------+-------+--------+--------+------------+
"""
TIMING = """\
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing  TNS Total      WHS(ns)      THS(ns)  THS Failing  THS Total     WPWS(ns)     TPWS(ns)
    -------      -------  -----------  ---------      -------      -------  -----------  ---------     --------     --------
      {slack}        0.000            0      93621        {hold}        0.000            0      93621        {pulse}        0.000

Max Delay Paths
--------------------------------------------------------------------------------------
Slack (MET) :             9.100ns  (required time - arrival time)
  Source:                 soc/ethernet/core/a_reg/C
                            (rising edge-triggered cell FDRE clocked by eth  {{rise@0.000ns fall@20.000ns period=40.000ns}})
  Destination:            soc/ethernet/core/b_reg[1]/D
  Path Group:             eth
  Path Type:              Setup (Max at Slow Process Corner)
  Requirement:            40.000ns  (eth rise@40.000ns - eth rise@0.000ns)
  Data Path Delay:        30.679ns  (logic 0.309ns (18.404%)  route 30.370ns (81.596%))

Slack (XXX) :        {listed}ns  (required time - arrival time)
  Source:                 soc/core/neuron/carry_reg[3]/C
                            (rising edge-triggered cell FDRE clocked by clk  {{rise@0.000ns fall@5.000ns period=10.000ns}})
  Destination:            soc/core/neuron/potential_reg[11]/D
  Path Group:             clk
  Path Type:              {kind} (Max at Slow Process Corner)
  Requirement:            10.000ns  (clk rise@10.000ns - clk rise@0.000ns)
  Data Path Delay:        9.679ns  (logic 4.309ns (44.404%)  route 5.370ns (55.596%))

Min Delay Paths
--------------------------------------------------------------------------------------
Slack (MET) :             0.053ns  (arrival time - required time)
  Source:                 soc/link/a_reg/C
  Destination:            soc/link/b_reg/D
  Path Type:              Hold (Min at Fast Process Corner)
  Requirement:            0.000ns  (clk rise@0.000ns - clk rise@0.000ns)
  Data Path Delay:        0.379ns  (logic 0.100ns (26.404%)  route 0.279ns (73.596%))
"""
VIVADO = """\
import pathlib, re, sys
if sys.argv[1:] == ["-version"]:
    print("Vivado v{release} (64-bit)")
    sys.exit()
assert sys.argv[1:] == "-mode batch -nojournal -log top.log -source top.tcl".split(), sys.argv
here = pathlib.Path.cwd()
script = (here / "top.tcl").read_text()
for name in re.findall(r'^(?:add_files|read_xdc) "?([^"\\n]+)', script, re.MULTILINE):
    assert (here / name).read_text(), name
if {fails}:
    (here / "top.log").write_text("INFO: begun\\nERROR: [Place 30-640] there is no room\\n")
    sys.exit(1)
(here / "top_utilization_hierarchical_place.rpt").write_text({utilization!r})
(here / "top_timing.rpt").write_text({timing!r})
(here / "top.bit").write_bytes(b"bits")
"""
NEXTPNR_LOG = """\
Info: Max frequency for clock 'clk': 90.00 MHz (FAIL at 100.00 MHz)

Info: Critical path report for clock 'clk' (posedge -> posedge):
Info: curr total
Info:  0.5  0.5  Source soc.core.neuron.carry_FDRE_Q_3.Q
Info:  2.0  2.5    Net soc.core.neuron.carry[3] budget 1.0 ns (1,2) -> (3,4)
Info:                Sink soc.core.neuron.potential_LUT6_O.I2
Info:  0.1  2.6  Source soc.core.neuron.potential_LUT6_O.O
Info:  3.0  5.6    Net soc.core.neuron.x budget 1.0 ns (1,2) -> (3,4)
Info:                Sink soc.core.neuron.potential_FDRE_Q.D
Info:  0.1  5.7  Setup soc.core.neuron.potential_FDRE_Q.D
Info: 0.7 ns logic, 5.0 ns routing

Info: Critical path report for clock 'eth_rx' (posedge -> posedge):
Info: curr total
Info:  0.5  0.5  Source soc.ethernet.core.a_FDRE_Q_3.Q
Info:                Sink soc.ethernet.core.b_FDRE_Q.D
Info: 0.1 ns logic, 0.4 ns routing

Info: Max frequency for clock 'clk': {mhz:.2f} MHz ({verdict} at 100.00 MHz)
Info: Max frequency for clock 'eth_rx': 130.00 MHz (PASS at 25.00 MHz)
"""
NEXTPNR = """\
import json, pathlib, re, sys
if sys.argv[1:] == ["--version"]:
    print('"nextpnr-xilinx" -- Next Generation Place and Route (Version 0.8.2)')
    sys.exit()
allowed = "--timing-allow-fail" in sys.argv
if allowed:
    sys.argv.remove("--timing-allow-fail")
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert pathlib.Path(words["--chipdb"]).exists() and "create_clock" in pathlib.Path(words["--xdc"]).read_text()
netlist = json.loads(pathlib.Path(words["--json"]).read_text())["modules"]
assert [name for name, module in netlist.items() if not module["attributes"].keys() & {{"blackbox", "whitebox"}}] == ["top"]
assert not any("scopeinfo" in cell["type"] for cell in netlist["top"]["cells"].values())
bits = set()
for name, port in netlist["top"]["ports"].items():
    bits |= {{name}} if len(port["bits"]) == 1 else {{f"{{name}}[{{n}}]" for n in range(len(port["bits"]))}}
named = set(re.findall('[[]get_ports "?(.*?)"?[]]$', pathlib.Path(words["--xdc"]).read_text(), re.MULTILINE))
assert named == bits, (named, bits)
pathlib.Path(words["--log"]).write_text({log!r})
pathlib.Path(words["--fasm"]).write_text("fasm")
sys.exit(0 if allowed or "FAIL" not in {log!r}.rsplit("Max frequency for clock 'clk'", 1)[1] else 1)
"""


def install(folder, tools):
    """Put programs into ``folder``: name -> Python text."""
    folder.mkdir(exist_ok=True)
    for name, text in tools.items():
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)


def vivado(release="2022.2", slack="0.321", hold="0.018", pulse="3.750", kind="Setup", listed=None, lut=15000, fails=False):
    """Text of a Vivado. ``slack`` of the summary and, where ``listed`` is none, of the path that is listed."""
    timing = TIMING.format(slack=slack, hold=hold, pulse=pulse, kind=kind, listed=listed or slack)
    utilization = UTILIZATION.format(lut=lut)
    return VIVADO.format(release=release, fails=fails, utilization=utilization, timing=timing)


def openxc7(mhz=101.5):
    """name -> text of the tools of openXC7."""
    return {
        "nextpnr-xilinx": NEXTPNR.format(log=NEXTPNR_LOG.format(mhz=mhz, verdict="PASS" if mhz >= 100 else "FAIL")),
        "fasm2frames": "import sys\nassert sys.argv[1::2] == ['--part', '--db-root', 'top.fasm'], sys.argv\nprint('frames')",
        "xc7frames2bit": "import sys\nopen(sys.argv[sys.argv.index('--output_file') + 1], 'w').write('bits')",
    }
