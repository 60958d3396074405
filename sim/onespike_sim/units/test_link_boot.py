"""Boot records played from a flash: every frame as it stands there and no other, whatever the flash holds."""

import os

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract import boot, frames
from onespike.contract.soc import contract_id
from onespike_hw.link.boot import WAKE_BITS
from onespike_hw.link.interfaces import frame_part

from ..streams import PERIOD, Sink, cycles, rng, start
from .boot_flash import HOLD, SerialFlash
from .link import random_body, sealed

ADDRESS = 0x12_3456
"""Of the record in the tests' flash."""
DIVISOR = int(os.environ.get("ONESPIKE_DIVISOR", "4"))
HEAD_BITS = 8 * boot.CONTRACT_BYTES


class Bench:
    """The unit, a flash, and slots that are free again some cycles after the end of their frames."""

    def __init__(self, dut, name, stall=0.0):
        self.dut, self.random = dut, rng(name)
        self.sink = Sink(dut, "o", frame_part, stall)
        self.flash = None
        dut.start.value, dut.back.value = 0, 0

    async def reset(self, content):
        """Another flash, and a reset."""
        if self.flash is not None:
            self.flash.remove()
        delay = self.random.choice((HOLD, (DIVISOR - 1) * PERIOD - 1))
        self.flash = SerialFlash(self.dut, content, ADDRESS, DIVISOR, delay)
        self.dut.rst.value, self.dut.back.value = 1, 0
        await cycles(self.dut, 2)
        self.dut.rst.value = 0
        self.sink.values.clear()

    async def begin(self):
        """The first start, and others that must not matter."""
        for _ in range(2):
            self.dut.start.value = 1
            await RisingEdge(self.dut.clk)
            self.dut.start.value = 0
            await cycles(self.dut, self.random.randrange(60))

    async def slots(self, most):
        """Give a slot back at most ``most`` cycles after the frame's end; nothing of the next one may come before."""
        dut, values = self.dut, self.sink.values
        while True:
            await self._until(lambda: values and not values[-1]["end"])
            await self._until(lambda: values[-1]["end"])
            for _ in range(self.random.randrange(most + 1)):
                await ReadOnly()
                assert not int(dut.o__valid.value), "a frame began before its time"
                await RisingEdge(dut.clk)
            dut.back.value = 1
            await RisingEdge(dut.clk)
            dut.back.value = 0

    async def _until(self, condition):
        while not condition():
            await RisingEdge(self.dut.clk)

    async def play(self, content, most=300):
        """Play ``content`` to the end; the frames that came, as bytes."""
        await self.reset(content)
        keeper = cocotb.start_soon(self.slots(most))
        await self.begin()
        await self.over()
        keeper.cancel()
        return self.frames()

    async def over(self):
        """Wait for the end: the flash is left alone, and nothing more comes."""
        while True:
            await ReadOnly()
            playing = int(self.dut.playing.value)
            await RisingEdge(self.dut.clk)
            if not playing:
                break
        count, read = len(self.sink.values), self.flash.read
        await cycles(self.dut, 10 * DIVISOR)
        assert int(self.dut.flash_cs_n.value) and not int(self.dut.playing.value)
        assert (count, read) == (len(self.sink.values), self.flash.read)
        assert self.flash.selected == 1 and self.flash.wakes == WAKE_BITS

    def frames(self):
        """What came, frame by frame. Asserts that the session is marked where it stands."""
        result, frame = [], bytearray()
        for part in self.sink.values:
            assert part["present"] and not part["error"]
            assert part["session"] == (bool(result) and len(frame) == boot.SESSION_AT)
            frame.append(part["byte"])
            if part["end"]:
                result.append(bytes(frame))
                frame.clear()
        assert not frame, "a frame has no end"
        return result


