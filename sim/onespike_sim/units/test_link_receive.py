"""Frames into slots, over both links at once: damage, shortage of slots, forbidden slots, who owns what."""

import cocotb
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time

from onespike.contract.boards import system
from onespike.contract.frames import CHECK_BYTES, FRAME_BYTES
from onespike.contract.soc import PACKET_WORDS, SEND_WORD, SLOT_WORDS, SLOTS, Link
from onespike_hw.link.interfaces import datagram_in

from ..streams import PERIOD, Source, cycles, rng, start
from .link import Cpu, damaged, from_line, is_good, on_line, random_body, sealed, send_bits

BIT = system("virtual-tiny").divisor
LONGEST = FRAME_BYTES - CHECK_BYTES


class Bench:
    """The engine, two hosts that send, and a CPU that takes frames and keeps their slots for a while."""

    def __init__(self, dut, name, keep=0, stall=0.0):
        self.dut, self.random, self.cpu = dut, rng(name), Cpu(dut)
        self.keep = keep
        self.udp = Source(dut, "udp_rx", datagram_in, stall)
        self.got = {link: [] for link in Link}
        self.owned, self.peers = [], []
        dut.core_reset.value, dut.uart_rx.value = 0, 1

    async def start(self):
        """Reset, and fill the memory with what must stay outside the slots."""
        await start(self.dut)
        self.outside = self.random.randbytes(4 * (PACKET_WORDS - SEND_WORD))
        await self.cpu.store(SEND_WORD, self.outside)

    async def datagram(self, frame, error=0, address=0, port=0):
        """Send ``frame`` as the payload of a datagram."""
        common = {"error": error, "address": address, "port": port}
        await self.udp.send({"data": b, "last": int(n == len(frame) - 1), **common} for n, b in enumerate(frame))

    async def serial(self, data, bit=BIT):
        """Send the bytes ``data`` over the serial line."""
        await send_bits(self.dut.uart_rx, data, bit)
        await cycles(self.dut, 1)  # what comes next may again be in step with the clock

    async def datagrams(self, frames):
        """Send ``frames`` one after the other."""
        for frame in frames:
            await self.datagram(frame)

    async def take(self):
        """Take the oldest frame, if there is one, and give back the slot that was kept longest."""
        received = await self.cpu.next_frame()
        if received is None:
            return False
        slot, meta = received
        assert slot not in self.owned and slot < SLOTS, "a slot has two owners"
        link = Link(meta["link"])
        self.got[link].append(await self.cpu.frame(slot, meta))
        if link is Link.UDP:
            self.peers.append((meta["address"], meta["port"]))
        else:
            assert meta["address"] == meta["port"] == 0
        self.owned.append(slot)
        if len(self.owned) > self.keep:
            await self.cpu.write("RX_FREE", self.owned.pop(0))
        return True

    async def serve(self):
        """Take frames for ever."""
        while True:
            if not await self.take():
                await ClockCycles(self.dut.clk, 10)

    async def finish(self):
        """Take what is left, then check the memory outside the slots."""
        await cycles(self.dut, 50)
        while await self.take():
            pass
        assert await self.cpu.load(SEND_WORD, len(self.outside)) == self.outside

    async def counts(self):
        """(received, damaged, dropped)"""
        return tuple([await self.cpu.read(f"RX_{name}") for name in ("FRAMES", "DAMAGED", "DROPPED")])


def uart_wire(random, number):
    """Bytes of ``number`` frames, one in three damaged, some with garbage before them."""
    wire = b""
    for _ in range(number):
        piece = on_line(sealed(random_body(random)))
        if random.random() < 0.33:
            piece = damaged(random, piece)
        if random.random() < 0.05:
            piece = random.randbytes(random.randrange(20)) + piece
        wire += piece
    return wire + b"\0"


