"""What host and board say to each other: frames, the same on every link.

A frame is a record (below, by its first byte), sometimes a payload, and the CRC-32 of both. On the UART a frame is
COBS-encoded between zero bytes; in UDP it is one datagram. All numbers are little-endian.

A host opens a session, sends fragments (``Image``, ``Program``) in order of ``sequence`` while that is below the
board's ``limit``, and takes results. The board sends nothing on its own but ``State`` and ``Result``; it never
repeats anything by itself: a host that waits too long asks with ``Poll``, and the board answers with its state and
every result that the host does not have yet.
"""

import zlib
from functools import cache

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data, enum

from .isa import pack, unpack

PROTOCOL = 1
"""Version of the frames; ``Open`` names it."""
PAYLOAD_BYTES = 1024
"""Bytes of an image or a program that one fragment carries; only the last fragment of one carries fewer."""
CHECK_BYTES = 4
"""CRC-32 (ISO-HDLC, that of ``zlib.crc32``) at the end of a frame."""
RESULTS = 8
"""Results that a board keeps until the host has them; so many images may be begun beyond the last one acknowledged."""
CLASSES = 32
"""Most class scores of a result."""
UDP_PORT = 1535
"""UDP port of the board."""
SELFTEST_FORMULA = "(i * 167 + (i >> 3) * 13 + 41) & 255"
"""Byte i of the self-test's image in the core's order; the same text means the same in Python and in C."""
selftest_byte = eval(f"lambda i: {SELFTEST_FORMULA}")


class Kind(enum.Enum, shape=8):
    """First byte of a frame. Kinds from 128 on are the board's."""

    OPEN = 1
    CLOSE = 2
    IMAGE = 3
    PROGRAM = 4
    POLL = 5
    REQUEST = 6
    OPENED = 129
    REFUSED = 130
    STATE = 131
    RESULT = 132
    REPLY = 133


class Command(enum.Enum, shape=8):
    """What a ``Request`` asks for. A request that comes again with its number is answered again, not done again."""

    COUNTERS = 1
    """Reply: the values of ``COUNTERS``, 32 bits each."""
    LOAD = 2
    """Drop the program and expect one of ``argument`` bytes in ``Program`` fragments, from offset 0."""
    RESET = 3
    """Stop and drop the program; images on their way are lost."""
    SELFTEST = 4
    """Memories, and the image by formula through the loaded program: ``argument`` is the CRC-32 of the scores (signed,
    32 bits each) that it must have. Reply: the tests that failed, a mask of ``SelfTest``."""
    LEDS = 5
    """Light the LEDs as ``argument`` says until the session ends: which board is this?"""


class Error(enum.Enum, shape=8):
    """Why the board does not do what it was asked."""

    NONE = 0
    VERSION = 1
    """The host speaks another version of the protocol."""
    BUSY = 2
    """Another host holds the session."""
    NO_SESSION = 3
    """The session of the frame is not open: the board was reset, or another host took over."""
    NO_PROGRAM = 4
    """No whole program has arrived: load one."""
    SIZE = 5
    """A fragment has not the length that image or program need at its offset; no program has the length of a ``LOAD``."""
    UNKNOWN = 6
    """A command that this board does not know."""
    WORKING = 7
    """Images are on their way; ask again when their results have come."""


class SelfTest(enum.Enum, shape=8):
    """Bits of a self-test's answer; a set bit is a test that failed."""

    ROM = 0
    RAM = 1
    PACKETS = 2
    TABLE = 3
    """The core refused the program that arrived: its CRC covers the Omega tables, which cannot be read back."""
    IMAGE = 4
    """The image by formula has other scores, through weights, tables and neurons as they are now."""
    NO_PROGRAM = 5
    """Nothing to test with: table and image were left out."""


class Open(data.Struct):
    """Host: begin a session. Said twice with one ``nonce``, it is the same session."""

    kind: Kind
    version: unsigned(8)
    reserved: unsigned(16)
    nonce: unsigned(32)
    """Any number, another one for every session."""


class Close(data.Struct):
    """Host: end the session. Not answered."""

    kind: Kind
    session: unsigned(8)
    reserved: unsigned(16)


class Image(data.Struct):
    """Host: a fragment of an image, pixels as the core takes them; payload."""

    kind: Kind
    session: unsigned(8)
    sequence: unsigned(16)
    """Of fragments of this session, from 0, modulo 2**16."""
    image: unsigned(32)
    """Any number; the result has the same."""
    offset: unsigned(16)
    """Of the payload's first byte in the image."""
    results: unsigned(16)
    """Results of this session that the host has, modulo 2**16; the board forgets them."""


class Program(data.Struct):
    """Host: a fragment of a program image; payload of whole words."""

    kind: Kind
    session: unsigned(8)
    sequence: unsigned(16)
    offset: unsigned(32)
    """Of the payload's first byte in the program image."""
    reserved: unsigned(32)


class Poll(data.Struct):
    """Host: where are we? The board answers ``State`` and the results beyond ``results``."""

    kind: Kind
    session: unsigned(8)
    results: unsigned(16)


class Request(data.Struct):
    """Host: a ``Command``; the board answers ``Reply``."""

    kind: Kind
    session: unsigned(8)
    number: unsigned(8)
    """Another one than that of the request before; the reply has the same."""
    command: Command
    argument: unsigned(32)


