"""The link engine with a boot record: what the firmware gets, and what host and terminal do not."""

import cocotb

from onespike.contract import boot
from onespike.contract.boards import system
from onespike.contract.frames import CHECK_BYTES
from onespike.contract.soc import SEND_WORD, SESSION_SHIFT, SLOTS, Link, Send
from onespike_hw.link.interfaces import datagram_in

from ..streams import PERIOD, Source, cycles, rng, start
from .boot_flash import SerialFlash
from .link import Cpu, LineMonitor, damaged, is_good, on_line, random_body, sealed, send_bits

CONFIG = system("virtual-tiny")
ALL = (1 << SLOTS) - 1


class Bench:
    """The engine, a flash, a CPU that keeps the slot of a frame for a while, a line, a sender of datagrams."""

    def __init__(self, dut, name, content, bites):
        self.dut, self.random, self.cpu = dut, rng(name), Cpu(dut)
        self.flash = SerialFlash(dut, content, CONFIG.flash_address, 4, 3 * PERIOD - 1)
        self.line = LineMonitor(dut.uart_tx, CONFIG.divisor)
        self.udp = Source(dut, "udp_rx", datagram_in)
        self.got = {link: [] for link in Link}
        dut.core_reset.value, dut.uart_rx.value = 0, 1
        dut.bites.value = bites % (1 << 8 - SESSION_SHIFT)
        for stream in ("pixels", "program", "udp_tx"):
            getattr(dut, f"{stream}__ready").value = 0

    async def start(self):
        """Reset; then the firmware tests its memory and enables reception."""
        await start(self.dut)
        await self.cpu.write("RX_USE", 0)
        await self.serial(on_line(sealed(b"too early")))
        assert not self.flash.selected
        await self.cpu.write("RX_USE", ALL)

    async def serial(self, data):
        """Send the bytes ``data`` over the serial line."""
        await send_bits(self.dut.uart_rx, data, CONFIG.divisor)
        await cycles(self.dut, 20)

    async def datagram(self, frame):
        """Send ``frame`` as the payload of a datagram."""
        common = {"error": 0, "address": 1, "port": 2}
        await self.udp.send({"data": b, "last": int(n == len(frame) - 1), **common} for n, b in enumerate(frame))

    async def serve(self, idle, pause=0):
        """Take frames, answer those of the UART, and free their slots, until ``idle`` cycles bring nothing.

        After each frame comes a ``pause`` (cycles).

        Asserts that the record's frames come one at a time.
        """
        rest = idle
        while rest > 0:
            received = await self.cpu.next_frame()
            if received is None:
                await cycles(self.dut, 10)
                rest -= 10
                continue
            slot, meta = received
            link = Link(meta["link"])
            frame = await self.cpu.frame(slot, meta)
            self.got[link].append(frame)
            rest = idle
            if link is Link.UART:
                assert meta["address"] == meta["port"] == 0
                await self._others()
                await self.answer(8)
            await cycles(self.dut, pause)
            await self.cpu.write("RX_FREE", slot)

    async def _others(self):
        """Keep a slot for some time, in which datagrams are taken and nothing else comes."""
        for _ in range(self.random.randrange(12)):
            await cycles(self.dut, 30)
            received = await self.cpu.next_frame()
            if received is not None:
                slot, meta = received
                assert Link(meta["link"]) is Link.UDP, "the next frame came before this one's slot was free"
                self.got[Link.UDP].append(await self.cpu.frame(slot, meta))
                await self.cpu.write("RX_FREE", slot)

    async def answer(self, length):
        """Send so many bytes over the UART, if nothing is being sent."""
        if not await self.cpu.read("SENDING"):
            fields = {"word": SEND_WORD, "length": length, "link": Link.UART.value, "text": 0, "reserved": 0}
            await self.cpu.write("SEND", (Send, fields))
            await cycles(self.dut, 2)

    async def sent(self):
        """Wait until nothing is being sent."""
        while await self.cpu.read("SENDING"):
            pass

    async def counts(self):
        """(received, damaged, dropped)"""
        return tuple([await self.cpu.read(f"RX_{name}") for name in ("FRAMES", "DAMAGED", "DROPPED")])


