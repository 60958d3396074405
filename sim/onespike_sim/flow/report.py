"""What a board's build takes and reaches: one table, one JSON file, and a sentence where it is too much."""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from itertools import groupby

from onespike.cli import model_path
from onespike.compiler import compile
from onespike.errors import LimitError
from onespike.network import REFERENCE
from onespike.quantised import QuantisedModel

from ..bench_link import carried
from ..runner import write_if_changed
from ..synth import PARTS, Counts
from .design import TOP

"""Network of the predictions."""
CORE = "soc.core"
REST = "registers, clock, pins"
GROUPS = {
    "array": (f"{CORE}.array", f"{CORE}.accumulators"),
    "memories": (f"{CORE}.weights", f"{CORE}.spikes"),
    "neuron units": tuple(f"{CORE}.{unit}" for unit in ("drain", "neuron", "queue", "condense", "classifier")),
    "rest of the core": (CORE,),
    "CPU": tuple(f"soc.{unit}" for unit in ("cpu", "fetch", "bus", "rom", "ram")),
    "link": ("soc.link",),
    "Ethernet": ("soc.ethernet",),
}
"""Rows of the table: modules of the hierarchy, each without those that a row above has. All others are ``REST``."""
COLUMNS = {"LUT": "lut", "LUTRAM": "lutram", "FF": "ff", "BRAM": "bram", "DSP": "dsp"}


@dataclass(frozen=True)
class Timing:
    """``met_mhz`` highest frequency of the slowest clock, ``asked_mhz`` the one it has to reach; ``path`` its worst
    path in the design's own names; ``logic_ns`` and ``routing_ns`` of that."""

    asked_mhz: float
    met_mhz: float
    path: list
    logic_ns: float
    routing_ns: float

    @property
    def missed(self):
        return self.met_mhz < self.asked_mhz


@dataclass(frozen=True)
class Build:
    """``modules`` path of an instance (``TOP`` for all) -> ``Counts`` with its children; ``timing`` None without place and
    route; ``tools`` name -> version; ``bitstream`` path of what the tools made, or None."""

    board: object
    toolchain: str
    modules: dict
    tools: dict
    timing: Timing | None = None
    bitstream: object = None


def rows(modules):
    """Row of the table -> ``Counts``, and "all"."""
    given, found = {}, {}
    for row, paths in GROUPS.items():
        parts = {path: modules[path] for path in paths if path in modules}
        inside = [counts for path, counts in given.items() if any(path.startswith(f"{outer}.") for outer in parts)]
        if parts:
            found[row] = sum(parts.values(), Counts()) - sum(inside, Counts())
        given |= parts
    whole = modules[TOP]
    found[REST] = whole - sum(found.values(), Counts())
    return found | {"all": whole}


def predictions(board, mhz):
    """Frames a second of ``REFERENCE`` at a clock: "core", and over each link; empty if the core cannot hold it."""
    model = QuantisedModel.load(model_path(REFERENCE))
    try:
        report = compile(model, board.system.hardware).report
    except LimitError:
        return {}
    core = mhz * 1e6 / report.cycles
    links = ("udp", "uart") if board.system.mac else ("uart",)
    return {"core": core} | {link: min(core, carried(board.system, link, math.prod(model.spec.image))) for link in links}


def summary(build):
    """Everything as plain data."""
    system, counted = build.board.system, rows(build.modules)
    asked = system.clock_hz / 1e6
    clock = min(asked, build.timing.met_mhz) if build.timing else asked
    return {
        "board": build.board.name,
        "part": build.board.part,
        "core": system.core,
        "toolchain": build.toolchain,
        "tools": build.tools,
        "limits": PARTS[build.board.part],
        "rows": {row: asdict(counts) for row, counts in counted.items()},
        "modules": {path: asdict(counts) for path, counts in sorted(build.modules.items())},
        "clock_mhz": asked,
        "timing": asdict(build.timing) if build.timing else None,
        "predicted_frames_per_second": {"clock_mhz": clock, "network": REFERENCE, **predictions(build.board, clock)},
        "bitstream_sha256": _checksum(build.bitstream),
    }


def _checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else None


