"""Firmware that shows a testbench what the CPU sees: it spells words on the LEDs, three bits at a time."""

from onespike.contract import isa, regs, soc
from onespike.contract.frames import Kind

from .riscv import A0, A1, A2, A4, A5, GP, MTVEC, RA, S0, S1, SP, T0, T1, T2, TP, ZERO, Assembler  # fmt: skip

DIGITS = 11
"""Times three bits of a word, lowest first; the fourth LED turns over with each."""
PATTERN = 0x1234_5678
TRAPPED = 0x7AB
REGIONS, STARVE, SERVE = 1, 2, 3
"""What the buttons choose."""
NOWHERE = (0x3000_0000, 0x7FFF_FFFC, 0xA000_0000, 0xF000_0004)
MARGIN = 64


def csr(name):
    """Offset of a register from ``soc.CSR`` in bytes."""
    return 4 * soc.REGISTERS[name][0]


def core(name):
    """Offset of a register from ``soc.CORE`` in bytes."""
    return 4 * regs.REGISTERS[name][0]


def pack(layout, **values):
    """A word of the contract."""
    reserved = {name: 0 for name, _ in layout.as_shape() if name.startswith("reserved")}
    return isa.pack(layout, **reserved, **values)


def build():
    """The words. GP holds ``soc.CSR``, TP ``soc.CORE``, SP ``soc.PACKETS``."""
    a = Assembler()
    a.li(GP, soc.CSR)
    a.li(TP, soc.CORE)
    a.li(SP, soc.PACKETS)
    a.addi(A5, ZERO, 0)
    a.lw(T0, GP, csr("BUTTONS"))
    for choice, label in ((REGIONS, "regions"), (STARVE, "starve"), (SERVE, "serve")):
        a.addi(T1, ZERO, choice)
        a.beq(T0, T1, label)
    a.jal(ZERO, "halt")
    _regions(a)
    _starve(a)
    _serve(a)

    a.label("halt")
    a.sw(ZERO, GP, csr("WATCHDOG"))
    a.jal(ZERO, "halt")

    # Spells A0; changes A1 to A3, A5 is the fourth LED.
    a.label("tell")
    a.sw(ZERO, GP, csr("WATCHDOG"))
    a.addi(A2, ZERO, DIGITS)
    a.label("digit")
    a.andi(A1, A0, 7)
    a.xori(A5, A5, 8)
    a.or_(A1, A1, A5)
    a.sw(A1, GP, csr("LEDS"))
    a.srli(A0, A0, 3)
    a.addi(A2, A2, -1)
    a.bne(A2, ZERO, "digit")
    a.jalr(ZERO, RA)

    a.label("trap")
    a.addi(A0, ZERO, TRAPPED)
    a.jal(RA, "tell")
    a.jal(ZERO, "halt")

    a.label("constant")
    a.word(PATTERN)
    return a.finish()


def _tell(a, base, offset=0):
    """Spell the word at an address."""
    a.lw(A0, base, offset)
    a.jal(RA, "tell")


def _regions(a):
    """A read and a write in every region, then a jump to where there is nothing."""
    a.label("regions")
    a.la(S0, "constant")
    a.li(S1, PATTERN)
    # The ROM cannot be written.
    a.sw(ZERO, S0)
    _tell(a, S0)
    for base in (soc.RAM, soc.PACKETS):
        a.li(S0, base)
        a.sw(S1, S0, 16)
        a.sb(ZERO, S0, 18)
        _tell(a, S0, 16)
        a.sw(S1, S0, 20)
        a.sh(ZERO, S0, 20)
        _tell(a, S0, 20)
        a.lbu(A0, S0, 19)
        a.jal(RA, "tell")
    for name in ("CONTRACT", "CLOCK_HZ", "LEASE", "BUTTONS", "WATCHDOG_RESETS", "SCORES", "SCORE", "SPIKES"):
        _tell(a, GP, csr(name))
    _tell(a, GP, csr("WATCHDOG"))
    for name in ("FINGERPRINT", "STATUS"):
        _tell(a, TP, core(name))
    a.li(T1, PATTERN)
    for address in NOWHERE:
        a.li(S0, address)
        a.sw(T1, S0)
        _tell(a, S0)
    # Two readings of the time, some multiplications apart.
    a.lw(T0, GP, csr("TIME_LOW"))
    for _ in range(4):
        a.mul(T1, T1, T1)
    a.lw(S0, GP, csr("TIME_LOW"))
    a.lw(S1, GP, csr("TIME_HIGH"))
    a.add(A0, T1, ZERO)
    a.jal(RA, "tell")
    for register in (T0, S0, S1):
        a.add(A0, register, ZERO)
        a.jal(RA, "tell")
    a.la(T0, "trap")
    a.csrw(MTVEC, T0)
    a.li(T1, soc.RAM)
    a.jalr(ZERO, T1)