def received(content, bites):
    """The frames, without CRC, that the firmware must get of a record, and how many are damaged."""
    result, played = [], boot.decode(content)
    for number, frame in enumerate(played):
        if is_good(frame):
            body = bytearray(frame[:-CHECK_BYTES])
            if number:
                body[boot.SESSION_AT] = boot.session_number(bites)
            result.append(bytes(body))
    return result, len(played) - len(result)


@cocotb.test()
@cocotb.parametrize(bites=[0, 3, 0x27])
async def the_record_comes_first(dut, bites):
    """Its good frames arrive one at a time, with the session's number, while datagrams come too; the line is deaf."""
    random = rng(f"boot engine {bites}")
    played = [sealed(random_body(random)) for _ in range(14)]
    for spoilt in random.sample(range(14), 3):
        played[spoilt] = damaged(random, played[spoilt]) or b"?"
    expected, wrong = received(boot.join(played), bites)
    bench = Bench(dut, f"boot engine {bites}", boot.join(played), bites)
    await bench.start()
    datagrams = [sealed(random_body(random)) for _ in range(40)]

    async def udp_host():
        for frame in datagrams:
            await bench.datagram(frame)
            await cycles(dut, 500)

    host = cocotb.start_soon(udp_host())
    terminal = cocotb.start_soon(bench.serial(b"\0name%" + on_line(sealed(b"not now"))))
    await bench.serve(3000)
    await host
    await terminal
    await bench.serve(1000)
    assert bench.got[Link.UART] == expected
    assert bench.got[Link.UDP] == [frame[:-CHECK_BYTES] for frame in datagrams]
    assert await bench.counts() == (len(expected) + len(datagrams), wrong, 0)
    assert bench.line.data == b"", "an answer to the record was seen"


@cocotb.test()
async def a_flood_of_datagrams(dut):
    """Datagrams that fill every slot take none from the record: all of its frames arrive."""
    random = rng("boot flood")
    played = [sealed(random.randbytes(4)) for _ in range(60)]
    expected, _ = received(boot.join(played), 0)
    bench = Bench(dut, "boot flood", boot.join(played), 0)
    await bench.start()

    async def flood():
        while len(bench.got[Link.UART]) < len(expected):
            await bench.datagram(sealed(random.randbytes(random.randrange(4, 8))))

    host = cocotb.start_soon(flood())
    await bench.serve(3000, pause=150)
    await host
    received_frames, wrong, dropped = await bench.counts()
    assert bench.got[Link.UART] == expected and dropped > len(expected)
    assert (received_frames, wrong) == (len(expected) + len(bench.got[Link.UDP]), 0)


@cocotb.test()
async def then_the_line(dut):
    """Without a record the UART is at work at once: idle until a byte has come and what was being sent is out."""
    bench = Bench(dut, "boot line", bytes(20), 0)
    cpu = bench.cpu
    await bench.start()
    await cpu.store(SEND_WORD, bench.random.randbytes(128))
    await cycles(dut, 1000)
    assert not bench.line.data and int(dut.flash_cs_n.value)
    await bench.answer(128)
    await bench.serial(b"\0")
    assert await cpu.read("SENDING"), "the answer was too short for this test"
    await bench.serial(on_line(sealed(b"a host's frame")) + damaged(bench.random, on_line(sealed(b"a bad one"))) + b"\0")
    await bench.sent()
    assert bench.line.data == b""
    slot, meta = await cpu.next_frame()
    assert await cpu.frame(slot, meta) == b"a host's frame" and await cpu.next_frame() is None
    assert await bench.counts() == (1, 1, 0)
    await bench.answer(8)
    await bench.sent()
    assert bench.line.data == on_line(sealed(await cpu.load(SEND_WORD, 8)))
