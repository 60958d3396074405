"""The whole engine at once: receiving, feeding and sending on both links while the CPU works; text; resets."""

import cocotb
from amaranth.hdl import unsigned
from cocotb.triggers import ClockCycles, RisingEdge

from onespike.contract.boards import system
from onespike.contract.frames import PAYLOAD_BYTES, Image, size
from onespike.contract.soc import (
    META_WORDS,
    PACKET_WORDS,
    SEND_WORD,
    SLOT_WORDS,
    SLOTS,
    TEXT_DEPTH,
    Feed,
    Link,
    Send,
    Sink,
    Text,
)
from onespike_hw.link.interfaces import datagram_in, datagram_out

from .. import streams
from ..streams import Source, cycles, rng, start, unpack
from .link import Cpu, LineMonitor, from_line, on_line, sealed, send_bits

BIT = system("virtual-tiny").divisor
HEADER = size(Image)
REPLY_WORDS = 16
"""Words of the firmware's part that a reply is written to; the rest holds a pattern."""


class Bench:
    """The engine with all its streams, and a CPU."""

    def __init__(self, dut, name, stall=0.0):
        self.dut, self.random, self.cpu = dut, rng(name), Cpu(dut)
        self.udp = Source(dut, "udp_rx", datagram_in, stall)
        dut.pixels__ready.value = dut.program__ready.value = 0
        self.out = streams.Sink(dut, "udp_tx", datagram_out, stall)
        dut.core_reset.value, dut.uart_rx.value = 0, 1

    async def datagram(self, frame, address=0, port=0):
        """Send ``frame`` as the payload of a datagram."""
        common = {"error": 0, "address": address, "port": port}
        await self.udp.send({"data": b, "last": int(n == len(frame) - 1), **common} for n, b in enumerate(frame))

    async def serial(self, data):
        """Send the bytes ``data`` over the serial line."""
        await send_bits(self.dut.uart_rx, data, BIT)
        await cycles(self.dut, 20)  # the engine takes the last byte

    async def send(self, word, length, link, text=0):
        """Send from the packet memory, when the frame before is out."""
        while await self.cpu.read("SENDING"):
            pass
        fields = {"word": word, "length": length, "link": link.value, "text": text, "reserved": 0}
        await self.cpu.write("SEND", (Send, fields))