def random_frames(random, number):
    """Frames of all lengths that there are, most of them with a right CRC."""
    bounds = (random.randbytes(length) for length in (1, 2, 3, boot.LONGEST))
    return [*bounds, *(sealed(random_body(random)) for _ in range(number))]


@cocotb.test()
async def records(dut):
    """Frames of every length with busy slots and a slow receiver; none; and those of a program without words."""
    bench = Bench(dut, "boot records", stall=0.3)
    random = bench.random
    await start(dut)
    played = random_frames(random, 12)
    random.shuffle(played)
    empty = [frames.encode(frames.Open, version=1, nonce=0), frames.encode(frames.Close, session=1)]
    for content in (played, [], empty, [sealed(random_body(random))]):
        record = boot.join(content) + random.randbytes(8)
        assert boot.decode(record) == content
        assert await bench.play(record) == content


@cocotb.test()
async def no_record(dut):
    """An erased flash, random bytes, a number with one wrong bit or in the other order: no more than that is read."""
    bench = Bench(dut, "boot absent")
    await start(dut)
    right = boot.join([sealed(b"none of this")])
    wrong = [b"", bytes(100), bench.random.randbytes(100), contract_id().to_bytes(4, "big") + right[4:]]
    for bit in bench.random.sample(range(HEAD_BITS), 8):
        wrong.append((int.from_bytes(right, "little") ^ 1 << bit).to_bytes(len(right), "little"))
    for content in wrong:
        assert boot.decode(content) == []
        assert await bench.play(content) == []
        assert bench.flash.read == HEAD_BITS + 1  # with the last bit's fall comes the next


@cocotb.test()
async def cut_records(dut):
    """A record that ends anywhere, in an erased flash: its last frame is filled up, and the board goes on."""
    bench = Bench(dut, "boot cut")
    random = bench.random
    await start(dut)
    record = boot.join([sealed(random_body(random, 30)) for _ in range(4)])
    for end in (3, 4, 5, 6, len(record) - 2, len(record) - 1, *random.sample(range(7, len(record) - 2), 8)):
        expected = boot.decode(record[:end])
        assert await bench.play(record[:end]) == expected
    for length in (boot.LONGEST + 1, 0x0805, 0xFF00, 0xFFFF):
        content = boot.join([sealed(b"good")])[:-2] + length.to_bytes(2, "little") + bytes(50)
        assert boot.decode(content) == [sealed(b"good")] == await bench.play(content)


@cocotb.test()
async def slots_that_stay_taken(dut):
    """A frame waits for the slot of the one before as long as it takes."""
    bench = Bench(dut, "boot starved")
    await start(dut)
    played = [sealed(bytes([n] * 8)) for n in range(3)]
    await bench.reset(boot.join(played))
    await bench.begin()
    for number, frame in enumerate(played, 1):
        await bench.sink.wait(number * len(frame))
        await cycles(dut, 3000)
        assert int(dut.playing.value) == (number < len(played)) and bench.frames() == played[:number]
        dut.back.value = 1
        await RisingEdge(dut.clk)
        dut.back.value = 0


@cocotb.test()
async def reset_in_the_middle(dut):
    """Nothing is touched before the start; a reset at any time deselects the flash and the record begins anew."""
    bench = Bench(dut, "boot reset", stall=0.2)
    random = bench.random
    await start(dut)
    played = [sealed(random_body(random, 20)) for _ in range(3)]
    await bench.reset(boot.join(played))
    await cycles(dut, 500)
    assert int(dut.playing.value) and not (bench.flash.selected or bench.flash.wakes or bench.sink.values)
    for _ in range(6):
        await bench.begin()
        await cycles(dut, random.randrange(len(boot.join(played)) * 8 * DIVISOR))
        dut.rst.value = 1
        await cycles(dut, 2)
        assert int(dut.flash_cs_n.value) and int(dut.playing.value) and not int(dut.flash_clk.value)
        assert await bench.play(boot.join(played)) == played
        await bench.reset(boot.join(played))
