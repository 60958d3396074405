"""ECP5 by open tools from the Python package index: Yosys, nextpnr, ecppack; nothing else is needed."""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, replace

from onespike.errors import ToolError

from ..route import DRIVER, Route, nextpnr, nextpnr_version, read_route
from ..runner import locked, write_if_changed
from .design import TOP
from .netlist import resources, synthesise
from .report import Timing, own_names

SEEDS = (1, 2, 3)
"""Placements tried until one reaches the clock."""


def missing():
    """Nothing: the tools come with the project."""
    return


def build(design, _folder):
    """The ``Build`` with its bitstream, the best of ``SEEDS`` where none reaches the clock. There is no project in a folder.

    Raises ``ToolError`` if a tool fails, or the bitstream does not survive being taken apart.
    """
    netlist, best = synthesise(design), None
    asked = design.board.system.clock_hz / 1e6
    for seed in SEEDS:
        print(f"nextpnr, seed {seed} (minutes to an hour, by the size of the core) ...", flush=True)
        routed, route = place_and_route(netlist, design, seed)
        if best is None or route.fmax_mhz > best[1].fmax_mhz:
            best = (routed, route)
        if best[1].fmax_mhz >= asked:
            break
    routed, route = best
    timing = Timing(asked, route.fmax_mhz, own_names(route.critical_path), route.logic_ns, route.routing_ns)
    counted = resources(design)
    tools = counted.tools | {"nextpnr-ecp5 and ecppack": nextpnr_version()}
    return replace(counted, tools=tools, timing=timing, bitstream=pack(routed))


def place_and_route(netlist, design, seed):
    """(folder with ``top.config``, ``Route``), once per content."""
    constraints = design.files[f"{TOP}.lpf"]
    content = "\0".join((nextpnr_version(), str(seed), constraints)).encode() + netlist.read_bytes()
    folder = netlist.parent / f"board-{hashlib.sha256(content).hexdigest()[:16]}"
    with locked(folder):
        kept = folder / "route.json"
        if kept.exists():
            return folder, Route(**json.loads(kept.read_text()))
        write_if_changed(folder / f"{TOP}.lpf", constraints)
        files = ("--json", f"../{netlist.name}", "--lpf", f"{TOP}.lpf", "--textcfg", f"{TOP}.config")
        route = read_route(folder, TOP, nextpnr(folder, TOP, (*files, "--seed", str(seed))))
        write_if_changed(kept, json.dumps(asdict(route), indent=1))
    return folder, route


def pack(routed):
    """Make ``top.bit`` of what nextpnr wrote in ``routed``; returns its path.

    The bitstream is taken apart again, which checks its CRCs, and what was found in it is packed anew: the same bytes
    have to come out, else ``ToolError``. That finds a damaged file, not a fault of the packer.
    """
    with locked(routed):
        _tool(routed, "run_ecppack", "--input", f"{TOP}.config", "--bit", f"{TOP}.bit", "--compress")
        _tool(routed, "run_ecpunpack", "--input", f"{TOP}.bit", "--textcfg", "unpacked.config")
        _tool(routed, "run_ecppack", "--input", "unpacked.config", "--bit", "again.bit", "--compress")
        if (routed / f"{TOP}.bit").read_bytes() != (routed / "again.bit").read_bytes():
            raise ToolError(f"the bitstream does not survive being taken apart and packed again; see {routed}")
    return routed / f"{TOP}.bit"


def _tool(folder, name, *words):
    """Run one of the package's tools in ``folder``; paths are relative to it."""
    run = subprocess.run([sys.executable, "-c", DRIVER, name, *words], cwd=folder, capture_output=True, text=True)
    if run.returncode:
        why = (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
        raise ToolError(f"{name.removeprefix('run_')} failed in {folder} ({why})")
