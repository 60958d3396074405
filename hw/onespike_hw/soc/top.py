"""The system of a board: links, core, and the CPU that steers them."""

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from onespike.contract.config import SCORE_BITS
from onespike.contract.soc import BUTTONS, LEDS, REGISTERS, SCORE_DEPTH, contract_id

from ..core import Core
from ..csr import CsrFile
from ..link.boot import FLASH
from ..link.engine import LinkEngine
from .bus import DataBus, Fetch
from .cpu import Cpu
from .ethernet import MII, Ethernet
from .memory import BYTES, Ram, Rom
from .spikes import SpikeCounter
from .timers import Stretch, Timer, Watchdog

CORE_RESET_CYCLES = 64
PHY_RESET_SECONDS = 2e-6
"""A PHY wants its reset for a microsecond at least."""


class Soc(wiring.Component):
    """The whole system of ``config`` (``contract.soc.SocConfig``) with ``firmware``, a sequence of 32-bit words, no more
    than the ROM has. ``core``: class of the core, ``Core`` or ``CoreModule``.

    ``rst`` resets everything. Two parts can be reset alone: the CPU, its registers and the links by the watchdog
    (domain ``guarded``), the core by the firmware (domain ``core``); all run with the one clock.

    Members
    -------
    uart_rx, uart_tx : the UART's pins, from and to the host
    mii_* : pins of the Ethernet PHY (``ethernet.MII``), mii_rst_n : Out, its reset; only if ``config.mac`` is not ""
    flash_* : pins of the flash (``link.boot.FLASH``); only if ``config.flash_address`` is not None
    leds : Out(LEDS); buttons : In(BUTTONS), asynchronous, 1 while pressed
    hang : In(1), keeps the CPU from its data: lets a simulation see the watchdog bite; 0 on a board
    """

    def __init__(self, config, firmware, core=Core):
        self.config, self.core = config, core
        self.rom = Rom(config.rom_bytes // BYTES, firmware)
        ethernet = {f"mii_{name}": member for name, member in MII.items()} | {"mii_rst_n": Out(1)}
        super().__init__(
            {
                "uart_rx": In(1),
                "uart_tx": Out(1),
                **(ethernet if config.mac else {}),
                **(FLASH if config.flash_address is not None else {}),
                "leds": Out(len(LEDS)),
                "buttons": In(BUTTONS),
                "hang": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, guarded, in_core = self.config, DomainRenamer("guarded"), DomainRenamer("core")
        m.submodules.watchdog = watchdog = Watchdog(config.watchdog_cycles)
        m.submodules.core_reset = core_reset = Stretch(CORE_RESET_CYCLES)
        for name, cause in (("guarded", watchdog.bite), ("core", core_reset.o)):
            m.domains += ClockDomain(name)
            # A reset reaches everything, so it comes from a register.
            reset = Signal(init=1, name=f"{name}_reset")
            m.d.sync += reset.eq(cause)
            m.d.comb += [ClockSignal(name).eq(ClockSignal()), ResetSignal(name).eq(reset)]

        # Links.
        m.submodules.link = link = guarded(LinkEngine(config))
        m.d.comb += [link.uart_rx.eq(self.uart_rx), self.uart_tx.eq(link.uart_tx)]
        # From the write on, so that a feed after it waits, until the core is out of its reset.
        m.d.comb += link.core_reset.eq(core_reset.o | ResetSignal("core"))
        if config.flash_address is not None:
            m.d.comb += link.bites.eq(watchdog.bites)
            for name, member in FLASH.items():
                pin, port = getattr(self, name), getattr(link, name)
                m.d.comb += port.eq(pin) if member.flow is In else pin.eq(port)
        if config.mac:
            m.submodules.ethernet = ethernet = guarded(Ethernet())
            m.submodules.phy_reset = phy_reset = Stretch(int(PHY_RESET_SECONDS * config.clock_hz))
            for name, member in MII.items():
                pin, port = getattr(self, f"mii_{name}"), getattr(ethernet, name)
                m.d.comb += port.eq(pin) if member.flow is In else pin.eq(port)
            m.d.comb += self.mii_rst_n.eq(~phy_reset.o)
            wiring.connect(m, ethernet.rx, link.udp_rx)
            wiring.connect(m, link.udp_tx, ethernet.tx)
        else:
            m.d.comb += link.udp_tx.ready.eq(1)

        # Core.
        m.submodules.core = core = in_core(self.core(config.hardware))
        wiring.connect(m, link.pixels, core.pixels)
        wiring.connect(m, link.program, core.program)
        m.submodules.scores = scores = in_core(fifo.SyncFIFO(width=SCORE_BITS, depth=SCORE_DEPTH))
        m.submodules.spikes = spikes = in_core(SpikeCounter(config.hardware))
        m.d.comb += [
            scores.w_en.eq(core.scores.valid),
            scores.w_data.eq(core.scores.payload),
            core.scores.ready.eq(scores.w_rdy),
            spikes.activity.eq(core.activity),
        ]

        # CPU and its memories.
        m.submodules.cpu = cpu = guarded(Cpu())
        m.submodules.rom = rom = guarded(self.rom)
        m.submodules.ram = ram = guarded(Ram(config.ram_bytes // BYTES))
        m.submodules.fetch = fetch = guarded(Fetch(rom.depth))
        m.submodules.bus = bus = guarded(DataBus())
        wiring.connect(m, cpu.instruction, fetch.cpu)
        wiring.connect(m, fetch.rom, rom.instruction)
        wiring.connect(m, cpu.data, bus.cpu)
        m.d.comb += [
            bus.hang.eq(self.hang),
            rom.constant.address.eq(bus.address),
            bus.rom.data.eq(rom.constant.data),
            ram.read.address.eq(bus.address),
            ram.value.eq(bus.value),
            ram.select.eq(Mux(bus.ram.begin & bus.write, bus.select, 0)),
            bus.ram.data.eq(ram.read.data),
            *(region.ack.eq(1) for region in (bus.rom, bus.ram, bus.csr, bus.core)),
        ]

        # What the CPU steers.
        m.d.comb += [
            link.cpu_address.eq(bus.address),
            link.cpu_write.eq(bus.write),
            link.cpu_select.eq(bus.select),
            link.cpu_data_in.eq(bus.value),
            link.cpu_request.eq(bus.packets.wait),
            bus.packets.ack.eq(link.cpu_ack),
            bus.packets.data.eq(link.cpu_data_out),
        ]
        m.d.comb += [
            core.registers.address.eq(bus.address),
            core.registers.write.eq(bus.core.begin & bus.write),
            core.registers.value.eq(bus.value),
            bus.core.data.eq(core.registers.data),
        ]
        m.submodules.csr = csr = guarded(CsrFile())
        m.d.comb += [
            csr.bus.address.eq(bus.address),
            csr.bus.read.eq(bus.csr.begin & ~bus.write),
            csr.bus.write.eq(bus.csr.begin & bus.write),
            csr.bus.value.eq(bus.value),
            bus.csr.data.eq(csr.bus.data),
        ]
        # The link's `core_reset` is no register: it is the stretched pulse above.
        for name in sorted((csr.signature.members.keys() & link.signature.members.keys()) - {"core_reset"}):
            port, other = getattr(csr, name), getattr(link, name)
            m.d.comb += port.eq(other) if csr.signature.members[name].flow is In else other.eq(port)

        m.submodules.timer = timer = Timer()
        buttons = Signal(BUTTONS)
        m.submodules.button_sync = FFSynchronizer(self.buttons, buttons)
        m.d.comb += [
            csr.contract.eq(contract_id()),
            csr.clock_hz.eq(config.clock_hz),
            csr.lease.eq(config.lease_cycles),
            timer.hold.eq(csr.bus.read & (csr.bus.address == REGISTERS["TIME_LOW"][0])),
            csr.time_low.eq(timer.low),
            csr.time_high.eq(timer.high),
            watchdog.feed.eq(csr.watchdog_write),
            csr.watchdog_resets.eq(watchdog.bites),
            csr.buttons.eq(buttons),
            core_reset.i.eq(csr.core_reset_write),
            csr.scores.eq(scores.r_level),
            csr.score.eq(Mux(scores.r_rdy, scores.r_data, 0)),
            scores.r_en.eq(csr.score_pop),
            csr.spikes.eq(spikes.count),
        ]
        with m.If(csr.leds_write):
            m.d.guarded += self.leds.eq(csr.leds)
        return m