def random_datagrams(random, number):
    """(bytes, error flag) of ``number`` datagrams, one in three damaged in some way."""
    result = []
    for _ in range(number):
        frame, error = sealed(random_body(random)), 0
        kind = random.randrange(15)
        if kind == 0:
            error = 1
        elif kind == 1:
            frame = sealed(random.randbytes(random.randrange(4)))
        elif kind == 2:
            frame = sealed(random.randbytes(LONGEST + random.randrange(1, 40)))
        elif kind < 5:
            frame = damaged(random, frame) or b"\0"
        result.append((frame, error))
    return result


@cocotb.test()
async def damage_on_both_links(dut):
    """Every good frame arrives, once, in order, with its sender; no damaged one does; all are counted."""
    bench = Bench(dut, "receive")
    random = bench.random
    await bench.start()
    server = cocotb.start_soon(bench.serve())
    wire, packets = uart_wire(random, 250), random_datagrams(random, 1200)
    peers = [(random.getrandbits(32), random.getrandbits(16)) for _ in packets]
    line = cocotb.start_soon(bench.serial(wire, BIT * 0.98))
    for (frame, error), peer in zip(packets, peers, strict=True):
        await bench.datagram(frame, error, *peer)
        await cycles(dut, 150 + random.randrange(40))  # a CPU needs time for a frame
    await line
    await bench.finish()
    server.cancel()
    uart_good, uart_damaged = from_line(wire)
    good = [not error and is_good(frame) for frame, error in packets]
    udp_good = [frame for (frame, _), right in zip(packets, good, strict=True) if right]
    assert bench.got[Link.UART] == [frame[:-CHECK_BYTES] for frame in uart_good]
    assert bench.got[Link.UDP] == [frame[:-CHECK_BYTES] for frame in udp_good]
    assert bench.peers == [peer for peer, right in zip(peers, good, strict=True) if right]
    whole = len(uart_good) + len(udp_good)
    assert await bench.counts() == (whole, uart_damaged + len(packets) - len(udp_good), 0)


@cocotb.test()
async def lengths(dut):
    """The shortest and the longest frames, and those beside them, at full speed on both links."""
    bench = Bench(dut, "receive lengths")
    await bench.start()
    server = cocotb.start_soon(bench.serve())
    sizes = (0, 1, 3, 4, 5, 6, 7, 8, LONGEST - 3, LONGEST - 2, LONGEST - 1, LONGEST, LONGEST + 1, LONGEST + 2, 2100)
    frames = [sealed(bench.random.randbytes(size)) for size in sizes]
    line = cocotb.start_soon(bench.serial(b"".join(map(on_line, frames))))
    for frame in frames:
        await bench.datagram(frame)
        await cycles(dut, 1000)
    await line
    await bench.finish()
    server.cancel()
    good = [frame[:-CHECK_BYTES] for frame in frames if is_good(frame)]
    assert bench.got == dict.fromkeys(Link, good)
    assert await bench.counts() == (2 * len(good), 2 * (len(frames) - len(good)), 0)


@cocotb.test()
async def back_to_back_datagrams(dut):
    """Datagrams without a pause, while the CPU works on the same memory: as many as there are slots, no more."""
    bench = Bench(dut, "receive burst")
    await bench.start()
    frames = [sealed(random_body(bench.random, 200)) for _ in range(2 * SLOTS)]
    sending = cocotb.start_soon(bench.datagrams(frames))
    while not sending.done():
        assert await bench.cpu.access(PACKET_WORDS - 1) == int.from_bytes(bench.outside[-4:], "little")
    await bench.finish()
    assert bench.got[Link.UDP] == [frame[:-CHECK_BYTES] for frame in frames[:SLOTS]]
    assert await bench.counts() == (SLOTS, 0, SLOTS)


