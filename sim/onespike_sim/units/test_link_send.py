"""Sender with the packet memory: COBS frames and datagrams against ``cobs`` and ``zlib``, text, blocked ways."""

import cocotb
from amaranth.hdl import unsigned
from cobs import cobs
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from onespike.contract.frames import CHECK_BYTES, FRAME_BYTES
from onespike.contract.soc import PACKET_WORDS, Link, Send
from onespike_hw.link.interfaces import datagram_out

from ..streams import PERIOD, Sink, cycles, pack, rng, start
from .link import Cpu, on_line, sealed
from .link_benches import PATIENCE

BLOCKS = (0, 1, 249, 250, 251, 253, 254, 255, 503, 504, 508, 509, FRAME_BYTES - CHECK_BYTES)
"""Lengths of frames, without CRC, at which blocks of 254 bytes end about here or there."""


class Bench:
    """Sender, its two ways out, and what the packet memory holds."""

    def __init__(self, dut, name, stall=0.0):
        self.dut, self.random, self.cpu = dut, rng(name), Cpu(dut)
        self.uart, self.udp = Sink(dut, "uart", unsigned(8), stall), Sink(dut, "udp", datagram_out, stall)
        self.memory = bytearray()
        dut.uart_busy.value = dut.send_write.value = 0

    async def fill(self):
        """Stretches of bytes that are all zero, never zero, or anything."""
        await start(self.dut)
        random, size = self.random, PACKET_WORDS * 4
        while len(self.memory) < size:
            choices = random.choice((range(256), range(1, 256), range(1, 256), (0,), (0, 1, 255)))
            self.memory += bytes(random.choice(choices) for _ in range(random.choice((3, 20, 300, 600))))
        del self.memory[size:]
        await self.cpu.store(0, self.memory)

    def bytes_at(self, word, length):
        """Bytes from ``word`` on, round the memory's end."""
        return (bytes(self.memory) * 2)[4 * word :][:length]

    async def send(self, word, length, link, text=0, address=0, port=0):
        """Start a frame."""
        fields = {"word": word, "length": length, "link": link.value, "text": text, "reserved": 0}
        self.dut.peer.value = address | port << 32
        await self.cpu.write("SEND", pack(Send, fields))

    async def done(self):
        """Wait for its end."""
        await RisingEdge(self.dut.clk)
        while int(self.dut.sending.value):
            await RisingEdge(self.dut.clk)

    def datagram(self, data, address, port):
        """What the UDP stream carries for the frame ``data``, its CRC included."""
        common = {"length": len(data), "address": address, "port": port}
        return [{"data": byte, "last": int(n == len(data) - 1), **common} for n, byte in enumerate(data)]

    def frames(self, number):
        """(word, length) of frames at all boundaries, then random ones."""
        random = self.random
        for length in BLOCKS:
            yield random.randrange(PACKET_WORDS), length
        for _ in range(number):
            yield random.randrange(PACKET_WORDS), random.choice((random.randrange(12), random.randrange(80)))


@cocotb.test()
async def frames_on_the_uart(dut):
    """A thousand frames are what ``cobs`` and ``zlib`` make of them."""
    bench = Bench(dut, "send uart")
    await bench.fill()
    for word, length in bench.frames(1000):
        bench.uart.values.clear()
        await bench.send(word, length, Link.UART)
        await bench.done()
        assert bytes(bench.uart.values) == on_line(sealed(bench.bytes_at(word, length))), (word, length)
    assert not bench.udp.values


@cocotb.test()
async def whole_memory(dut):
    """The longest lengths that can be asked for: all four kinds of content, many blocks."""
    bench = Bench(dut, "send long")
    await bench.fill()
    for _ in range(4):
        word, length = bench.random.randrange(PACKET_WORDS), 4095 - bench.random.randrange(5)
        bench.uart.values.clear()
        await bench.send(word, length, Link.UART)
        await bench.done()
        coded = bytes(bench.uart.values)
        assert cobs.decode(coded[1:-1]) == sealed(bench.bytes_at(word, length))


