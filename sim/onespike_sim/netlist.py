"""Netlists of Yosys as JSON: what is in them, what the open tools would get wrong of it, and Verilog to simulate them.

Yosys ships models of all cells that logic synthesis places but for the block RAMs and the multiplier of ECP5; those
are in ``cells``, written from the vendors' documents.
"""

import json
import random
import re
from collections import Counter
from pathlib import Path

from onespike.errors import ToolError

from .runner import locked, write_if_changed
from .synth import run_script, verilog_modules, yosys_share

CELLS = Path(__file__).parent / "cells"
_YOSYS_MODELS = {"xc7": ("xilinx/cells_sim.v",), "ecp5": ("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh")}
_LIBRARY = {"blackbox", "whitebox", "lib_whitebox"}
_NOT_HARDWARE = "$scopeinfo"
DSP_CONTROLS = {"OPMODE": 7, "INMODE": 5, "ALUMODE": 4, "CARRYINSEL": 3}
"""Pins of a DSP48E1 that say what it computes, and their widths."""
_RESET_VALUES = {"FDRE": "0", "FDCE": "0", "FDSE": "1", "FDPE": "1"}
QUICK = ("-Wno-SPECIFYIGN", "-Werror-USERFATAL", "-CFLAGS", "-O0")
"""Arguments of Verilator: a netlist takes far longer to compile than a short simulation of it to run."""


def load(folder, top):
    """The netlist of module ``top`` in a folder of ``synth.run_yosys``: Yosys' JSON, of ``top`` and what it holds."""
    modules = own_modules(json.loads((folder / "netlist.json").read_text()))
    kept = {}

    def keep(name):
        if name in modules and name not in kept:
            kept[name] = modules[name]
            for cell in modules[name]["cells"].values():
                keep(cell["type"])

    keep(top)
    return {"modules": kept}


def own_modules(netlist):
    """Name -> module of those that are no cells of the family."""
    return {name: each for name, each in netlist["modules"].items() if not _LIBRARY & each["attributes"].keys()}


def each_cell(netlist):
    """(Module's name, cell) of every cell of the family in the netlist, in its order."""
    modules = own_modules(netlist)
    for name, module in modules.items():
        for cell in module["cells"].values():
            if cell["type"] not in modules and cell["type"] != _NOT_HARDWARE:
                yield name, cell


def count_cells(netlist):
    """Kind of cell -> how many are in the modules of ``netlist``, each module counted once."""
    return Counter(cell["type"] for _, cell in each_cell(netlist))


def settle(netlist, seed):
    """Give every undefined bit, of a parameter or at a pin, a random value: no result may depend on it."""
    rng = random.Random(seed)
    for _, cell in each_cell(netlist):
        for name, value in cell["parameters"].items():
            if "x" in value and not value.strip("01x"):
                cell["parameters"][name] = "".join(rng.choice("01") if bit == "x" else bit for bit in value)
        for name, bits in cell["connections"].items():
            cell["connections"][name] = [rng.choice("01") if bit == "x" else bit for bit in bits]


def write_verilog(netlist, top, folder):
    """Let Yosys write the netlist as ``folder``/TOP.v; returns the path. Raises ``ToolError`` if that fails.

    Names inside a module are numbers: the long ones of synthesis are a fifth of a simulation's build.
    """
    modules = {}
    for name, module in netlist["modules"].items():
        cells = (cell for cell in module["cells"].values() if cell["type"] != _NOT_HARDWARE)
        bare = {f"c{number}": cell | {"attributes": {}} for number, cell in enumerate(cells)}
        modules[name] = {"attributes": {}, "ports": module["ports"], "cells": bare, "netnames": {}}
    with locked(folder):
        write_if_changed(folder / "netlist.json", json.dumps({"modules": modules}))
        write_if_changed(folder / "write.ys", f"read_json netlist.json\nwrite_verilog -noattr -noexpr {top}.v\n")
        run_script(folder, "write.ys", f"write the netlist of {top!r}")
    return folder / f"{top}.v"


def cell_models(netlist, family):
    """Verilog text with a model of every kind of cell in the netlist, Yosys' own where it ships one.

    Raises ``ToolError`` where there is none.
    """
    # Ours go last: of some Yosys' files have the pins and nothing inside.
    models = {}
    for path in (*map(yosys_share, _YOSYS_MODELS[family]), CELLS / "block_ram.v", CELLS / f"{family}.v"):
        models |= verilog_modules(path)
    chosen, wanted = {}, [*count_cells(netlist)]
    while wanted:
        name = wanted.pop()
        if name not in models:
            raise ToolError(f"there is no model of the cell {name!r} of {family}; add one to {CELLS / f'{family}.v'}")
        if name not in chosen:
            chosen[name] = models[name]
            instances = re.findall(r"^\s+(\w+) (?:#|\w+ ?\()", models[name], re.MULTILINE)
            wanted += [inner for inner in instances if inner in models]
    return "\n".join(chosen[name] for name in sorted(chosen))


