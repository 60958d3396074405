"""Feeds from the packet memory to the core: every length, wrap, stalls, slots, core resets."""

import cocotb
from amaranth.hdl import unsigned
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from onespike.contract.soc import FEEDS, PACKET_WORDS, SEND_WORD, SLOTS, Feed, Sink
from onespike_hw.link.interfaces import datagram_in

from .. import streams
from ..streams import PERIOD, Source, cycles, rng, start
from .link import Cpu, sealed

NO_SLOT = SLOTS
CORE_RESET_CYCLES = 64


class Bench:
    """The engine, the core's two streams, and what the packet memory holds."""

    def __init__(self, dut, name, stall=0.0):
        self.dut, self.random, self.cpu = dut, rng(name), Cpu(dut)
        self.pixels = streams.Sink(dut, "pixels", unsigned(8), stall)
        self.program = streams.Sink(dut, "program", unsigned(32), stall)
        self.udp = Source(dut, "udp_rx", datagram_in)
        self.memory = b""
        dut.core_reset.value, dut.uart_rx.value = 0, 1

    async def fill(self):
        """Random bytes everywhere."""
        await start(self.dut)
        self.memory = self.random.randbytes(4 * PACKET_WORDS)
        await self.cpu.store(0, self.memory)

    async def feed(self, word, length, sink=Sink.PIXELS, zero=0, slot=NO_SLOT):
        """Queue a feed; returns what the core must get of it."""
        fields = {"word": word, "length": length, "sink": sink.value, "zero": zero, "slot": slot, "reserved": 0}
        await self.cpu.write("FEED", (Feed, fields))
        data = bytes(length) if zero else (self.memory * 3)[4 * word :][:length]
        if sink is Sink.PIXELS:
            return list(data)
        return [int.from_bytes(data[n : n + 4], "little") for n in range(0, length, 4)]

    async def done(self, count):
        """Wait until ``FEEDS_DONE`` is ``count`` or more."""
        for _ in range(200_000):
            if await self.cpu.read("FEEDS_DONE") >= count:
                return
        raise AssertionError(f"{await self.cpu.read('FEEDS_DONE')} feeds are done of {count}")

    async def receive(self):
        """Send a small datagram; returns the slot that it came into, None without one."""
        data = sealed(self.random.randbytes(5))
        common = {"error": 0, "address": 1, "port": 2}
        await self.udp.send({"data": b, "last": int(n == len(data) - 1), **common} for n, b in enumerate(data))
        await cycles(self.dut, 20)
        frame = await self.cpu.next_frame()
        return frame and frame[0]


async def mixed(dut, stall, number):
    """Random feeds with the queue as full as may be, while the CPU reads and writes its own part."""
    bench = Bench(dut, f"feed {stall}", stall)
    await bench.fill()
    random, cpu = bench.random, Cpu(dut)
    shadow, running = {}, True

    async def contend():
        while running:
            word = random.randrange(SEND_WORD, PACKET_WORDS)
            if random.random() < 0.5:
                shadow[word] = random.getrandbits(32)
                await cpu.access(word, shadow[word], 15)
            elif word in shadow:
                assert await cpu.access(word) == shadow[word]
            else:
                await cpu.access(word)

    contender = cocotb.start_soon(contend())
    pixels, program = [], []
    for count in range(number):
        if count >= FEEDS:
            await bench.done(count - FEEDS + 1)
        sink = random.choice(list(Sink))
        length = random.choice((0, 4, 4 * random.randrange(30), random.randrange(100)))
        if sink is Sink.PROGRAM:
            length &= ~3
        zero = int(random.random() < 0.2)
        word = random.randrange(SEND_WORD - 30)
        expected = await bench.feed(word, length, sink, zero)
        (pixels if sink is Sink.PIXELS else program).extend(expected)
    await bench.done(number)
    running = False
    await contender
    assert bench.pixels.values == pixels
    assert bench.program.values == program
    for word, value in shadow.items():
        assert await bench.cpu.access(word) == value


@cocotb.test()
async def many_feeds(dut):
    """Pixels and program words come in order, once, whatever the core's pace."""
    for stall in (0.0, 0.5):
        await mixed(dut, stall, 150)


