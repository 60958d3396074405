"""The whole system round the core, with its firmware, as one Verilog text."""

import subprocess
from pathlib import Path

from onespike.contract.isa import WORD_BITS
from onespike.errors import LimitError, ToolError
from onespike_hw.soc.cpu import cpu_verilog
from onespike_hw.soc.top import Soc
from onespike_hw.soc.udp_core import udp_core_verilog

from . import runner
from .runner import to_verilog

ROOT = Path(__file__).parents[2]
"""Of the repository: the firmware's sources are there."""
FIRMWARE = Path("build/firmware/firmware.bin")
TOP = "soc"
"""Name of the Verilog module."""


def read_firmware(path):
    """Bytes of a firmware binary; raises ``ToolError`` if there is none."""
    try:
        firmware = Path(path).read_bytes()
    except OSError as error:
        raise ToolError(f"no firmware in {path} ({error.strerror}); 'make -C firmware' builds it") from None
    if not firmware:
        raise ToolError(f"the firmware in {path} is empty; 'make -C firmware' builds it")
    return firmware


def built_firmware():
    """Bytes of the firmware, built as its sources are now; raises ``ToolError`` without its compiler."""
    make = ["make", "--silent", "-C", str(ROOT / "firmware")]
    with runner.locked(runner.ROOT / "firmware"):
        done = subprocess.run(make, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["make said nothing"])[0]
        raise ToolError(f"the firmware could not be built ({last}); see 'make -C firmware'")
    return read_firmware(ROOT / FIRMWARE)


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
