"""How large a design is: cells of the 7 series or of ECP5 after Yosys, in total and per module.

Yosys is the Python package ``pyosys``. It runs in a process of its own, because an error ends that process;
results are kept by content under ``build/synth``.
"""

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path

from onespike.errors import ToolError

from .runner import locked, write_if_changed

ROOT = Path("build/synth").absolute()

_DRIVER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in open(sys.argv[1]):
    design.run_pass(line.rstrip())
"""
_SYNTHESIS = {
    "xc7": "synth_xilinx -family xc7 -noiopad -noclkbuf -flatten -top {top}",
    "ecp5": "synth_ecp5 -top {top}",
}
_TIMING = {
    # Models with delays replace those of synthesis, which are kept without.
    "xc7": (
        "delete =A:blackbox =A:whitebox =A:lib_whitebox",
        "read_verilog -lib -specify +/xilinx/cells_sim.v",
        "hierarchy -top {top}",
        "tee -o sta.txt sta",
    )
}

_CELLS = {
    "xc7": {
        "LUT1 LUT2 LUT3 LUT4 LUT5 LUT6 LUT6_2 INV": {"lut": 1},
        "SRL16 SRL16E SRLC16 SRLC16E SRLC32E": {"lut": 1, "srl": 1},
        "RAM16X1S RAM32X1S RAM64X1S": {"lut": 1, "lutram": 1},
        "RAM16X1D RAM32X1D RAM64X1D RAM128X1S": {"lut": 2, "lutram": 2},
        "RAM32M RAM64M RAM128X1D RAM256X1S": {"lut": 4, "lutram": 4},
        "FDRE FDSE FDCE FDPE FDRE_1 FDSE_1 FDCE_1 FDPE_1 LDCE LDPE": {"ff": 1},
        "RAMB18E1": {"bram": 0.5},
        "RAMB36E1": {"bram": 1},
        "DSP48E1": {"dsp": 1},
        "CARRY4": {"carry": 1},
        "MUXF7 MUXF8 BUFG GND VCC IBUF OBUFT PLLE2_ADV": {},
    },
    "ecp5": {
        "LUT4": {"lut": 1},
        "CCU2C": {"lut": 2, "carry": 1},
        "TRELLIS_DPR16X4": {"lut": 6, "lutram": 6},
        "TRELLIS_FF": {"ff": 1},
        "DP16KD PDPW16KD": {"bram": 1},
        "MULT18X18D": {"dsp": 1},
        "MULT9X9D": {"dsp": 0.5},
        "PFUMX L6MUX21 ALU54B IB OB TRELLIS_IO EHXPLLL USRMCLK": {},
    },
}
_CELLS = {
    family: {name: size for names, size in sizes.items() for name in names.split()} for family, sizes in _CELLS.items()
}
"""What one cell takes. Cells that are neither here nor modules are an error, never silently free."""
_NOT_HARDWARE = {"$scopeinfo", "$print", "$check"}


@dataclass(frozen=True)
class Counts:
    """Cells. ``lut`` counts LUT sites of every use; ``lutram`` and ``srl`` are the part of them that is RAM or shift
    register. ``bram`` counts the family's block: 36 Kbit on xc7 (half a block is 0.5), 18 Kbit on ecp5. ``dsp`` counts
    DSP48E1 or 18x18 multipliers, ``carry`` CARRY4 or CCU2C.
    """

    lut: int = 0
    lutram: int = 0
    srl: int = 0
    ff: int = 0
    bram: float = 0
    dsp: float = 0
    carry: int = 0

    def __add__(self, other):
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    def __sub__(self, other):
        return Counts(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Counts)))

    def exceeded(self, part):
        """(resource, needed, available) of each that ``PARTS[part]`` does not have."""
        limits = PARTS[part]
        needed = {**{f.name: getattr(self, f.name) for f in fields(Counts)}, "lutram": self.lutram + self.srl}
        return [(name, needed[name], limit) for name, limit in limits.items() if needed[name] > limit]


PARTS = {
    # DS180/UG474; 400 Kbit of distributed RAM. Vivado offers 9,600 LUTs for RAM, those of the larger die inside.
    "xc7a35t": {"lut": 20_800, "lutram": 6_400, "ff": 41_600, "bram": 50, "dsp": 90},
    # DS180/UG474; 1,188 Kbit of distributed RAM.
    "xc7a100t": {"lut": 63_400, "lutram": 19_000, "ff": 126_800, "bram": 135, "dsp": 240},
    # LFE5U-85F as nextpnr knows it; RAM in every second slice, 6 of 8 LUTs each time.
    "ecp5-85": {"lut": 83_640, "ff": 83_640, "bram": 208, "dsp": 156},
}
"""What a part has, in the units of ``Counts``; ``lutram`` limits RAM and shift registers together."""


@dataclass(frozen=True)
class Resources(Counts):
    """Counts of a whole design, and in ``modules`` of each module: what it holds itself and through its children.

    ``cell_ns``: for each module, the cells' delays in ns along its longest path (xc7 only). Without routing, which
    takes as long again or longer, and without paths that go on in another module: it tells which is the slowest, not
    what clock it reaches.
    """

    modules: dict = field(default_factory=dict)
    cell_ns: dict = field(default_factory=dict)

    def table(self):
        """The counts as text, one line per module and one for the design."""
        names = [f.name for f in fields(Counts)]
        width = max(map(len, (*self.modules, "whole design"))) + 2
        lines = [f"{'module':<{width}}" + "".join(f"{name:>8}" for name in names)]
        for name, counts in (*sorted(self.modules.items()), ("whole design", self)):
            lines.append(f"{name:<{width}}" + "".join(f"{getattr(counts, resource):>8g}" for resource in names))
        return "\n".join(lines)


def yosys_version():
    """Version of the installed Yosys; raises ``ToolError`` if there is none."""
    try:
        return importlib.metadata.version("pyosys")
    except importlib.metadata.PackageNotFoundError:
        raise ToolError("Yosys is not installed; 'pip install pyosys' provides it") from None


def cell_model(name):
    """Verilog text of Yosys' own simulation model of the 7 series cell ``name``."""
    models = verilog_modules(yosys_share("xilinx/cells_sim.v"))
    if name not in models:
        raise ToolError(f"Yosys {yosys_version()} has no model of the cell {name!r}")
    return models[name]