@cocotb.test()
async def all_zero_and_never_zero(dut):
    """Frames of one byte value, at every length round the ends of blocks."""
    bench = Bench(dut, "send edges")
    await start(dut)
    for fill in (0, 1, 255):
        await bench.cpu.store(0, bytes([fill]) * 520)
        for length in (*range(4, 10), *range(246, 260), *range(500, 514)):
            bench.uart.values.clear()
            await bench.send(0, length, Link.UART)
            await bench.done()
            assert bytes(bench.uart.values) == on_line(sealed(bytes([fill]) * length)), (fill, length)


@cocotb.test()
async def both_ways_with_stalls(dut):
    """UART, UDP and text in turn, while the CPU reads and the ways out stall."""
    bench = Bench(dut, "send stalls", stall=0.3)
    await bench.fill()
    random = bench.random

    async def reader():
        while True:
            word = random.randrange(PACKET_WORDS)
            assert await bench.cpu2.access(word) == int.from_bytes(bench.bytes_at(word, 4), "little")

    bench.cpu2 = Cpu(dut)
    cocotb.start_soon(reader())
    for word, length in bench.frames(150):
        data = bench.bytes_at(word, length)
        bench.uart.values.clear()
        bench.udp.values.clear()
        kind, address, port = random.randrange(3), random.getrandbits(32), random.getrandbits(16)
        await bench.send(word, length, (Link.UART, Link.UDP, Link.UART)[kind], int(kind == 2), address, port)
        await bench.send(word + 1, length + 1, random.choice(list(Link)))  # one at a time: this does nothing
        dut.peer.value = 0
        await bench.done()
        expected = (on_line(sealed(data)), b"", data)[kind]
        assert bytes(bench.uart.values) == expected
        assert bench.udp.values == (bench.datagram(sealed(data), address, port) if kind == 1 else [])


@cocotb.test()
async def pace(dut):
    """A byte of a datagram in less than six cycles: the way out must have one every eight."""
    bench = Bench(dut, "send pace")
    await bench.fill()
    length = FRAME_BYTES - CHECK_BYTES
    await bench.send(0, length, Link.UDP)
    begun = get_sim_time("ns")
    await bench.done()
    assert (get_sim_time("ns") - begun) / PERIOD < 6 * length
    assert len(bench.udp.values) == length + CHECK_BYTES


@cocotb.test()
async def sending_until_the_line_is_idle(dut):
    """The last byte being taken is not the end while the UART is busy."""
    bench = Bench(dut, "send busy")
    await start(dut)
    dut.uart_busy.value = 1
    for text in (0, 1):
        await bench.send(0, 4, Link.UART, text)
        await cycles(dut, 200)
        assert int(dut.sending.value)
        dut.uart_busy.value = 0
        await cycles(dut, 3)
        assert not int(dut.sending.value)
        dut.uart_busy.value = 1


@cocotb.test()
async def blocked_datagram(dut):
    """It is given up and filled up later; the UART works meanwhile, other datagrams are lost, the next is whole."""
    bench = Bench(dut, "send blocked")
    await bench.fill()
    for taken in (0, 1, 17, 103):
        length, address = 100, bench.random.getrandbits(32)
        data = sealed(bench.bytes_at(5, length))
        whole = bench.datagram(data, address, 7)
        bench.udp.values.clear()
        bench.udp.stall = 0.0 if taken else 1.0
        await bench.send(5, length, Link.UDP, address=address, port=7)
        while taken and len(bench.udp.values) < taken:
            await RisingEdge(dut.clk)
        bench.udp.stall = 1.0
        await cycles(dut, PATIENCE - 10)
        assert int(dut.sending.value)
        await cycles(dut, 20)
        assert not int(dut.sending.value)
        here = len(bench.udp.values)
        for link in (Link.UDP, Link.UART):
            bench.uart.values.clear()
            await bench.send(300, 50, link, address=1, port=1)
            await bench.done()
        assert bytes(bench.uart.values) == on_line(sealed(bench.bytes_at(300, 50)))
        assert len(bench.udp.values) == here
        bench.udp.stall = 0.0
        await cycles(dut, length + 10)
        assert len(bench.udp.values) == len(whole)
        assert bench.udp.values[: here + 1] == whole[: here + 1]
        assert [{**value, "data": 0} for value in bench.udp.values] == [{**value, "data": 0} for value in whole]
        bench.udp.values.clear()
        await bench.send(5, length, Link.UDP, address=address, port=7)
        await bench.done()
        assert bench.udp.values == whole
