"""Encoder against bit planes stated pixel by pixel; several images in a row, wide and narrow pixels."""

import cocotb
from amaranth.hdl import unsigned
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import PIXEL_BITS
from onespike.contract.program import group_step
from onespike_hw.encoder import image_setup
from onespike_hw.interfaces import spike_write

from ..streams import Sink, Source, config, cycles, pack, rng, start
from .timing import span


class Bench:
    """The unit with its streams; ``done`` holds for every pulse how many words had been written before.

    In every cycle: no byte of an image is taken before the image before it is ``done``.
    """

    def __init__(self, dut, stall_in, stall_out):
        self.dut, self.cfg, self.done = dut, config(), []
        self.sink = Sink(dut, "o", spike_write(self.cfg), stall_out)
        self.feed = Source(dut, "i", unsigned(PIXEL_BITS), stall_in)
        self.bytes = self.size = self.finished = 0
        cocotb.start_soon(self._watch())

    async def _watch(self):
        dut = self.dut
        while True:
            written = len(self.sink.values)
            await ReadOnly()
            if int(dut.done.value):
                self.done.append(written)
                self.finished += 1
            if int(dut.i__valid.value) and int(dut.i__ready.value):
                assert self.bytes // self.size <= self.finished, "a byte of the next image was taken too early"
                self.bytes += 1
            await RisingEdge(dut.clk)

    def setup(self, channels, half, base, gap=0):
        """Set the header's fields, ``gap`` words between planes; returns the words of an image."""
        self.channels, self.half, self.base = channels, half, base
        self.groups, self.group_step = -(-channels // self.cfg.word), group_step(half * half)
        self.plane_step = self.groups * self.group_step + gap
        values = {
            "image_channels": channels,
            "image_half": half,
            "image_base": base,
            "image_plane_step": self.plane_step,
            "image_group_step": self.group_step,
        }
        self.dut.setup.value = pack(image_setup, values)
        self.bytes, self.size, self.finished = 0, channels * 4 * half * half, 0
        self.sink.values.clear()
        self.done.clear()
        return PIXEL_BITS * self.groups * 4 * half * half

    def draw_image(self, random):
        """The bytes of an image: every pixel position with its channels."""
        return [random.choice([0, 255, random.randrange(256)]) for _ in range(self.size)]

    def check(self, writes, image):
        """All planes of an image in the right quadrant, lanes without a channel zero, every word once."""
        word, half, channels = self.cfg.word, self.half, self.channels
        expected = {}
        for y in range(2 * half):
            for x in range(2 * half):
                quadrant = y // half * 2 + x // half
                pixel = image[(y * 2 * half + x) * channels :][:channels]
                for group in range(self.groups):
                    values = pixel[group * word : (group + 1) * word]
                    for plane in range(PIXEL_BITS):
                        place = y % half * half + x % half
                        address = self.base + plane * self.plane_step + group * self.group_step + place
                        expected[address, quadrant] = sum((v >> plane & 1) << lane for lane, v in enumerate(values))
        got = {}
        for write in writes:
            assert write["mask"].bit_count() == 1, "a word of one pixel goes to one quadrant"
            quadrant = write["mask"].bit_length() - 1
            got[write["address"], quadrant] = write["words"][quadrant]
        assert got == expected and len(writes) == len(expected)


async def begin(dut, stall_in=0.0, stall_out=0.0):
    dut.enable.value = 0
    dut.setup.value = 0
    await start(dut, 100_000)
    return Bench(dut, stall_in, stall_out)


@cocotb.test()
async def images(dut):
    """Every bit of every pixel, one ``done`` after the last word; ``enable`` holds back a first byte only."""
    random, bench = rng("encoder"), await begin(dut, 0.1, 0.2)
    word = bench.cfg.word
    for channels, half in ((1, 3), (3, 4), (word, 2), (word + 1, 2), (2 * word + 3, 3), (255, 1), (1, 1), (1, 8)):
        words = bench.setup(channels, half, random.randrange(50), random.randrange(4))
        image = bench.draw_image(random)
        dut.enable.value = 0
        sending = cocotb.start_soon(bench.feed.send(image))
        for _ in range(30):
            await RisingEdge(dut.clk)
            assert not int(dut.i__ready.value), "a first byte was taken while no image may begin"
        dut.enable.value = 1
        while not bench.bytes:
            await RisingEdge(dut.clk)
        dut.enable.value = 0
        await bench.sink.wait(words)
        await sending
        await cycles(dut, 30)
        assert bench.done == [words], "done must come once, after the last word"
        bench.check(bench.sink.values, image)


@cocotb.test()
async def images_back_to_back(dut):
    """An image may always begin and its bytes wait: none is taken before the last image's last word is written."""
    random, bench = rng("encoder row"), await begin(dut, 0.05, 0.6)
    dut.enable.value = 1
    for channels, half, base in ((1, 1, 5), (3, 3, 0), (bench.cfg.word + 2, 2, 7)):
        words = bench.setup(channels, half, base)
        row = [bench.draw_image(random) for _ in range(4)]
        await bench.feed.send([byte for image in row for byte in image])
        await bench.sink.wait(4 * words)
        await cycles(dut, 30)
        assert bench.done == [words, 2 * words, 3 * words, 4 * words]
        for n, image in enumerate(row):
            bench.check(bench.sink.values[n * words : (n + 1) * words], image)


@cocotb.test()
async def pace(dut):
    """A word takes eight cycles, or as many as it has channels."""
    random, bench = rng("encoder pace"), await begin(dut)
    word, half = bench.cfg.word, 2
    dut.enable.value = 1
    for channels in (1, word - 1, word, word + 1, 2 * word):
        words = bench.setup(channels, half, 0)
        sending = cocotb.start_soon(bench.feed.send(bench.draw_image(random)))
        passed = await span(dut, bench.sink, words)
        await sending
        sizes = [min(word, channels - first) for first in range(0, channels, word)]
        # From the first plane of the first word to the last plane of the last one; a word can begin only
        # when it is collected, so a long one delays the next word's first plane, not its own.
        steady = 4 * half * half * sum(max(size, PIXEL_BITS) for size in sizes)
        assert steady - max(0, sizes[0] - PIXEL_BITS) - 1 == passed, (channels, passed)
        await cycles(dut, 5)