def _starve(a):
    """Tells how often the watchdog bit and the time, then does not feed it; serves when it bit twice."""
    a.label("starve")
    _tell(a, GP, csr("WATCHDOG_RESETS"))
    _tell(a, GP, csr("TIME_LOW"))
    a.addi(T0, ZERO, 2)
    a.lw(T1, GP, csr("WATCHDOG_RESETS"))
    a.beq(T0, T1, "serve")
    # No frame is taken until the links are reset as well.
    a.sw(ZERO, GP, csr("RX_USE"))
    a.label("starving")
    a.jal(ZERO, "starving")


def _serve(a):
    """Frames: an image or a program goes to the core, a request resets the core, a poll is sent back as it is.

    Every image's scores and counters are told, and the core's state after every frame that is not sent back.
    """
    a.label("serve")
    a.lw(S1, TP, core("IMAGES"))
    a.label("serving")
    a.sw(ZERO, GP, csr("WATCHDOG"))
    a.lw(T0, GP, csr("SCORES"))
    a.bne(T0, ZERO, "score")
    a.lw(T0, TP, core("IMAGES"))
    a.bne(T0, S1, "image_done")
    a.lw(T0, GP, csr("RX_NEXT"))
    a.bge(T0, ZERO, "serving")

    # T0: slot, T1: its first word, S0: its address, A4: word of the frame, T2: kind.
    a.andi(T0, T0, 15)
    a.addi(T1, ZERO, soc.SLOT_WORDS)
    a.mul(T1, T0, T1)
    a.slli(S0, T1, 2)
    a.add(S0, S0, SP)
    a.addi(T1, T1, soc.META_WORDS)
    a.lbu(T2, S0, 4 * soc.META_WORDS)
    for kind, label in ((Kind.IMAGE, "image"), (Kind.PROGRAM, "program"), (Kind.REQUEST, "reset")):
        a.addi(A4, ZERO, kind.value)
        a.beq(T2, A4, label)

    # Back: the length and link of the slot's first word, to the peer in the next two.
    a.lw(A0, S0, 4)
    a.sw(A0, GP, csr("SEND_ADDRESS"))
    a.lw(A0, S0, 8)
    a.sw(A0, GP, csr("SEND_PORT"))
    a.lw(A0, S0, 0)
    a.slli(A1, A0, 16)
    a.srli(A1, A1, 16 - _offset(soc.Send, "length"))
    a.srli(A0, A0, _offset(soc.Meta, "link"))
    a.slli(A0, A0, _offset(soc.Send, "link"))
    a.or_(A0, A0, A1)
    a.or_(A0, A0, T1)
    a.sw(A0, GP, csr("SEND"))
    a.label("sending")
    a.sw(ZERO, GP, csr("WATCHDOG"))
    a.lw(A0, GP, csr("SENDING"))
    a.bne(A0, ZERO, "sending")
    a.sw(T0, GP, csr("RX_FREE"))
    a.jal(ZERO, "serving")

    a.label("reset")
    a.sw(ZERO, GP, csr("CORE_RESET"))
    a.addi(S1, ZERO, 0)
    a.sw(T0, GP, csr("RX_FREE"))
    a.addi(T0, ZERO, MARGIN)
    a.label("resetting")
    a.addi(T0, T0, -1)
    a.bne(T0, ZERO, "resetting")
    a.jal(ZERO, "told")

    # Both records are three words long; T2 gets the sink's bit.
    a.label("image")
    a.li(T2, pack(soc.Feed, word=0, length=0, sink=soc.Sink.PIXELS, zero=0, slot=0))
    a.jal(ZERO, "feed")
    a.label("program")
    a.li(T2, pack(soc.Feed, word=0, length=0, sink=soc.Sink.PROGRAM, zero=0, slot=0))
    a.label("feed")
    a.addi(T1, T1, 3)
    a.or_(T1, T1, T2)
    a.lw(A0, S0, 0)
    a.slli(A0, A0, 16)
    a.srli(A0, A0, 16)
    a.addi(A0, A0, -12)
    a.slli(A0, A0, _offset(soc.Feed, "length"))
    a.or_(T1, T1, A0)
    a.slli(T0, T0, _offset(soc.Feed, "slot"))
    a.or_(T1, T1, T0)
    a.lw(T0, GP, csr("FEEDS_DONE"))
    a.sw(T1, GP, csr("FEED"))
    a.label("feeding")
    a.sw(ZERO, GP, csr("WATCHDOG"))
    a.lw(A0, GP, csr("FEEDS_DONE"))
    a.beq(A0, T0, "feeding")
    a.label("told")
    _tell(a, TP, core("STATUS"))
    a.jal(ZERO, "serving")

    a.label("score")
    _tell(a, GP, csr("SCORE"))
    a.jal(ZERO, "serving")

    # The last scores may have come since they were looked for.
    a.label("image_done")
    a.lw(A0, GP, csr("SCORES"))
    a.bne(A0, ZERO, "score")
    a.add(S1, T0, ZERO)
    _tell(a, GP, csr("SCORE"))
    _tell(a, GP, csr("SPIKES"))
    _tell(a, TP, core("IMAGES"))
    a.jal(ZERO, "serving")


def _offset(layout, field):
    """First bit of a field."""
    return layout.as_shape()[field].offset