def table(data):
    """The summary as one screen of text."""
    limits, timing = data["limits"], data["timing"]
    how = f"by {data['toolchain']}" if timing else "by synthesis alone"
    lines = [f"{data['board']}: {data['part']}, core {data['core']}, {how}", ""]
    lines.append(f"{'module':<24}" + "".join(f"{name:>8}{'':>7}" for name in COLUMNS))
    for row, counts in data["rows"].items():
        line = f"{row:<24}"
        for column in COLUMNS.values():
            value = counts[column] + (counts["srl"] if column == "lutram" else 0)
            share = f"{100 * value / limits[column]:.1f}%" if column in limits else ""
            line += f"{value:>8g}{share:>7}"
        lines.append(line)
    lines.append(f"{'the part has':<24}" + "".join(f"{limits.get(column, '-'):>8}{'':>7}" for column in COLUMNS.values()))
    lines.append("")
    if timing:
        verdict = "met" if timing["met_mhz"] >= timing["asked_mhz"] else "MISSED"
        lines.append(f"clock: {timing['asked_mhz']:g} MHz asked, {timing['met_mhz']:.1f} MHz reached: {verdict}")
        lines.append(f"worst path, {timing['logic_ns']:.1f} ns cells and {timing['routing_ns']:.1f} ns routing:")
        lines += [f"  {name}" for name in _shortened(timing["path"])]
    else:
        lines.append(f"clock: {data['clock_mhz']:g} MHz asked; not placed and routed, so not known to be reached")
    frames = data["predicted_frames_per_second"]
    if "core" in frames:
        links = ", ".join(f"{frames[link]:.0f} over {link.upper()}" for link in ("udp", "uart") if link in frames)
        at = f"{frames['clock_mhz']:g} MHz"
        lines.append(f"predicted for {frames['network']} at {at}: {frames['core']:.0f} core frames/s; end to end {links}")
    else:
        lines.append(f"{frames['network']} does not fit this core, so no frames/s are predicted")
    lines.append("tools: " + ", ".join(f"{name} {version}" for name, version in data["tools"].items()))
    if data["bitstream_sha256"]:
        lines.append(f"bitstream: SHA-256 {data['bitstream_sha256']}")
    return "\n".join(lines) + "\n"


def _shortened(path, most=8):
    """First and last names of a long path."""
    return path if len(path) <= most else [*path[: most // 2], "...", *path[-most // 2 :]]


_CELL = re.compile(
    r"_(TRELLIS_FF|LUT\d|PFUMX|L6MUX21|CCU2C|DP16KD|PDPW16KD|MULT18X18D|TRELLIS_DPR16X4|DPR16X4|FD[RSCP]E|CARRY4|MUXF\d)"
    r"(_.*)?$"
)


def own_names(cells):
    """Names of the design's own signals on a path of cells, from register to register; each once where they repeat.

    What is left of a name that synthesis made up is the module it is in.
    """
    names = [_CELL.sub("", re.sub(r"\$\d+", "", name)).rstrip("\\").rstrip(".") for name in cells]
    return [name for name, _ in groupby(names)]


def write(build, folder):
    """Write ``report.json`` and ``report.txt`` in ``folder``, print the table."""
    data = summary(build)
    text = table(data)
    write_if_changed(folder / "report.json", json.dumps(data, indent=1, sort_keys=True) + "\n")
    write_if_changed(folder / "report.txt", text)
    print(f"\n{text}\nwrote {folder / 'report.txt'} and report.json")


def check(build):
    """Raise ``LimitError`` with one sentence if the part has too little, or the clock is missed."""
    name, limits = build.board.name, build.modules[TOP].exceeded(build.board.part)
    knob = "choose a core with fewer lanes or outputs ('CORE=', configurations are in contract/config.py)"
    if limits:
        much = ", ".join(f"{needed:g} {what} where there are {most} ({needed - most:g} too many)" for what, needed, most in limits)
        raise LimitError(f"board {name!r}: the {build.board.part} is too small: {much}; {knob}")
    timing = build.timing
    if timing and timing.missed:
        raise LimitError(
            f"board {name!r}: the clock reaches {timing.met_mhz:.1f} MHz, {timing.asked_mhz - timing.met_mhz:.1f} MHz short of "
            f"{timing.asked_mhz:g}; {knob}, or lower clock_hz of the board in contract/boards.py"
        )
