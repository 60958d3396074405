"""Starts the virtual board for tests and benches, and has its buttons."""

import ipaddress
import signal
import subprocess

from onespike.contract import frames

from ..runner import SimulationError
from .build import executable

LINKS = ("uart", "udp", "tap")
"""How a host reaches the board: a pseudo terminal, a UDP socket of this machine, or a network device of the kernel's."""
QUIET_CYCLES = 20_000_000
"""Cycles without a byte after which the simulation rests, beyond the board's own timers."""


def arguments(config, link, cycles=None, trace=None, step=False, query="", flash=None):
    """Words of the command that runs the board; see ``board/main.cpp``. Builds the program."""
    words = {
        "--divisor": config.divisor,
        "--link": link,
        "--address": int(ipaddress.IPv4Address(config.ip)),
        "--port": frames.UDP_PORT,
        "--quiet": config.lease_cycles + config.watchdog_cycles + QUIET_CYCLES,
        "--flash-address": config.flash_address,
        **({"--flash": flash} if flash else {}),
        **({"--cycles": cycles} if cycles else {}),
        **({"--trace": trace} if trace else {}),
        **({"--step": 1} if step else {}),
        **({"--query": query} if query else {}),
    }
    program = executable(config, trace=trace is not None)
    return [str(program), *(str(word) for pair in words.items() for word in pair)]


class VirtualBoard:
    """A running virtual board; a context manager that ends it.

    ``uri`` tells how to reach it. With ``step`` its time stands still but for ``step(cycles)``; ``cycle`` is that time.
    ``flash`` names a file that its flash holds at the boot record's address; without it the flash is erased.
    Raises ``SimulationError`` if it does not start.
    """

    def __init__(self, config, link="uart", step=False, flash=None):
        self.cycle = 0
        self._process = subprocess.Popen(
            arguments(config, link, step=step, flash=flash),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.uri = self._process.stdout.readline().strip()
        if not self.uri:
            raise SimulationError(self._process.communicate()[1].strip() or "the virtual board ended before it began")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def press_reset(self):
        """Press the reset button."""
        self._process.send_signal(signal.SIGUSR1)

    def toggle_hang(self):
        """Hang the CPU, or let it go on."""
        self._process.send_signal(signal.SIGUSR2)

    def step(self, cycles):
        """Let ``cycles`` pass. Raises ``SimulationError`` if the board has ended."""
        try:
            self._process.stdin.write(f"{cycles}\n")
            self._process.stdin.flush()
            self.cycle = int(self._process.stdout.readline())
        except (BrokenPipeError, ValueError):
            raise SimulationError(f"the virtual board ended after cycle {self.cycle}; start it again") from None

    def close(self):
        """End it; returns its last line: cycles, seconds, what was lost."""
        self._process.terminate()
        return self._process.communicate()[0].strip()
