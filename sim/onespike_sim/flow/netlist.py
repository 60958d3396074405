"""A board's netlist: the core and the rest of the system, synthesised apart and put together.

So the core's netlist is the very one that ``verify-netlist`` simulates, a change of the rest leaves it alone, and two
CPU cores share the work.
"""

import hashlib
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ..netlist import own_modules
from ..runner import locked, write_if_changed
from ..synth import module_sizes, run_yosys, yosys_version
from .design import FAMILIES, TOP
from .report import Build


def synthesise(design):
    """Path of the netlist (Yosys' JSON, top module ``TOP``) of a ``Design``; synthesised once per content.

    The modules of the system and of the core stay apart. Raises ``ToolError`` if Yosys fails.
    """
    family = FAMILIES[design.toolchain]
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(run_yosys, design.core, "core", family, flatten=False),
            pool.submit(run_yosys, design.system + _black_box(design.core), TOP, family, flatten=False, inside=("soc",)),
        ]
        core, system = (part.result() / "netlist.json" for part in parts)
    name = hashlib.sha256(core.parent.name.encode()).hexdigest()[:8]
    whole = system.with_name(f"whole-{name}.json")
    with locked(system.parent):
        if not whole.exists():
            joined, own = json.loads(system.read_text()), own_modules(json.loads(core.read_text()))
            joined["modules"] |= own
            write_if_changed(whole, json.dumps(joined))
    return whole


def resources(design):
    """The ``Build`` of a ``Design`` without place and route."""
    modules = counts(synthesise(design), FAMILIES[design.toolchain])
    return Build(design.board, design.toolchain, modules, {"Yosys": yosys_version()})


def _black_box(text):
    """The ports of module "core" of a Verilog text, and nothing else of it."""
    head, body = re.search(r"^(module core\([^;]*;\n)(.*?)^endmodule\n", text, re.MULTILINE | re.DOTALL).groups()
    ports = re.findall(r"^ +(?:input|output) .*;\n", body, re.MULTILINE)
    return f"(* blackbox *)\n{head}{''.join(ports)}endmodule\n"


def counts(netlist, family):
    """Path of an instance (``TOP`` for all, then "soc.core.array" ...) -> ``Counts`` with what is below it."""
    modules = own_modules(json.loads(netlist.read_text()))
    kinds = {name: Counter(cell["type"] for cell in module["cells"].values()) for name, module in modules.items()}
    sizes, found = module_sizes(kinds, family), {}

    def walk(module, path):
        found[".".join(path) or TOP] = sizes[module]
        for name, cell in modules[module]["cells"].items():
            if cell["type"] in modules:
                # A name that a signal has too is followed by a number.
                walk(cell["type"], [*path, re.sub(r"\$\d+$", "", name)])

    walk(TOP, [])
    return found
