"""``make soc``: the whole system of a board as one Verilog text, and what it takes of the part."""

import re
from dataclasses import asdict, fields
from pathlib import Path

from onespike.cli import write_report
from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import SYSTEMS, system
from onespike.errors import LimitError, ToolError
from onespike_hw.core import Core
from onespike_hw.soc.cpu import cpu_verilog
from onespike_hw.soc.top import Soc
from onespike_hw.soc.udp_core import udp_core_verilog

from .runner import to_verilog, write_if_changed
from .synth import PARTS, Counts, logic_cells, module_counts, run_yosys, yosys_version

ROOT = Path("build/soc").absolute()
FIRMWARE = Path("build/firmware/firmware.bin")
PART = "xc7a35t"
TOP = "soc"
"""Name of the Verilog module."""
SHARES = {
    "cpu, bus, ROM, RAM": ("cpu", "fetch", "bus", "rom", "ram"),
    "links": ("link",),
    "Ethernet": ("ethernet",),
}
"""Rows of the table: submodules of the system. The core is a row too; all others are ``GLUE``."""
GLUE = "registers, glue"


def read_firmware(path):
    """Bytes of a firmware binary; raises ``ToolError`` if there is none."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ToolError(f"no firmware in {path} ({error.strerror}); 'make -C firmware' builds it") from None


def words(config, firmware):
    """32-bit words of a firmware binary, the last one filled up with zeros; ``LimitError`` if it is too large."""
    size = WORD_BITS // 8
    if len(firmware) > config.rom_bytes:
        raise LimitError(
            f"the firmware has {len(firmware)} bytes, the ROM of system {config.name!r} only {config.rom_bytes}; make it smaller"
        )
    padded = firmware + bytes(-len(firmware) % size)
    return [int.from_bytes(padded[at : at + size], "little") for at in range(0, len(padded), size)]


def system_verilog(config, firmware, family=None):
    """Verilog text of the whole system ``config`` with ``firmware`` (bytes) in its ROM; the top module is ``TOP``.

    ``family`` names the vendor whose primitives may be used (``onespike_hw.vendor``). The same input gives the same
    text. Raises ``LimitError`` if the firmware is too large, ``ToolError`` if a package is missing.
    """
    text = to_verilog(Soc(config, words(config, firmware)), TOP, family)[0] + cpu_verilog()
    if config.mac:
        text += udp_core_verilog(config.mac, config.ip, config.clock_hz)
    return text


def without_core(text):
    """The text of a system with an empty core: what it takes is known from the core alone."""
    text = re.sub(rf"^module \\{TOP}\.core\.[^ ]+ .*?^endmodule\n", "", text, flags=re.MULTILINE | re.DOTALL)

    def emptied(found):
        ports = re.findall(r"^ +(?:input|output) .*;\n", found[2], re.MULTILINE)
        outputs = re.findall(r"^ +output (?:\[.*\] )?(.*);\n", found[2], re.MULTILINE)
        # Without anything inside Yosys takes it for a cell of the part.
        return found[1] + "".join((*ports, *(f"  assign {output} = 0;\n" for output in outputs))) + "endmodule\n"

    text, count = re.subn(
        rf"(^module \\{TOP}\.core \([^;]*;\n)(.*?)^endmodule\n", emptied, text, flags=re.MULTILINE | re.DOTALL
    )
    assert count == 1, "the core is no module of its own"
    return text


def resources(config, firmware):
    """Row -> (``Counts``, Yosys' estimate of logic cells), of the shares of a system on the 7 series and of "all".

    The system without its core, and the core, are synthesised apart, each once per content. Shares share no logic.
    """
    folder = run_yosys(without_core(system_verilog(config, firmware, "xc7")), TOP, "xc7", flatten=False)
    rest = _by_submodule(folder)
    folder = run_yosys(to_verilog(Core(config.hardware), "core", "xc7")[0], "core", "xc7", flatten=False)
    core = module_counts(folder, "xc7")["core"], logic_cells(folder)["core"]
    rows = {name: _total(rest[unit] for unit in units if unit in rest) for name, units in SHARES.items()}
    named = _total(rows.values())
    rows[GLUE] = tuple(_less(whole, part) for whole, part in zip(rest[TOP], named, strict=True))
    rows["core"] = core
    return rows | {"all": _total(rows.values())}


def _by_submodule(folder):
    """Submodule of the system (``TOP`` for all of it) -> (``Counts``, logic cells)."""
    counts, cells = module_counts(folder, "xc7"), logic_cells(folder)
    # A name that a signal has too is followed by a number.
    return {re.sub(rf"^{TOP}\.|\$\d+$", "", name): (counts[name], cells[name]) for name in cells if name in counts}


def _total(rows):
    counts, cells = zip((Counts(), 0), *rows, strict=True)
    return sum(counts, Counts()), sum(cells)


def _less(whole, part):
    """``whole`` without ``part``, numbers or ``Counts``."""
    if isinstance(whole, int):
        return whole - part
    return Counts(*(getattr(whole, f.name) - getattr(part, f.name) for f in fields(Counts)))


def check_fit(name, counts):
    """Raise ``LimitError`` if ``counts`` are more than the part has."""
    beyond = [f"{needed:g} of {limit} {resource}" for resource, needed, limit in counts.exceeded(PART)]
    if beyond:
        raise LimitError(f"system {name!r} does not fit the {PART}: {', '.join(beyond)}; choose a smaller core")


def table(rows):
    """The rows as text."""
    limits = PARTS[PART]
    head = f"{'share':<22}{'LUT':>7}{'of part':>9}{'LC':>7}{'LUTRAM':>8}{'FF':>7}{'BRAM':>6}{'DSP':>5}"
    lines = [head]
    for name, (counts, cells) in rows.items():
        line = f"{name:<22}{counts.lut:>7}{100 * counts.lut / limits['lut']:>8.1f}%{cells:>7}"
        lines.append(f"{line}{counts.lutram + counts.srl:>8}{counts.ff:>7}{counts.bram:>6g}{counts.dsp:>5g}")
    lines.append(
        f"{PART:<22}{limits['lut']:>7}{'':>16}{limits['lutram']:>8}{limits['ff']:>7}{limits['bram']:>6}{limits['dsp']:>5}"
    )
    return "\n".join(lines)


def run_soc(args):
    """Write the Verilog of a system, tell what it takes, refuse what does not fit the part."""
    config, firmware = system(args.system), read_firmware(args.firmware)
    source = ROOT / config.name / "soc.v"
    write_if_changed(source, system_verilog(config, firmware, "xc7"))
    print(
        f"wrote {source}; synthesis for the {PART} (ten minutes for a core that was not synthesised before) ...",
        flush=True,
    )
    rows = resources(config, firmware)
    print(
        f"\n{table(rows)}\nLUT: every LUT a site, RAM and shift registers included; LC: Yosys' estimate where small"
        f" functions share a LUT, without RAM;\nYosys {yosys_version()}, no place and route\n"
    )
    report = {
        "system": config.name,
        "part": PART,
        "limits": PARTS[PART],
        "firmware_bytes": len(firmware),
        "rom_bytes": config.rom_bytes,
        "yosys": yosys_version(),
        "rows": {name: asdict(counts) | {"logic_cells": cells} for name, (counts, cells) in rows.items()},
    }
    print(f"wrote {write_report('soc', report)}")
    check_fit(config.name, rows["all"][0])


def add_parser(commands):
    """The command ``soc``."""
    parser = commands.add_parser("soc", help="the whole system as Verilog, and what it takes of the part")
    parser.add_argument("--system", default="arty", choices=sorted(SYSTEMS))
    parser.add_argument("--firmware", type=Path, default=FIRMWARE, help="what is in the ROM (default: %(default)s)")
    parser.set_defaults(run=run_soc)