def yosys_share(name):
    """Path of a file that comes with Yosys; raises ``ToolError`` if that is not installed."""
    yosys_version()
    return Path(str(importlib.metadata.distribution("pyosys").locate_file(f"pyosys/share/{name}")))


def verilog_modules(path):
    """Name -> Verilog text of the modules of a file."""
    modules = re.finditer(r"^module (\w+).*?^endmodule\n", path.read_text(), re.MULTILINE | re.DOTALL)
    return {found[1]: found[0] for found in modules}


def run_yosys(verilog_text, top, family, *, flatten, inside=(), timeout=3600):
    """Synthesise module ``top`` once per content; returns the folder with stat.json, netlist.json and log.txt.

    Without ``flatten`` the modules of ``top`` stay apart, and those of the modules that ``inside`` names below it;
    what is in any of them becomes one. ``timeout`` in seconds. Raises ``ToolError`` when Yosys is missing, refuses the
    text or takes longer.
    """
    if family not in _SYNTHESIS:
        raise ToolError(f"no synthesis for {family!r}; choose one of {', '.join(_CELLS)}")
    if not re.fullmatch(r"[A-Za-z_][\w.$]*", top):
        raise ToolError(f"{top!r} is no module name that Yosys can be told; rename the module")
    parents = [] if flatten else [top, *(f"{top}.{name}" for name in inside)]
    modules = re.findall(r"^module \\(\S+) ", verilog_text, re.MULTILINE)
    units = [f"\\{name}" for name in modules if name.rpartition(".")[0] in parents]
    commands = [
        "read_verilog design.v",
        # Names of array elements, a[0], would meet those that ABC gives to the bits of ports that stay apart.
        "proc",
        "opt_clean -purge",
        *(f"setattr -mod -set keep_hierarchy 1 {unit}" for unit in units),
        _SYNTHESIS[family].format(top=top),
        "tee -o stat.json stat -json",
        "write_json netlist.json",
        *(line.format(top=top) for line in _TIMING.get(family, ())),
    ]
    # stat writes its file alone; a log around it would hold both.
    script = "".join(line + "\n" if "stat" in line else f"tee -a log.txt {line}\n" for line in commands)
    content = "\0".join((yosys_version(), script, verilog_text))
    folder = ROOT / f"{top}-{family}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    with locked(folder):
        if (folder / "done").exists():
            return folder
        write_if_changed(folder / "design.v", verilog_text)
        write_if_changed(folder / "script.ys", script)
        (folder / "log.txt").unlink(missing_ok=True)
        run_script(folder, "script.ys", f"synthesise {top!r} for {family}", timeout)
        (folder / "done").touch()
    return folder