class Opened(data.Struct):
    """Board: the session is open; what this board is."""

    kind: Kind
    session: unsigned(8)
    window: unsigned(8)
    """Fragments that may be on their way."""
    status: unsigned(8)
    """``regs.Status`` of the core."""
    nonce: unsigned(32)
    fingerprint: unsigned(32)
    """Of the core; a program image must have the same."""
    contract: unsigned(32)
    """``soc.contract_id`` of gateware and firmware."""
    program: unsigned(32)
    """CRC-32 that ends the loaded program image, 0 without one."""
    image_bytes: unsigned(32)
    """Bytes of an image for the loaded program, 0 without one."""
    clock_hz: unsigned(32)


class Refused(data.Struct):
    """Board: not that frame."""

    kind: Kind
    session: unsigned(8)
    """That of the refused frame."""
    refused: Kind
    """Kind of the refused frame."""
    error: Error
    nonce: unsigned(32)
    """Of a refused ``Open``; of a refused fragment, its ``sequence``."""


class State(data.Struct):
    """Board: how far it is."""

    kind: Kind
    session: unsigned(8)
    status: unsigned(8)
    """``regs.Status`` of the core."""
    gap: unsigned(8)
    """1: a fragment came that was not ``expected``, so one before it is lost; until one is accepted again."""
    expected: unsigned(16)
    """``sequence`` of the fragment that comes next."""
    limit: unsigned(16)
    """Fragments with a ``sequence`` before this one may be sent. It may go back while an abandoned image is completed."""
    results: unsigned(16)
    """Results of this session so far."""
    reserved: unsigned(16)


class Result(data.Struct):
    """Board: the class scores of an image; payload of ``classes`` signed 32-bit numbers."""

    kind: Kind
    session: unsigned(8)
    index: unsigned(16)
    """Of results of this session, from 0, modulo 2**16."""
    image: unsigned(32)
    """The number that the host gave the image."""
    latency: unsigned(32)
    """Clock cycles from the arrival of the image's first fragment to its last score."""
    cycles: unsigned(32)
    """The core's ``CYCLES`` for this image."""
    array_cycles: unsigned(32)
    weight_waits: unsigned(32)
    spikes: unsigned(32)
    """Spikes that its layers fired."""
    classes: unsigned(32)


class Reply(data.Struct):
    """Board: the answer to a ``Request``; ``words`` 32-bit numbers follow."""

    kind: Kind
    session: unsigned(8)
    number: unsigned(8)
    error: Error
    words: unsigned(32)


HOST = {
    Kind.OPEN: Open,
    Kind.CLOSE: Close,
    Kind.IMAGE: Image,
    Kind.PROGRAM: Program,
    Kind.POLL: Poll,
    Kind.REQUEST: Request,
}
"""Frames of the host, by kind."""
BOARD = {
    Kind.OPENED: Opened,
    Kind.REFUSED: Refused,
    Kind.STATE: State,
    Kind.RESULT: Result,
    Kind.REPLY: Reply,
}
"""Frames of the board, by kind."""
RECORDS = {**HOST, **BOARD}
ENUMS = (Kind, Command, Error, SelfTest)


@cache
def size(record):
    """Bytes of a record."""
    return Shape.cast(record.as_shape()).width // 8


FRAME_BYTES = max(size(Image), size(Program)) + PAYLOAD_BYTES + CHECK_BYTES
"""Bytes of the longest frame."""
COUNTERS = (
    "UPTIME_LOW",
    "UPTIME_HIGH",
    "IMAGES",
    "CYCLES",
    "ARRAY_CYCLES",
    "WEIGHT_WAITS",
    "SPIKES",
    "RX_FRAMES",
    "RX_DAMAGED",
    "RX_DROPPED",
    "TX_FRAMES",
    "REFUSALS",
    "SESSIONS",
    "WATCHDOG_RESETS",
)
"""Words of the reply to ``Command.COUNTERS``. ``UPTIME``: clock cycles since reset. ``IMAGES``: results of all sessions;
``CYCLES`` to ``WEIGHT_WAITS``: the core's registers, for the last image; ``SPIKES``: of the last image;
``RX_DAMAGED``: frames with a wrong CRC, length or framing; ``RX_DROPPED``: whole frames for which no slot was free."""


def encode(record, payload=b"", **values):
    """Bytes of a frame with its CRC; ``kind`` and reserved fields are filled in."""
    kinds = {r: kind for kind, r in RECORDS.items()}
    reserved = {name: 0 for name, _ in record.as_shape() if name == "reserved"}
    frame = pack(record, kind=kinds[record], **reserved, **values).to_bytes(size(record), "little") + payload
    return frame + zlib.crc32(frame).to_bytes(CHECK_BYTES, "little")


def decode(frame, records=BOARD):
    """(kind, dictionary of fields, payload) of a frame with its CRC; ``ValueError`` says what is wrong with it."""
    body, check = frame[:-CHECK_BYTES], frame[-CHECK_BYTES:]
    if not body or zlib.crc32(body).to_bytes(CHECK_BYTES, "little") != check:
        raise ValueError(f"a frame of {len(frame)} bytes has a wrong checksum")
    kind = Kind(body[0])
    if kind not in records:
        raise ValueError(f"a frame of kind {kind.name} goes the other way")
    record = records[kind]
    if len(body) < size(record):
        raise ValueError(f"a frame of kind {kind.name} is cut: {len(body)} bytes")
    fields = unpack(record, int.from_bytes(body[: size(record)], "little"))
    return kind, fields, bytes(body[size(record) :])