@cocotb.test()
async def pace(dut):
    """A byte in less than five cycles (the wire needs eight), while the UART receives and the CPU uses the memory."""
    bench = Bench(dut, "receive pace")
    await bench.start()
    line = cocotb.start_soon(bench.serial(on_line(sealed(bench.random.randbytes(200)))))
    frame = sealed(bench.random.randbytes(LONGEST))
    begun = get_sim_time("ns")
    sending = cocotb.start_soon(bench.datagram(frame))
    while not sending.done():
        await bench.cpu.access(PACKET_WORDS - 1)
    assert (get_sim_time("ns") - begun) / PERIOD < 5 * len(frame)
    await line
    await bench.finish()
    assert bench.got[Link.UDP] == [frame[:-CHECK_BYTES]]


@cocotb.test()
async def too_few_slots(dut):
    """A CPU that keeps slots: what arrives is whole and in order, the rest is counted as dropped."""
    bench = Bench(dut, "receive starved", keep=SLOTS - 1, stall=0.2)
    random = bench.random
    await bench.start()
    server = cocotb.start_soon(bench.serve())
    uart = [sealed(random_body(random)) for _ in range(120)]
    udp = [sealed(random_body(random)) for _ in range(600)]
    line = cocotb.start_soon(bench.serial(b"".join(map(on_line, uart))))
    await bench.datagrams(udp)
    await line
    await bench.finish()
    server.cancel()
    for link, sent in ((Link.UART, uart), (Link.UDP, udp)):
        order = iter(frame[:-CHECK_BYTES] for frame in sent)
        assert all(frame in order for frame in bench.got[link]), "a frame is wrong or out of order"
    arrived = sum(map(len, bench.got.values()))
    assert await bench.counts() == (arrived, 0, len(uart) + len(udp) - arrived)
    assert arrived < len(uart) + len(udp)


@cocotb.test()
async def a_stopped_sender_holds_one_slot(dut):
    """In the middle of a frame on the UART nothing comes any more; datagrams pass, and the rest of it is good too."""
    bench = Bench(dut, "receive stopped", keep=SLOTS)
    await bench.start()
    frame, other = on_line(sealed(b"stopped here")), sealed(b"goes on")
    await bench.serial(frame[:8])
    for _ in range(3):
        for _ in range(SLOTS - 1):
            await bench.datagram(other)
        await bench.finish()
        for slot in bench.owned:
            await bench.cpu.write("RX_FREE", slot)
        bench.owned.clear()
    assert bench.got[Link.UDP] == 3 * (SLOTS - 1) * [b"goes on"]
    await bench.serial(frame[8:])
    await bench.finish()
    assert bench.got[Link.UART] == [b"stopped here"]


@cocotb.test()
async def forbidden_slots(dut):
    """Only slots of the mask are used; a frame on its way into one that is forbidden is dropped, and not written."""
    bench = Bench(dut, "receive mask", keep=SLOTS)
    await bench.start()
    await bench.cpu.write("RX_USE", 0b0101000)
    for n in range(4):
        await bench.datagram(sealed(b"datagram" + bytes([n])))
    await bench.finish()
    assert sorted(bench.owned) == [3, 5] and len(bench.got[Link.UDP]) == 2
    await bench.cpu.write("RX_USE", 0)
    await bench.datagram(sealed(b"nowhere"))
    await bench.finish()
    assert len(bench.owned) == 2
    await bench.cpu.write("RX_USE", 1)
    wire = on_line(sealed(b"on its way into slot 0"))
    await bench.serial(wire[:10])
    await bench.cpu.write("RX_USE", 0)
    await cycles(dut, 8)
    pattern = bench.random.randbytes(4 * SLOT_WORDS)
    await bench.cpu.store(0, pattern)
    await bench.cpu.write("RX_USE", (1 << SLOTS) - 1)
    await bench.serial(wire[10:])
    await bench.finish()
    assert not bench.got[Link.UART] and await bench.counts() == (2, 0, 4)
    assert await bench.cpu.load(0, len(pattern)) == pattern
    await bench.serial(wire)
    await bench.finish()
    assert bench.got[Link.UART] == [b"on its way into slot 0"] and bench.owned[-1] == 0