def run_script(folder, script, what, timeout=600):
    """Let Yosys run a script in ``folder``, ``timeout`` in seconds; errors (``ToolError``) say that it could not do ``what``."""
    command = [sys.executable, "-c", _DRIVER, script]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ToolError(f"Yosys did not {what} in {timeout} s; see {folder / 'log.txt'}") from None
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if "ERROR" in line]
        why = errors[-1] if errors else f"status {run.returncode}"
        raise ToolError(f"Yosys could not {what} ({why}); see {folder}")


def module_counts(folder, family):
    """``Counts`` of every module with its children, by name, in a folder of ``run_yosys``."""
    modules = json.loads((folder / "stat.json").read_text())["modules"]
    plain = {
        name.removeprefix("\\"): {kind.removeprefix("\\"): number for kind, number in module["num_cells_by_type"].items()}
        for name, module in modules.items()
    }
    return module_sizes(plain, family)


def module_sizes(cells, family):
    """``Counts`` of every module with its children, by name; ``cells``: module -> kind of cell -> number."""
    done = {}

    def count(name):
        if name not in done:
            total = Counter()
            for kind, number in cells[name].items():
                if kind in cells:
                    inner = vars(count(kind))
                elif kind in _CELLS[family]:
                    inner = _CELLS[family][kind]
                elif kind in _NOT_HARDWARE:
                    inner = {}
                else:
                    raise ToolError(f"module {name!r} holds {number} cells {kind!r}, whose size on {family} is unknown")
                total.update({resource: number * each for resource, each in inner.items()})
            done[name] = Counts(**total)
        return done[name]

    for name in cells:
        count(name)
    return done


def synthesise(verilog_text, top, family, *, modules=True, flatten=True, timeout=3600):
    """``Resources`` of module ``top`` on "xc7" or "ecp5"; ``timeout`` in seconds for each run of Yosys.

    With ``modules`` they are kept apart for the counts per module, with ``flatten`` the whole design is one for its
    own, which are smaller where logic is shared across borders: two runs for both. Without ``flatten`` the whole
    design is the sum of its modules.

    Every LUT takes a site of its own: two small functions are never packed into one LUT6 (O5 and O6), no
    flip-flop's inverter is absorbed, so ``lut`` is an upper estimate of the sites that place and route needs.
    Wide multiplexers (MUXF7, MUXF8, PFUMX, L6MUX21) are free. On ecp5 a CCU2C takes 2 LUTs, a RAM of 16 x 4
    six: four hold data, two drive its write port. Pads and clock buffers are not counted.

    Raises ``ToolError``: Yosys is missing or fails, or a cell has no entry in the tables above.
    """

    apart, cell_ns = {}, {}
    if modules:
        folder = run_yosys(verilog_text, top, family, flatten=False, timeout=timeout)
        apart = module_counts(folder, family)
        if family in _TIMING:
            cell_ns = _cell_ns(folder / "sta.txt")
    whole = apart
    if flatten:
        whole = module_counts(run_yosys(verilog_text, top, family, flatten=True, timeout=timeout), family)
    return Resources(**vars(whole[top]), modules=apart, cell_ns=cell_ns)


def _cell_ns(path):
    """Module -> ns, of Yosys' report; raises ``ToolError`` if it holds none."""
    found = re.findall(r"Latest arrival time in '(.+)' is (\d+)", path.read_text())
    if not found:
        raise ToolError(f"Yosys' sta told no delays; see {path}")
    return {name.removeprefix("\\"): int(picoseconds) / 1000 for name, picoseconds in found}
