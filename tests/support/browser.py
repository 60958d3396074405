"""Headless Chromium: what a page becomes, looks like and complains of."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from PIL import Image

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--hide-scrollbars",
    "--virtual-time-budget=4000",
)  # fmt: skip


@dataclass
class Page:
    """``dom``: the document after its scripts ran; ``console``: errors and warnings; ``picture``: a Pillow image."""

    dom: str
    console: list
    picture: Image.Image


def look(path, folder, size=(1200, 1600)):
    """Open the file ``path`` in Chromium, which keeps its own files in ``folder``."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing; install it (Debian: chromium)"

    def run(*arguments):
        command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}"]
        return subprocess.run(
            [*command, *arguments, path.absolute().as_uri()], capture_output=True, text=True, timeout=120
        )

    dumped = run("--dump-dom")
    run(f"--screenshot={folder / 'page.png'}")
    console = re.findall(r"CONSOLE.*?\] (.*)", dumped.stderr)
    with Image.open(folder / "page.png") as picture:
        return Page(dumped.stdout, console, picture.convert("RGB"))
