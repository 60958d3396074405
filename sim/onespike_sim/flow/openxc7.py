"""Xilinx 7 series by open tools: Yosys here, and nextpnr-xilinx with Project X-Ray's tools (openXC7) where they are."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace

from onespike.errors import ToolError

from ..netlist import each_cell, open_flow_hazards, untie_dsp_constants
from ..runner import locked, write_if_changed
from ..synth import run_script
from .design import TOP
from .netlist import resources, synthesise
from .report import Timing, own_names

TOOLS = ("nextpnr-xilinx", "fasm2frames", "xc7frames2bit")
SHARED = "/snap/openxc7/current/opt/nextpnr-xilinx"
"""Where openXC7's package keeps its data bases; ``PRJXRAY_DB_DIR`` and ``CHIPDB`` name other places."""
PARTS = {"xc7a35t": "xc7a35tcsg324-1", "xc7a100t": "xc7a100tcsg324-1"}
"""Part -> what Project X-Ray calls it."""
SCRIPT = """#!/bin/sh
# Netlist to bitstream with the tools of openXC7. CHIPDB: folder of nextpnr's chip data bases.
set -e
cd "$(dirname "$0")"
PART={part}
DB="${{PRJXRAY_DB_DIR:-{shared}/external/prjxray-db}}/artix7"
CHIPDB="${{CHIPDB:-{shared}/chipdb}}"
for name in "$PART" "${{PART%-*}}" {die}; do
    [ -e "$CHIPDB/$name.bin" ] && chip="$CHIPDB/$name.bin" && break
done
[ -n "$chip" ] || {{ echo "no chip data base of $PART in $CHIPDB; openXC7's bbaexport.py and bbasm make it" >&2; exit 3; }}
nextpnr-xilinx --chipdb "$chip" --xdc {top}.xdc --json {top}.json --fasm {top}.fasm --freq {mhz:g} --timing-allow-fail --log nextpnr.log
fasm2frames --part "$PART" --db-root "$DB" {top}.fasm > {top}.frames
xc7frames2bit --part_file "$DB/$PART/part.yaml" --part_name "$PART" --frm_file {top}.frames --output_file {top}.bit
"""
README = f"""# {{title}} for the open tools (openXC7)

`{TOP}.json` is the netlist of Yosys, flat and with what these tools build wrongly said in another way (`make verify-netlist`
simulates its core), `{TOP}.xdc` its pins and clocks. With
{", ".join(TOOLS)} on the PATH and their data bases (`PRJXRAY_DB_DIR`, `CHIPDB`; else those of openXC7's package):

    sh build.sh

writes `{TOP}.bit`. Load it with

    openFPGALoader -b {{loader}} {TOP}.bit

or put it at `{{folder}}/{TOP}.bit` of the project it came from, for `make program` there.

The folder was generated, not run. What is known to go wrong in this tool chain is done in another way in the netlist:
constants of DSP blocks come from LUTs, and no memory needs initial contents but block RAM.
"""