def simulation_files(netlist, top, family, folder):
    """Verilog files, written to ``folder``, of ``netlist`` with its top module ``top`` and of its cells."""
    cells = folder / "cells.v"
    write_if_changed(cells, cell_models(netlist, family))
    return write_verilog(netlist, top, folder), cells


def open_flow_hazards(netlist):
    """Sentences on cells that nextpnr-xilinx is known to build wrongly, one for each module and kind of fault.

    They are (issues and pull requests of openXC7's): LUT RAM (28) and shift registers (181) with initial contents other
    than zero; flip-flops set by their reset whose start is undefined (178); DSP48E1 with constants at ``DSP_CONTROLS``
    (159). All but the last were mended in 2024 and 2026. A start other than the reset's value is no fault.
    """
    found = Counter()
    for module, cell in each_cell(netlist):
        kind, parameters = cell["type"], cell["parameters"]
        if kind.startswith(("RAM16", "RAM32", "RAM64", "RAM128", "RAM256", "SRL")):
            if any("1" in value for name, value in parameters.items() if name.startswith("INIT")):
                found[module, f"{kind} with initial contents other than zero"] += 1
        elif _RESET_VALUES.get(kind) == "1":
            if parameters.get("INIT") == "x":
                found[module, f"{kind} with an undefined start"] += 1
        elif kind == "DSP48E1":
            for pin in DSP_CONTROLS:
                if any(isinstance(bit, str) for bit in cell["connections"].get(pin, "0")):
                    found[module, f"{kind} with constants at {pin}"] += 1
    return [f"module {module!r} has {count} {what}" for (module, what), count in found.items()]


def untie_dsp_constants(netlist):
    """Drive the constant bits of ``DSP_CONTROLS`` of every DSP48E1 by LUTs, so that place and route sees signals.

    Changes ``netlist`` and returns it; Yosys must not see it again, it would fold the LUTs. A module with such bits
    gets a LUT1 for its zeros and one for its ones, their input a flip-flop's output, or an input of the module where it
    has no flip-flop. Undefined bits and pins left open become zeros. Raises ``ToolError`` where a module has no such signal.
    """
    for name, module in own_modules(netlist).items():
        drivers = {}
        for cell in [cell for cell in module["cells"].values() if cell["type"] == "DSP48E1"]:
            for pin, width in DSP_CONTROLS.items():
                cell["port_directions"][pin] = "input"
                bits = cell["connections"].setdefault(pin, ["0"] * width)
                for at, bit in enumerate(bits):
                    if isinstance(bit, str):
                        value = "1" if bit == "1" else "0"
                        if value not in drivers:
                            drivers[value] = _add_constant(name, module, value)
                        bits[at] = drivers[value]
    return netlist


def _add_constant(name, module, value):
    """Add a LUT1 that is always ``value`` to a module; returns the bit of its output."""
    wires = [port["bits"] for port in module["ports"].values()]
    wires += [bits for cell in module["cells"].values() for bits in cell["connections"].values()]
    output = 1 + max(bit for bits in wires for bit in bits if isinstance(bit, int))
    label = f"untied_{value}"
    module["cells"][label] = {
        "hide_name": 0,
        "type": "LUT1",
        "parameters": {"INIT": f"{value}{value}"},
        "attributes": {"keep": "1"},
        "port_directions": {"I0": "input", "O": "output"},
        "connections": {"I0": [_signal(name, module)], "O": [output]},
    }
    module["netnames"][label] = {"hide_name": 0, "bits": [output], "attributes": {"keep": "1"}}
    return output


def _signal(name, module):
    """A bit that is neither a constant nor a DSP block's clock."""
    clocks = set()
    for cell in module["cells"].values():
        if cell["type"] in _RESET_VALUES:
            return cell["connections"]["Q"][0]
        clocks |= {*cell["connections"].get("CLK", ())}
    for port in module["ports"].values():
        for bit in port["bits"]:
            if port["direction"] == "input" and isinstance(bit, int) and bit not in clocks:
                return bit
    raise ToolError(f"module {name!r} has no signal that could drive the constants of its DSP blocks")
