"""The commands ``boards``, ``report``, ``bitstream``, ``bitstream-project`` and ``program``."""

import importlib
from pathlib import Path

from onespike.cli import model_path, write_bytes
from onespike.compiler import compile
from onespike.contract import boot
from onespike.contract.boards import BOARDS, board, names
from onespike.contract.config import PRESETS
from onespike.contract.soc import LEDS
from onespike.errors import LimitError, ToolError
from onespike.network import DEFAULT
from onespike.quantised import QuantisedModel

from ..soc import FIRMWARE, read_firmware
from . import loader, report
from .design import FAMILIES, TOP, pins, prepare
from .netlist import resources

ROOT = Path("build")
BITSTREAM = f"{TOP}.bit"
"""Of a board that meets its clock, in its folder."""


def toolchain(name):
    """Module of a tool chain: it is in this package, and has the chain's name."""
    return importlib.import_module(f".{name}", __package__)


def usable(entry, wanted):
    """Name of the tool chain for a board: the ``wanted`` one, or the first whose tools are there, or None.

    Raises ``ToolError`` if the board has no such tool chain.
    """
    if wanted and wanted not in entry.toolchains:
        raise ToolError(f"no tool chain {wanted!r} for board {entry.name!r}; choose one of {', '.join(entry.toolchains)}")
    for name in (wanted,) if wanted else entry.toolchains:
        if toolchain(name).missing() is None:
            return name
    return None


def chosen(args):
    """The board that the arguments name, with another core if they say so."""
    entry = board(args.board)
    return entry.with_core(args.core) if args.core else entry


def _folder(entry):
    """Of a board's build; another core has one of its own."""
    usual = board(entry.name).system.core
    return ROOT / (entry.name if entry.system.core == usual else f"{entry.name}-{entry.system.core}")


def run_boards(args):
    """The table of boards."""
    for entry in BOARDS.values():
        system = entry.system
        also = f" (also: {', '.join(entry.aliases)})" if entry.aliases else ""
        clock = f"{system.clock_hz / 1e6:g} MHz, " + (
            "the crystal's" if system.clock_hz == entry.oscillator_hz else f"by a PLL from {entry.oscillator_hz / 1e6:g} MHz"
        )
        print(f"{entry.name}{also}: {entry.title}, {entry.part}")
        print(f"  core    {system.core}, {system.hardware.peak_sop} SOP/cycle")
        print(f"  clock   {clock}")
        for link, places in pins(entry).items():
            print(f"  {link:<8}{places}")
        tools = [f"{name} ({'not ' if toolchain(name).missing() else ''}here)" for name in entry.toolchains]
        print(f"  tools   {'; '.join(tools)}\n")
    print("LEDs, from number 0 on:")
    for number, (name, meaning) in enumerate(LEDS.items()):
        print(f"  {number} {name.lower():<10} {meaning}")


def run_report(args):
    """What a board's system takes, by synthesis alone."""
    entry = chosen(args)
    print(f"synthesis of {entry.name} with core {entry.system.core} (minutes, where it was not done before) ...", flush=True)
    result = resources(prepare(entry, read_firmware(args.firmware), entry.toolchains[-1]))
    report.write(result, _folder(entry))
    report.check(result)


def run_project(args):
    """Project folders for tools on another machine."""
    entry = chosen(args)
    if args.toolchain:
        usable(entry, args.toolchain)
    for name in (args.toolchain,) if args.toolchain else entry.toolchains:
        print(f"wrote {_project(entry, name, args.firmware)}")


def _project(entry, name, firmware):
    """Write the project of a tool chain; returns its folder."""
    module, folder = toolchain(name), _folder(entry) / f"project-{name}"
    if not hasattr(module, "project"):
        raise ToolError(f"the tools of {name!r} come with this project; 'make bitstream BOARD={entry.name}' builds it here")
    print(f"project of {entry.name} for {name} ...", flush=True)
    module.project(prepare(entry, read_firmware(firmware), name), folder)
    return folder


def run_bitstream(args):
    """The bitstream; or its project and what is missing."""
    entry = chosen(args)
    name = usable(entry, args.toolchain)
    if name is None:
        wanted = (args.toolchain,) if args.toolchain else entry.toolchains
        folder = _project(entry, wanted[0], args.firmware)
        raise ToolError(
            f"no bitstream: {'; '.join(toolchain(tools).missing() for tools in wanted)}; {folder} holds the project for "
            f"{wanted[0]}, ready for a machine that has it"
        )
    design = prepare(entry, read_firmware(args.firmware), name)
    # What is there is none of this build, whatever becomes of it.
    (_folder(entry) / BITSTREAM).unlink(missing_ok=True)
    result = toolchain(name).build(design, _folder(entry))
    report.write(result, _folder(entry))
    try:
        report.check(result)
    except LimitError:
        missed = _folder(entry) / "missed.bit"
        write_bytes(missed, result.bitstream.read_bytes())
        print(f"wrote {missed}, which 'make program' does not load")
        raise
    write_bytes(_folder(entry) / BITSTREAM, result.bitstream.read_bytes())
    print(f"wrote {_folder(entry) / BITSTREAM}")


def run_program(args):
    """Load a board with its bitstream, or write that and a program to its flash."""
    entry = chosen(args)
    bitstream = _folder(entry) / BITSTREAM
    if not bitstream.is_file():
        raise ToolError(f"no bitstream in {bitstream}; 'make bitstream BOARD={args.board}' builds it")
    if not args.flash:
        loader.load(entry, bitstream)
        return
    size, place = bitstream.stat().st_size, entry.system.flash_address
    if size > place:
        raise LimitError(f"{bitstream} has {size} bytes and would reach into the boot record at {place:#x} of the flash")
    record = _folder(entry) / "boot.bin"
    program = compile(QuantisedModel.load(model_path(args.model)), entry.system.hardware).program
    write_bytes(record, boot.encode(program.encode()))
    loader.write_flash(entry, bitstream, 0)
    loader.write_flash(entry, record, place)


def takes_board(parser):
    """Add the arguments that ``chosen`` reads."""
    parser.add_argument("--board", required=True, help=f"one of {', '.join(names())}")
    parser.add_argument("--core", help=f"another core configuration: {', '.join(PRESETS)}")


def add_parsers(commands):
    """The commands, added to an argument parser's ``commands``."""
    commands.add_parser("boards", help="the boards that the system can be built for").set_defaults(run=run_boards)
    for name, run in (
        ("report", run_report),
        ("bitstream", run_bitstream),
        ("bitstream-project", run_project),
        ("program", run_program),
    ):
        parser = commands.add_parser(name, help=run.__doc__.splitlines()[0].rstrip(".").lower())
        takes_board(parser)
        if name in ("bitstream", "bitstream-project"):
            parser.add_argument("--toolchain", help=f"one of {', '.join(FAMILIES)} (default: the first that is here)")
        if name == "program":
            parser.add_argument("--flash", action="store_true", help="write bitstream and program to the flash")
            parser.add_argument("--model", default=DEFAULT, help="network for the flash: a name or an .npz file")
        else:
            parser.add_argument("--firmware", type=Path, default=FIRMWARE, help="what is in the ROM (default: %(default)s)")
        parser.set_defaults(run=run)
