"""The system round the core: memory map, control and status registers, packet memory, sizes of a board's system.

Gateware builds the registers from ``REGISTERS``; the firmware's header and the documents are generated from it.
"""

import json
import zlib
from dataclasses import dataclass

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data, enum

from ..errors import LimitError
from . import frames, regs
from .config import preset
from .isa import WORD_BITS

ROM, RAM, PACKETS, CSR, CORE = 0x0000_0000, 0x1000_0000, 0x2000_0000, 0x8000_0000, 0x9000_0000
"""Base addresses on the CPU's bus: firmware, its data, packet memory, registers of this table, registers of the core.
The upper four bits alone choose; a register of word offset n lies at ``base + 4 n``."""

SLOTS = 7
"""Receive slots of the packet memory, in words from its start: slot n begins at ``n * SLOT_WORDS``."""
META_WORDS = 3
"""Words in a slot before the frame: ``Meta``."""
SLOT_WORDS = META_WORDS + frames.FRAME_BYTES // 4 + 1
SEND_WORD = SLOTS * SLOT_WORDS
"""First word of the firmware's part of the packet memory: frames to send."""
PACKET_WORDS = 2048
WINDOW = SLOTS - 2
"""Fragments that may be on their way: a slot stays free for a request, one for what arrives meanwhile."""
TEXT_DEPTH = 128
"""Bytes of the text FIFO: a whole command of the MLPerf protocol."""
FEEDS = 8
"""Depth of the feed queue: as many as there are slots, and one."""
SESSION_SHIFT = 4
"""After a reset the number of the last session is ``WATCHDOG_RESETS << SESSION_SHIFT``, modulo 256: the next is one more."""
PROGRAM_BYTES = 2 << 20
"""Bytes of the largest program image that the firmware takes."""
FLASH_ADDRESS = 0x40_0000
"""Byte address of the boot record (``boot``) in a board's configuration flash: behind the bitstream."""
FLASH_BYTES = 1 << 24
"""What 24 bits of a flash's address reach."""
BOOT_LENGTH_BYTES = 2
"""Bytes of the length before a frame of the boot record."""
LEDS = {
    "HEARTBEAT": "The firmware runs: on and off.",
    "READY": "A program is loaded.",
    "SESSION": "A host has a session.",
    "ERROR": "An error since boot: memory, refused program, failed self-test, reset by the watchdog.",
}
"""name -> meaning of the board's LEDs, from bit 0 of ``LEDS`` on."""
BUTTONS = 4
"""Buttons of a board, from bit 0 of ``BUTTONS`` on."""


class Link(enum.Enum, shape=1):
    """Where a frame came from, or goes."""

    UART = 0
    UDP = 1


class Sink(enum.Enum, shape=1):
    """What a feed goes to."""

    PIXELS = 0
    PROGRAM = 1


class Meta(data.Struct):
    """What stands before a received frame in its slot. The CRC was right; ``length`` is without it."""

    length: unsigned(16)
    """Bytes of the frame."""
    link: Link
    reserved: unsigned(15)
    address: unsigned(32)
    """IPv4 address of the sender, 0 on the UART."""
    port: unsigned(16)
    """UDP port of the sender, 0 on the UART."""
    reserved_too: unsigned(16)


class Received(data.Struct):
    """``RX_NEXT``: the oldest received frame that was not taken."""

    slot: unsigned(4)
    reserved: unsigned(27)
    valid: unsigned(1)


class Feed(data.Struct):
    """``FEED``: send bytes of the packet memory to the core."""

    word: unsigned(11)
    """First word in the packet memory."""
    length: unsigned(14)
    """Bytes; whole words for the program."""
    sink: Sink
    zero: unsigned(1)
    """Send zeros instead: the rest of an image that never came."""
    slot: unsigned(4)
    """Slot that is free again when the last byte was taken; ``SLOTS`` or more for none."""
    reserved: unsigned(1)


class Send(data.Struct):
    """``SEND``: send bytes of the packet memory over a link."""

    word: unsigned(11)
    length: unsigned(12)
    """Bytes, without the CRC."""
    link: Link
    text: unsigned(1)
    """UART only: the bytes as they are, without CRC and framing."""
    reserved: unsigned(7)


class Text(data.Struct):
    """``TEXT``: a byte as it came over the UART."""

    byte: unsigned(8)
    reserved: unsigned(23)
    valid: unsigned(1)


LAYOUTS = (Meta, Received, Feed, Send, Text)
ENUMS = (Link, Sink)