@cocotb.test()
async def odd_values(dut):
    """Round the memory's end, longer than the memory, no bytes, half a word of a program: nothing hangs."""
    bench = Bench(dut, "feed odd")
    await bench.fill()
    whole = (1 << 14) - 1
    cases = [(PACKET_WORDS - 1, 9, Sink.PIXELS), (PACKET_WORDS - 2, 16, Sink.PROGRAM), (7, whole, Sink.PIXELS)]
    for n, (word, length, sink) in enumerate(cases):
        collected = bench.pixels if sink is Sink.PIXELS else bench.program
        collected.values.clear()
        expected = await bench.feed(word, length, sink)
        await bench.done(n + 1)
        assert collected.values == expected
    bench.program.values.clear()
    expected = await bench.feed(3, 8, Sink.PROGRAM)
    await bench.feed(3, 0, Sink.PROGRAM)
    await bench.feed(3, 6, Sink.PROGRAM)
    await bench.feed(3, 0, Sink.PIXELS)
    await bench.done(len(cases) + 4)
    assert bench.program.values == 2 * expected


@cocotb.test()
async def pace(dut):
    """A byte per cycle, a word in two, but for a few cycles of each feed; zeros are no slower."""
    bench = Bench(dut, "feed pace")
    await bench.fill()
    for count, (sink, zero, most) in enumerate(((Sink.PIXELS, 0, 1), (Sink.PIXELS, 1, 1), (Sink.PROGRAM, 0, 0.5))):
        begun = get_sim_time("ns")
        await bench.feed(0, 1024, sink, zero)
        await bench.done(count + 1)
        assert (get_sim_time("ns") - begun) / PERIOD <= 1024 * most + 12


@cocotb.test()
async def slots_of_feeds(dut):
    """A slot is free again when its feed is over, not before; a feed without one frees nothing."""
    bench = Bench(dut, "feed slots")
    await bench.fill()
    assert sorted([await bench.receive() for _ in range(SLOTS)]) == list(range(SLOTS))
    assert await bench.receive() is None
    order = bench.random.sample(range(SLOTS), SLOTS)
    bench.pixels.stall = 1.0
    for slot in order:
        await bench.feed(0, 8, slot=slot)
    await cycles(dut, 50)
    assert await bench.receive() is None
    bench.pixels.stall = 0.0
    await bench.done(SLOTS)
    assert [await bench.receive() for _ in range(SLOTS)] == list(range(SLOTS))
    for none in (SLOTS, 15):
        await bench.feed(0, 4, slot=none)
    await bench.done(SLOTS + 2)
    assert await bench.receive() is None


class Core:
    """A core's end of a stream that forgets everything while the core is reset; takes with probability ``pace``."""

    def __init__(self, dut, prefix, random):
        self.dut, self.prefix, self.random, self.pace, self.values = dut, prefix, random, 1.0, []
        cocotb.start_soon(self._run())

    async def _run(self):
        payload, valid, ready = (getattr(self.dut, f"{self.prefix}__{name}") for name in ("payload", "valid", "ready"))
        while True:
            ready.value = take = int(self.random.random() < self.pace)
            await ReadOnly()
            if int(self.dut.core_reset.value):
                self.values.clear()
            elif take and int(valid.value):
                self.values.append(int(payload.value))
            await RisingEdge(self.dut.clk)


@cocotb.test()
async def core_resets(dut):
    """Whatever is queued or half sent is gone, its slots are free; what comes during the reset is fed after it."""
    bench = Bench(dut, "feed reset")
    await bench.fill()
    random = bench.random
    cores = {sink: Core(dut, sink.name.lower(), random) for sink in Sink}
    for trial in range(30):
        sink = random.choice(list(Sink))
        core = cores[sink]
        assert sorted([await bench.receive() for _ in range(SLOTS)]) == list(range(SLOTS)), trial
        before = random.randrange(3)
        for _ in range(before):
            await bench.feed(9, 12, sink)
        await bench.done(before)
        core.pace = random.choice((0.5, 0.0))
        for slot in range(SLOTS):
            await bench.feed(5, random.choice((0, 4, 64, 1024)), sink, slot=slot)
        await cycles(dut, random.randrange(60))
        dut.core_reset.value = 1
        await cycles(dut, random.randrange(6, 20))
        expected = await bench.feed(40, 40, sink)
        await bench.feed(0, 0, sink)
        await cycles(dut, CORE_RESET_CYCLES)
        assert await bench.cpu.read("FEEDS_DONE") == 0
        dut.core_reset.value, core.pace = 0, 0.8
        await bench.done(2)
        assert core.values == expected
        dut.core_reset.value = 1
        await cycles(dut, CORE_RESET_CYCLES)
        dut.core_reset.value = 0