@cocotb.test()
async def everything_at_once(dut):
    """Fragments of both links are fed to the core and answered on the link that they came from, to their sender."""
    bench = Bench(dut, "engine", stall=0.1)
    cpu, random = bench.cpu, bench.random
    line = LineMonitor(dut.uart_tx, BIT)
    pixels, program = (streams.Sink(dut, *port, 0.1) for port in (("pixels", unsigned(8)), ("program", unsigned(32))))
    await start(dut)
    pattern = random.randbytes(4 * (PACKET_WORDS - SEND_WORD - REPLY_WORDS))
    await cpu.store(SEND_WORD + REPLY_WORDS, pattern)

    def fragments(number):
        lengths = (random.choice((4, 40, 4 * random.randrange(1, 60), PAYLOAD_BYTES)) for _ in range(number))
        return [random.randbytes(HEADER + length) for length in lengths]

    sent = {Link.UART: fragments(12), Link.UDP: fragments(150)}
    peers = [(random.getrandbits(32), random.getrandbits(16)) for _ in sent[Link.UDP]]
    open_slots = set()

    async def udp_host():
        for body, peer in zip(sent[Link.UDP], peers, strict=True):
            while len(open_slots) > SLOTS - 3:
                await ClockCycles(dut.clk, 20)
            await bench.datagram(sealed(body), *peer)
            await ClockCycles(dut.clk, 300)

    hosts = [
        cocotb.start_soon(udp_host()),
        cocotb.start_soon(bench.serial(b"".join(on_line(sealed(body)) for body in sent[Link.UART]))),
    ]
    expected = {Sink.PIXELS: [], Sink.PROGRAM: []}
    replies, got, feeds, done = {Link.UART: b"", Link.UDP: []}, {link: [] for link in Link}, [], 0
    total = sum(map(len, sent.values()))
    while done < total:
        now = await cpu.read("FEEDS_DONE")
        for slot in feeds[done:now]:
            open_slots.discard(slot)
        done = now
        received = await cpu.next_frame()
        if received is None:
            continue
        slot, meta = received
        assert slot not in open_slots, "a slot has two owners"
        open_slots.add(slot)
        link, word = Link(meta["link"]), slot * SLOT_WORDS + META_WORDS
        body = sent[link][len(got[link])]
        got[link].append(await cpu.load(word, HEADER))
        assert meta["length"] == len(body) and got[link][-1] == body[:HEADER]
        sink = random.choice(list(Sink))
        fields = {"word": word + HEADER // 4, "length": len(body) - HEADER, "sink": sink.value}
        await cpu.write("FEED", (Feed, {**fields, "zero": 0, "slot": slot, "reserved": 0}))
        feeds.append(slot)
        payload = body[HEADER:]
        words = [int.from_bytes(payload[n : n + 4], "little") for n in range(0, len(payload), 4)]
        expected[sink] += payload if sink is Sink.PIXELS else words
        while await cpu.read("SENDING"):
            pass
        await cpu.store(SEND_WORD, body[:HEADER])
        await cpu.write("SEND_ADDRESS", meta["address"])
        await cpu.write("SEND_PORT", meta["port"])
        await bench.send(SEND_WORD, HEADER, link)
        reply = sealed(body[:HEADER])
        if link is Link.UART:
            replies[link] += on_line(reply)
        else:
            common = {"length": len(reply), "address": meta["address"], "port": meta["port"]}
            replies[link] += [
                {"data": byte, "last": int(n == len(reply) - 1), **common} for n, byte in enumerate(reply)
            ]
            assert (meta["address"], meta["port"]) == peers[len(got[link]) - 1]
    while await cpu.read("SENDING"):
        pass
    for host in hosts:
        await host
    assert pixels.values == expected[Sink.PIXELS] and program.values == expected[Sink.PROGRAM]
    assert bench.out.values == replies[Link.UDP]
    assert bytes(line.data) == replies[Link.UART]
    assert from_line(bytes(line.data)) == ([sealed(body[:HEADER]) for body in sent[Link.UART]], 0)
    assert await cpu.load(SEND_WORD + REPLY_WORDS, len(pattern)) == pattern
    assert [await cpu.read(f"RX_{name}") for name in ("FRAMES", "DAMAGED", "DROPPED")] == [total, 0, 0]


async def read_text(cpu):
    """Bytes in the text FIFO."""
    result = bytearray()
    while (value := unpack(Text, await cpu.read("TEXT")))["valid"]:
        result.append(value["byte"])
    return bytes(result)


@cocotb.test()
async def text(dut):
    """Bytes of the line as they are while enabled, as many as fit; disabling forgets them; frames still arrive."""
    bench, line = Bench(dut, "engine text"), LineMonitor(dut.uart_tx, BIT)
    cpu = bench.cpu
    await start(dut)
    await bench.serial(b"not seen")
    assert await read_text(cpu) == b""
    await cpu.write("TEXT_ENABLE", 1)
    command = bench.random.randbytes(TEXT_DEPTH)
    await bench.serial(command + b"lost")
    assert await read_text(cpu) == command
    await bench.serial(b"name%")
    await cpu.write("TEXT_ENABLE", 0)
    await cycles(dut, 2)
    await cpu.write("TEXT_ENABLE", 1)
    assert await read_text(cpu) == b""
    wire = on_line(sealed(b"a frame"))
    await bench.serial(b"\0" + wire)
    assert await read_text(cpu) == b"\0" + wire
    slot, meta = await cpu.next_frame()
    assert await cpu.frame(slot, meta) == b"a frame"
    answer = b"m-ready\r\n\0"
    await cpu.store(SEND_WORD, answer)
    await bench.send(SEND_WORD, len(answer), Link.UART, text=1)
    await RisingEdge(dut.clk)
    while await cpu.read("SENDING"):
        pass
    assert line.data == answer, "SENDING ended before the last bit"


@cocotb.test()
async def reset_in_the_middle(dut):
    """A reset while everything is on its way leaves nothing behind, the UART's line idle, all slots free."""
    bench = Bench(dut, "engine reset")
    cpu = bench.cpu
    await start(dut)
    wire = on_line(sealed(b"cut in the middle"))
    for trial in range(5):
        await cpu.write("TEXT_ENABLE", 1)
        for _ in range(3):
            await bench.datagram(sealed(b"datagram"))
        await cycles(dut, 20)
        slot, _ = await cpu.next_frame()
        fields = {"word": 0, "length": 400, "sink": Sink.PIXELS.value, "zero": 0, "slot": slot, "reserved": 0}
        await cpu.write("FEED", (Feed, fields))
        await cpu.write("RX_USE", 1)
        await bench.send(0, 100, Link.UART)
        await bench.serial(wire[: 5 + trial])
        dut.rst.value = 1
        await cycles(dut, 1)
        dut.rst.value = 0
        await cycles(dut, 1)
        assert int(dut.uart_tx.value) and not await cpu.read("SENDING")
        assert not await cpu.read("FEEDS_DONE") and not int(dut.pixels__valid.value)
        assert [await cpu.read(f"RX_{name}") for name in ("FRAMES", "DAMAGED", "DROPPED")] == [0, 0, 0]
        assert await cpu.next_frame() is None and await read_text(cpu) == b""
        await cycles(dut, 12 * BIT)
        for n in range(SLOTS + 1):
            await bench.datagram(sealed(b"slot" + bytes([n])))
        await cycles(dut, 20)
        slots = [(await cpu.next_frame())[0] for _ in range(SLOTS)]
        assert sorted(slots) == list(range(SLOTS)) and await cpu.next_frame() is None
        for slot in slots:
            await cpu.write("RX_FREE", slot)
        await bench.serial(wire[5 + trial :] + wire)
        await cycles(dut, 20)
        slot, meta = await cpu.next_frame()
        assert await cpu.frame(slot, meta) == b"cut in the middle"
        await cpu.write("RX_FREE", slot)
        assert await read_text(cpu) == b"", "text is enabled after reset"
