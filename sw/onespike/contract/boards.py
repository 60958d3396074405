"""The one table of boards: part, clock, system, pins, tools. A new board is one entry of ``BOARDS``.

Pins are named as the package ``amaranth-boards`` names them, which holds their places and electrical standards;
gateware, constraints, tool scripts, reports, programming and ``make boards`` derive from this table.
"""

from dataclasses import dataclass, replace

from ..errors import LimitError
from .config import preset
from .soc import FLASH_ADDRESS, SocConfig

PHY_HZ = 25_000_000
"""Clock that an MII PHY is given by its board's FPGA."""


@dataclass(frozen=True)
class Board:
    """A board that the system can be built for.

    Attributes: ``title`` and ``aliases`` for a person; ``platform`` module and class of ``amaranth-boards``; ``part`` in
    ``PARTS``; ``oscillator_hz`` of the crystal at the platform's default clock; ``system`` its ``SocConfig``, whose
    clock comes from a PLL where it is not the oscillator's; ``toolchains`` in order of preference, the last one open: its
    netlist is the one that is counted; ``loader`` the board's name in openFPGALoader; ``reset``, ``uart``, ``leds``,
    ``buttons``, ``mii`` and ``phy_clock`` (None where there is no Ethernet), ``flash``: resources of the platform;
    ``flash_clock`` "pin", or "usrmclk" where only that primitive of ECP5 reaches it; ``high``: pins that the board wants
    driven high, as (resource, subsignal).
    """

    name: str
    title: str
    platform: str
    part: str
    oscillator_hz: int
    system: SocConfig
    toolchains: tuple
    loader: str
    aliases: tuple = ()
    reset: str = "rst"
    uart: str = "uart"
    leds: str = "led"
    buttons: str = "button"
    mii: str | None = None
    phy_clock: str | None = None
    flash: str = "spi_flash_1x"
    flash_clock: str = "pin"
    high: tuple = ()

    def __post_init__(self):
        if self.mii and self.oscillator_hz % (2 * PHY_HZ):
            raise LimitError(
                f"board {self.name!r}: {self.oscillator_hz} Hz are no even multiple of the PHY's {PHY_HZ} Hz; leave mii out"
            )

    def with_core(self, core):
        """The same board with another core configuration; raises ``LimitError`` for a name that none has."""
        return replace(self, system=replace(self.system, core=preset(core).name))


def _arty(name, system, title, platform, part, core, loader, aliases=()):
    return Board(
        name=name,
        title=title,
        aliases=aliases,
        platform=f"amaranth_boards.arty_a7:{platform}",
        part=part,
        oscillator_hz=100_000_000,
        system=SocConfig(system, core, 100_000_000, 1_000_000, 100_000_000, 200_000_000, flash_address=FLASH_ADDRESS),
        toolchains=("vivado", "openxc7"),
        loader=loader,
        mii="eth_mii",
        phy_clock="eth_clk25",
    )


BOARDS = {
    board.name: board
    for board in (
        _arty("arty-a7-35t", "arty", "Digilent Arty A7-35T", "ArtyA7_35Platform", "xc7a35t", "arty-a7-35t", "arty_a7_35t", ("arty",)),
        _arty("arty-a7-100t", "arty-a7-100t", "Digilent Arty A7-100T", "ArtyA7_100Platform", "xc7a100t", "arty-a7-100t", "arty_a7_100t"),
        Board(
            name="ulx3s",
            title="Radiona ULX3S, 85F",
            platform="amaranth_boards.ulx3s:ULX3S_85F_Platform",
            part="ecp5-85",
            oscillator_hz=25_000_000,
            system=SocConfig(
                "ulx3s", "ulx3s", 40_000_000, 1_000_000, 40_000_000, 80_000_000, mac="", flash_address=FLASH_ADDRESS
            ),
            toolchains=("trellis",),
            loader="ulx3s",
            reset="button_pwr",
            flash="spi_flash",
            flash_clock="usrmclk",
            # Low would let the board's ESP32 reset everything.
            high=(("esp32", "gpio0"),),
        ),
    )
}  # fmt: skip


def board(name):
    """The board of that name or alias; raises ``LimitError`` that lists the names."""
    for entry in BOARDS.values():
        if name in (entry.name, *entry.aliases):
            return entry
    raise LimitError(f"no board {name!r}; choose one of {', '.join(names())}")


def names():
    """Names and aliases of all boards, sorted."""
    return sorted(name for entry in BOARDS.values() for name in (entry.name, *entry.aliases))


SYSTEMS = {
    config.name: config
    for config in (
        *(entry.system for entry in BOARDS.values()),
        # Simulated seconds are dear: 4 cycles a bit, and a quick watchdog and lease.
        SocConfig("virtual", "arty-a7-35t", 100_000_000, 25_000_000, 400_000, 1_000_000, flash_address=FLASH_ADDRESS),
        SocConfig("virtual-tiny", "tiny", 100_000_000, 25_000_000, 400_000, 1_000_000, flash_address=FLASH_ADDRESS),
    )
}
"""Those of the boards, and of the virtual board."""


def system(name):
    """The named system; raises ``LimitError`` that lists the names."""
    try:
        return SYSTEMS[name]
    except KeyError:
        raise LimitError(f"no system {name!r}; choose one of {', '.join(sorted(SYSTEMS))}") from None