REGISTERS = {
    "CONTRACT": (0, "r", "``contract_id`` that the gateware was built with."),
    "CLOCK_HZ": (1, "r", "Frequency of the system clock."),
    "LEASE": (2, "r", "Clock cycles of silence after which a session ends."),
    "TIME_LOW": (3, "r", "Clock cycles since reset, low word; reading it holds the high word."),
    "TIME_HIGH": (4, "r", "High word, as it was when the low word was last read."),
    "WATCHDOG": (5, "w", "Any write feeds the watchdog; without one for ``WATCHDOG_CYCLES`` the CPU and the links are reset."),
    "WATCHDOG_RESETS": (6, "r", "Resets by the watchdog since power-up or the reset button."),
    "LEDS": (7, "w", "A bit per LED."),
    "BUTTONS": (8, "r", "A bit per button."),
    "CORE_RESET": (9, "w", "Any write resets the core for 64 cycles and drops the feeds so far, freeing their slots; later feeds wait."),
    "TEXT_ENABLE": (10, "w", "1: bytes of the UART go to the text FIFO as well; 0 empties it."),
    "TEXT": (11, "p", "``Text``: the oldest byte; reading takes it."),
    "RX_NEXT": (12, "p", "``Received``: the oldest received frame; reading takes it, its slot is the firmware's then."),
    "RX_FREE": (13, "w", "Number of a slot that may be used again."),
    "RX_USE": (14, "w", "Mask of slots that frames may be received into; all after reset. A frame on its way into another is dropped."),
    "FEED": (15, "w", "``Feed``: put into the feed queue."),
    "FEEDS_DONE": (16, "r", "Feeds that are done since reset of CPU or core, modulo 2**16."),
    "SEND_ADDRESS": (17, "w", "IPv4 address for the next ``SEND`` over UDP."),
    "SEND_PORT": (18, "w", "UDP port for the next ``SEND`` over UDP."),
    "SEND": (19, "w", "``Send``: send a frame; only while SENDING is 0."),
    "SENDING": (20, "r", "1: a frame is being sent. A datagram that cannot leave is given up in the end."),
    "SCORES": (21, "r", "Class scores that wait to be read (up to ``SCORE_DEPTH``)."),
    "SCORE": (22, "p", "The oldest score, signed; reading takes it. 0 when there is none."),
    "SPIKES": (23, "r", "Spikes that the layers' neurons fired for the last image, each window's own: before any are condensed."),
    "RX_FRAMES": (24, "r", "Frames received into slots."),
    "RX_DAMAGED": (25, "r", "Frames with a wrong CRC, length or framing."),
    "RX_DROPPED": (26, "r", "Frames for which no slot was free."),
}  # fmt: skip
"""name -> (word offset, access, meaning). Access r: read; w: write; p: read, and reading takes something (a pop)."""

SCORE_DEPTH = 16
"""Depth of the score FIFO; the core waits when it is full."""


@dataclass(frozen=True)
class SocConfig:
    """A board's system.

    Attributes: ``core`` name of the core configuration; ``clock_hz``; ``baud`` of the UART; ``rom_bytes``
    and ``ram_bytes`` of the CPU; ``watchdog_cycles`` until the watchdog bites; ``lease_cycles`` of silence
    after which a session ends; ``mac`` and ``ip`` of the Ethernet port, "" for none; ``flash_address`` byte address of
    the boot record (``boot``) in the board's flash, ``None`` where the system has no way to it.
    """

    name: str
    core: str
    clock_hz: int
    baud: int
    watchdog_cycles: int
    lease_cycles: int
    rom_bytes: int = 8192
    ram_bytes: int = 4096
    mac: str = "02:00:00:31:53:4b"
    ip: str = "192.168.1.50"
    flash_address: int | None = None

    def __post_init__(self):
        if self.divisor < 4:
            raise LimitError(
                f"system {self.name!r}: {self.baud} baud need at least 4 clock cycles a bit; choose at most {self.clock_hz // 4}"
            )
        if abs(self.clock_hz / self.divisor / self.baud - 1) > 0.02:
            raise LimitError(
                f"system {self.name!r}: {self.baud} baud are no whole part of {self.clock_hz} Hz; choose another rate"
            )
        if self.flash_address is not None and not 0 <= self.flash_address < FLASH_BYTES:
            raise LimitError(
                f"system {self.name!r}: the boot record's address {self.flash_address:#x} has more than 24 bits; "
                f"choose one below {FLASH_BYTES:#x}"
            )

    @property
    def divisor(self):
        """Clock cycles of a bit on the UART."""
        return round(self.clock_hz / self.baud)

    @property
    def hardware(self):
        """The core's ``HwConfig``."""
        return preset(self.core)


def contract_id():
    """CRC-32 over everything that gateware, firmware and driver must agree on, whatever core the system has."""

    def fields(record):
        return [[n, f.offset, Shape.cast(f.shape).width] for n, f in record.as_shape()]

    contract = {
        "protocol": frames.PROTOCOL,
        "records": {r.__name__: fields(r) for r in (*frames.RECORDS.values(), *LAYOUTS)},
        "enums": {e.__name__: {m.name: m.value for m in e} for e in (*frames.ENUMS, *ENUMS, regs.Status)},
        "registers": {name: [offset, access] for name, (offset, access, _) in REGISTERS.items()},
        "counters": frames.COUNTERS,
        "sizes": [SLOTS, SLOT_WORDS, PACKET_WORDS, WINDOW, frames.RESULTS, frames.CLASSES, frames.PAYLOAD_BYTES, WORD_BITS],
        "boot": [SESSION_SHIFT, BOOT_LENGTH_BYTES],
    }  # fmt: skip
    return zlib.crc32(json.dumps(contract, sort_keys=True, separators=(",", ":")).encode())
