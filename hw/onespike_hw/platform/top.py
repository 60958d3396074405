"""The system on a board: its pins, its clock and its reset."""

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import Out

from onespike.contract.boards import PHY_HZ

from ..core import CoreModule
from ..soc.ethernet import MII
from ..soc.timers import Stretch
from ..soc.top import Soc
from .clock import GlobalClock, Pll

RESET_CYCLES = 255
"""Of the system's clock, once clock and button are quiet: flip-flops may leave configuration a cycle apart."""


class BoardTop(Elaboratable):
    """The system of ``board`` (``contract.boards.Board``) with ``firmware`` (32-bit words) at the pins of its platform. Its
    core is a module of its own (``core.CoreModule``).

    Elaborates for that board's platform of amaranth-boards only, once; from then on ``ports`` tells what constraints
    have to know: names of the top module's ports by use, "clock", "slow_in" and "slow_out" (no clock samples them without
    a synchroniser or a margin of its own), and those of ``soc.ethernet.MII``.
    """

    def __init__(self, board, firmware):
        self.board, self.firmware = board, firmware
        self.ports = {}

    def elaborate(self, platform):
        m = Module()
        board = self.board
        m.submodules.soc = soc = Soc(board.system, self.firmware, CoreModule)
        self._clock(m, platform)
        uart = platform.request(board.uart, dir="-")
        m.d.comb += [soc.uart_rx.eq(self._input(m, uart.rx)), soc.hang.eq(0)]
        self._output(m, uart.tx, soc.uart_tx)
        for number, led in enumerate(soc.leds):
            self._output(m, platform.request(board.leds, number, dir="-"), led)
        for number, button in enumerate(soc.buttons):
            m.d.comb += button.eq(self._input(m, platform.request(board.buttons, number, dir="-")))
        for resource, subsignal in board.high:
            self._output(m, getattr(platform.request(resource, dir="-"), subsignal), Const(1))
        self._flash(m, platform, soc)
        if board.mii:
            self._ethernet(m, platform, soc)
        return m

    def _input(self, m, port, use="slow_in"):
        """Signal of an input; a port that is active low is inverted."""
        m.submodules[f"pin_{port.io.name}"] = buffer = io.Buffer("i", port)
        self.ports.setdefault(use, []).append(port.io.name)
        return buffer.i

    def _output(self, m, port, value, use="slow_out"):
        """Drive an output with ``value``; a port that is active low is inverted."""
        m.submodules[f"pin_{port.io.name}"] = buffer = io.Buffer("o", port)
        self.ports.setdefault(use, []).append(port.io.name)
        m.d.comb += buffer.o.eq(value)

    def _clock(self, m, platform):
        """Domains ``crystal``, without reset, and ``sync``: reset by the button, and until the clock is steady."""
        board = self.board
        crystal = platform.request(platform.default_clk, dir="-")
        for name in ("crystal", "sync"):
            m.domains += ClockDomain(name, reset_less=name == "crystal")
        # The same clock as `sync`, with the reset that comes from outside.
        m.domains += ClockDomain("outside")
        m.submodules.crystal = buffer = GlobalClock()
        m.d.comb += [buffer.i.eq(self._input(m, crystal, "clock")), ClockSignal("crystal").eq(buffer.o)]
        pressed = self._input(m, platform.request(board.reset, dir="-"))
        made, unsteady = Signal(), Signal()
        if board.system.clock_hz == board.oscillator_hz:
            m.d.comb += made.eq(buffer.o)
        else:
            m.submodules.pll = pll = Pll(board.oscillator_hz, board.system.clock_hz)
            m.d.comb += [pll.i.eq(buffer.o), made.eq(pll.o), unsteady.eq(~pll.locked)]
        m.d.comb += [ClockSignal("sync").eq(made), ClockSignal("outside").eq(made)]
        m.submodules.reset = ResetSynchronizer(pressed | unsteady, domain="outside")
        m.submodules.power_up = power_up = DomainRenamer("outside")(Stretch(RESET_CYCLES))
        reset = Signal(init=1)
        m.d.outside += reset.eq(power_up.o)
        m.d.comb += ResetSignal("sync").eq(reset)

    def _flash(self, m, platform, soc):
        """The configuration flash. Its pins for protection and pause are driven off where the board has them."""
        flash = platform.request(self.board.flash, dir="-")
        self._output(m, flash.cs, ~soc.flash_cs_n)
        self._output(m, flash.copi, soc.flash_copi)
        m.d.comb += soc.flash_cipo.eq(self._input(m, flash.cipo))
        for name in ("wp", "hold"):
            self._output(m, getattr(flash, name), Const(0))
        if self.board.flash_clock == "usrmclk":
            m.submodules.flash_clock = Instance("USRMCLK", i_USRMCLKI=soc.flash_clk, i_USRMCLKTS=Const(0, 1))
        else:
            self._output(m, flash.clk, soc.flash_clk)

    def _ethernet(self, m, platform, soc):
        """The PHY: MII, its reset, and its clock from the crystal."""
        board = self.board
        pins = platform.request(board.mii, dir="-")
        for name, member in MII.items():
            port, signal = getattr(pins, name), getattr(soc, f"mii_{name}")
            if member.flow is Out:
                self._output(m, port, signal, name)
            elif name.endswith("_clk"):
                platform.add_clock_constraint(port.io, PHY_HZ)
                m.submodules[name] = buffer = GlobalClock()
                m.d.comb += [buffer.i.eq(self._input(m, port, name)), signal.eq(buffer.o)]
            else:
                m.d.comb += signal.eq(self._input(m, port, name))
        self._output(m, pins.rst, ~soc.mii_rst_n)
        half = board.oscillator_hz // (2 * PHY_HZ)
        count, clock = Signal(range(half)), Signal()
        m.d.crystal += count.eq(count + 1)
        with m.If(count == half - 1):
            m.d.crystal += [count.eq(0), clock.eq(~clock)]
        self._output(m, platform.request(board.phy_clock, dir="-"), clock)
