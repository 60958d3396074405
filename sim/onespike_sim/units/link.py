"""What stands round the link engine in its tests: a CPU, a serial line, hosts that make frames and damage them."""

import zlib

import cocotb
from cobs import cobs
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, Timer

from onespike.contract import frames
from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import META_WORDS, PACKET_WORDS, REGISTERS, SLOT_WORDS, Meta, Received

from ..streams import PERIOD, pack, unpack

ALL = (1 << WORD_BITS // 8) - 1


def sealed(body):
    """``body`` with its CRC."""
    return body + zlib.crc32(body).to_bytes(frames.CHECK_BYTES, "little")


def is_good(frame):
    """Whether a receiver must take ``frame``, CRC included."""
    return 4 + frames.CHECK_BYTES <= len(frame) <= frames.FRAME_BYTES and sealed(frame[: -frames.CHECK_BYTES]) == frame


def on_line(frame):
    """``frame`` as it goes over a serial line."""
    return b"\0" + cobs.encode(frame) + b"\0"


def from_line(wire):
    """(frames that must be taken, number of damaged ones) of the bytes of a serial line."""
    good, damaged = [], 0
    for part in wire.split(b"\0")[:-1]:
        try:
            frame = cobs.decode(part)
        except cobs.DecodeError:
            frame = b""
        if part and is_good(frame):
            good.append(frame)
        elif part:
            damaged += 1
    return good, damaged


def random_body(random, most=60):
    """Bytes of a frame without CRC, with zeros more often than chance has them, or none, or nothing else."""
    length = random.choice((4, 5, 6, 7, random.randint(4, most)))
    kind = random.randrange(4)
    choices = (range(256), range(1, 256), (0,), (0, 0, 0, 1, 255))[kind]
    return bytes(random.choice(choices) for _ in range(length))


def damaged(random, wire):
    """``wire`` with a byte or a bit of it changed, lost, doubled, inserted, or cut short."""
    place, wire = random.randrange(len(wire)), bytearray(wire)
    kind = random.randrange(6)
    if kind == 0:
        wire[place] ^= 1 << random.randrange(8)
    elif kind == 1:
        del wire[place]
    elif kind == 2:
        wire.insert(place, wire[place])
    elif kind == 3:
        wire.insert(place, random.randrange(256))
    elif kind == 4:
        wire[place] = random.randrange(256)
    else:
        del wire[place:]
    return bytes(wire)


async def send_bits(line, data, bit, stop=1):
    """Send ``data`` over ``line``; a bit takes ``bit`` cycles, which need not be a whole number; ``stop`` bit level."""
    ideal = actual = 0.0
    for byte in data:
        for level in (0, *(byte >> n & 1 for n in range(8)), stop):
            line.value = level
            ideal += bit * PERIOD
            step = round(ideal - actual)
            actual += step
            await Timer(step, unit="ns")
    line.value = 1


class LineMonitor:
    """Collects the bytes of a serial line in ``data``; asserts start and stop bits."""

    def __init__(self, line, divisor):
        self.line, self.divisor, self.data = line, divisor, bytearray()
        cocotb.start_soon(self._run())

    async def _run(self):
        while True:
            await FallingEdge(self.line)
            await Timer(self.divisor * PERIOD // 2, unit="ns")
            assert not int(self.line.value), "a start bit is too short"
            byte = 0
            for n in range(8):
                await Timer(self.divisor * PERIOD, unit="ns")
                byte |= int(self.line.value) << n
            await Timer(self.divisor * PERIOD, unit="ns")
            assert int(self.line.value), "a stop bit is missing"
            self.data.append(byte)


class Cpu:
    """Registers and packet memory as the CPU sees them."""

    def __init__(self, dut):
        self.dut = dut
        dut.cpu_request.value = 0
        for name, (_, access, _) in REGISTERS.items():
            strobe = getattr(dut, f"{name.lower()}_{'pop' if access == 'p' else 'write'}", None)
            if strobe is not None:
                strobe.value = 0

    async def write(self, name, value):
        """Write register ``name``: a number, or the fields of its layout as a pair (layout, dictionary)."""
        name = name.lower()
        getattr(self.dut, name).value = pack(*value) if isinstance(value, tuple) else value
        strobe = getattr(self.dut, f"{name}_write")
        strobe.value = 1
        await RisingEdge(self.dut.clk)
        strobe.value = 0

    async def read(self, name):
        """Value of register ``name``, taken if reading takes it."""
        name = name.lower()
        pop = getattr(self.dut, f"{name}_pop", None)
        if pop is not None:
            pop.value = 1
        await ReadOnly()
        value = int(getattr(self.dut, name).value)
        await RisingEdge(self.dut.clk)
        if pop is not None:
            pop.value = 0
        return value

    async def access(self, address, data=0, select=0):
        """A word of the packet memory; with ``select`` these bytes of it are written instead."""
        dut = self.dut
        dut.cpu_address.value, dut.cpu_data_in.value, dut.cpu_select.value = address, data, select
        dut.cpu_write.value, dut.cpu_request.value = int(select != 0), 1
        while True:
            await ReadOnly()
            done, value = int(dut.cpu_ack.value), int(dut.cpu_data_out.value)
            await RisingEdge(dut.clk)
            if done:
                dut.cpu_request.value = 0
                return value

    async def store(self, address, data):
        """Write the bytes ``data`` from word ``address`` on, whole words, round the memory's end."""
        for n in range(0, len(data), WORD_BITS // 8):
            word = int.from_bytes(data[n : n + WORD_BITS // 8], "little")
            await self.access((address + n // 4) % PACKET_WORDS, word, ALL)

    async def load(self, address, length):
        """``length`` bytes from word ``address`` on."""
        words = [await self.access(address + n) for n in range(-(-length * 8 // WORD_BITS))]
        return b"".join(word.to_bytes(WORD_BITS // 8, "little") for word in words)[:length]

    async def next_frame(self):
        """(slot, fields of its ``Meta``) of the oldest received frame, or None."""
        received = unpack(Received, await self.read("RX_NEXT"))
        if not received["valid"]:
            return None
        slot = received["slot"]
        meta = await self.load(slot * SLOT_WORDS, META_WORDS * WORD_BITS // 8)
        return slot, unpack(Meta, int.from_bytes(meta, "little"))

    async def frame(self, slot, meta):
        """Bytes of a received frame, without CRC."""
        return await self.load(slot * SLOT_WORDS + META_WORDS, meta["length"])