def missing():
    """Why this tool chain cannot be used here, or None."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        return f"{', '.join(absent)} of openXC7 are not on the PATH (the project openXC7 has packages)"
    return None


def project(design, folder):
    """Write the project into ``folder``: netlist, constraints, script. Synthesises it first.

    Raises ``ToolError`` where the netlist holds what these tools are known to build wrongly.
    """
    board, netlist = design.board, routable(synthesise(design))
    hazards = open_flow_hazards(netlist)
    if hazards:
        raise ToolError(f"{len(hazards)} cells that nextpnr-xilinx is known to build wrongly, the first: {hazards[0]}")
    write_if_changed(folder / f"{TOP}.json", json.dumps(netlist))
    # nextpnr reads names as they stand, where Tcl wants a bracket escaped.
    pins = design.files[f"{TOP}.xdc"].replace("\\[", "[")
    write_if_changed(folder / f"{TOP}.xdc", f"{pins}\n{design.files['board.xdc']}")
    mhz = board.system.clock_hz / 1e6
    script = SCRIPT.format(part=PARTS[board.part], die=board.part, shared=SHARED, top=TOP, mhz=mhz)
    write_if_changed(folder / "build.sh", script)
    write_if_changed(folder / "README.md", README.format(title=board.title, loader=board.loader, folder=folder.parent))


def routable(netlist):
    """A netlist (path) as nextpnr-xilinx takes it: one module, no cells for scopes, and what it is known to build wrongly
    said in another way: no tied pins of DSP blocks, no flip-flop set by its reset whose start is undefined.
    """
    commands = (
        f"read_json {netlist.name}",
        f"hierarchy -top {TOP}",
        "setattr -mod -unset keep_hierarchy *",
        "flatten -noscopeinfo",
        "delete t:$scopeinfo",
        "write_json flat.new",
    )
    script = "".join(f"{command}\n" for command in commands)
    folder = netlist.parent
    flat = folder / f"flat-{hashlib.sha256(script.encode()).hexdigest()[:16]}.json"
    with locked(folder):
        if not flat.exists():
            write_if_changed(folder / "flat.ys", script)
            run_script(folder, "flat.ys", "flatten the netlist")
            (folder / "flat.new").replace(flat)
        routable = untie_dsp_constants(json.loads(flat.read_text()))
    for _, cell in each_cell(routable):
        if cell["type"] in ("FDSE", "FDPE") and cell["parameters"].get("INIT") == "x":
            cell["parameters"]["INIT"] = "1"
    return routable


def build(design, folder):
    """Run the project in ``folder/project-openxc7``; the ``Build`` with its bitstream.

    Raises ``ToolError`` where a tool fails or tells no clock.
    """
    where = folder / "project-openxc7"
    project(design, where)
    bitstream = where / f"{TOP}.bit"
    bitstream.unlink(missing_ok=True)
    print(f"nextpnr-xilinx (minutes); its log is {where / 'nextpnr.log'} ...", flush=True)
    run = subprocess.run(["sh", "build.sh"], cwd=where, capture_output=True, text=True)
    if run.returncode or not bitstream.exists():
        why = ([line for line in run.stderr.splitlines() if line.strip()] or [f"status {run.returncode}"])[-1]
        raise ToolError(f"the open tools failed ({why}); see {where / 'nextpnr.log'}")
    timing = read_timing((where / "nextpnr.log").read_text(), design.board.system.clock_hz / 1e6)
    counted = resources(design)
    tools = counted.tools | {"nextpnr-xilinx": _version()}
    return replace(counted, tools=tools, timing=timing, bitstream=bitstream)


def _version():
    run = subprocess.run(["nextpnr-xilinx", "--version"], capture_output=True, text=True)
    found = re.search(r"[Vv]ersion (\S+)\)?", run.stdout + run.stderr)
    return found[1].rstrip(")") if found else "unknown"


def read_timing(log, asked_mhz):
    """The ``Timing`` of a log of nextpnr: the clock that is worst against what it is asked, after routing.

    Raises ``ToolError`` if it tells none.
    """
    clocks = re.findall(r"Max frequency for clock +'([^']+)': ([\d.]+) MHz \(\w+ at ([\d.]+) MHz\)", log)
    last = {name: (float(met), float(asked)) for name, met, asked in clocks}
    if not last:
        raise ToolError("nextpnr-xilinx told no highest clock; see nextpnr.log of the project")
    clock, (met, asked) = min(last.items(), key=lambda item: item[1][0] / item[1][1])
    path = log[log.rfind(f"Critical path report for clock '{clock}'") :]
    path = re.split(r"Critical path report", path[1:])[0]
    cells = re.findall(r"(?:Source|Sink) +(\S+)\.\w+", path)
    totals = re.search(r"([\d.]+) ns logic, ([\d.]+) ns routing", path)
    logic, routing = (float(totals[1]), float(totals[2])) if totals else (0.0, 0.0)
    return Timing(asked_mhz, asked_mhz * met / asked, own_names(cells), logic, routing)
