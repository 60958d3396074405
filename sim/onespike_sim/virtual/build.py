"""Builds the virtual board's program, once per content, under ``build/sim/board-SYSTEM``."""

import hashlib
import importlib.metadata
import os
import subprocess
from pathlib import Path

import onespike.contract
import onespike_hw
from onespike.errors import ToolError

from .. import runner, soc
from ..runner import SimulationError

BOARD = Path(__file__).parent / "board"
PACKAGES = ("amaranth", "verilator", "liteeth", "litex", "migen", "pythondata-cpu-vexriscv")
"""What the program is made with besides our own files."""


def executable(config, trace=False):
    """Path of the program for system ``config`` (``SocConfig``), with waveforms if ``trace``; built if it is not there.

    Raises ``ToolError`` without the firmware's compiler and ``SimulationError`` if Verilator fails.
    """
    firmware = soc.built_firmware()
    folder = runner.ROOT / f"board-{config.name}{'-trace' if trace else ''}"
    digest = _digest(config, firmware, trace)
    stamp, program = folder / "stamp", folder / "build" / "board"
    with runner.locked(folder):
        if not stamp.exists() or stamp.read_text() != digest or not program.exists():
            stamp.unlink(missing_ok=True)
            runner.write_if_changed(folder / "soc.v", soc.system_verilog(config, firmware))
            _verilate(folder, trace)
            stamp.write_text(digest)
    return program


def _digest(config, firmware, trace):
    """SHA-256 of all that the program is made of; the system's text itself takes too long to make every time."""
    folders = {Path(onespike_hw.__file__).parent: "*.py", Path(onespike.contract.__file__).parent: "*.py", BOARD: "*"}
    files = sorted(path for folder, pattern in folders.items() for path in folder.rglob(pattern) if path.is_file())
    content = hashlib.sha256(repr((config, config.hardware, trace)).encode() + firmware)
    for path in (*files, Path(soc.__file__), Path(__file__)):
        content.update(path.read_bytes())
    content.update(repr([importlib.metadata.version(name) for name in PACKAGES]).encode())
    return content.hexdigest()


def _verilate(folder, trace):
    """Verilate ``soc.v`` and compile it with the board's main into ``build/board``."""
    command = [
        "verilator", "--cc", "--exe", "--build", "-j", str(os.cpu_count()), "-O3", "--x-assign", "fast",
        "--x-initial", "fast", "--no-timing", "--timescale", "1ns/1ns", "-Wno-fatal", "-Wno-lint",
        "--top-module", "pins", "--prefix", "Vboard", "-o", "board", "--Mdir", str(folder / "build"),
        *(["--trace-fst"] if trace else []), "-CFLAGS", "-std=c++20",
        str(folder / "soc.v"), *(str(path) for kind in ("*.v", "*.cpp") for path in sorted(BOARD.glob(kind))),
    ]  # fmt: skip
    log = folder / "build.log"
    with runner.tool_environment(), open(log, "w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode:
        if trace and "lz4.h" in log.read_text():
            raise ToolError(
                "waveforms need the Debian packages liblz4-dev and zlib1g-dev; install them, or leave --trace out"
            )
        raise SimulationError(f"Verilator could not build the virtual board {folder.name!r}; see {log}")
