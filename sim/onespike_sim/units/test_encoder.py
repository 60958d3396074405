"""Encoder against bit planes stated pixel by pixel; several images in a row, wide and narrow pixels."""

import cocotb
from amaranth.hdl import unsigned
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import PIXEL_BITS
from onespike_hw.encoder import image_setup
from onespike_hw.interfaces import spike_write

from ..streams import Sink, Source, config, cycles, pack, rng, start
from .timing import span


class Bench:
    """The unit with its streams; ``done`` holds for every pulse how many words had been written before."""

    def __init__(self, dut, stall_in, stall_out):
        self.dut, self.cfg, self.done = dut, config(), []
        self.sink = Sink(dut, "o", spike_write(self.cfg), stall_out)
        self.feed = Source(dut, "i", unsigned(PIXEL_BITS), stall_in)
        cocotb.start_soon(self._watch())

    async def _watch(self):
        while True:
            written = len(self.sink.values)
            await ReadOnly()
            if int(self.dut.done.value):
                self.done.append(written)
            await RisingEdge(self.dut.clk)

    def setup(self, channels, pixels, base):
        """Set the header's fields; returns the words of an image."""
        groups = -(-channels // self.cfg.lanes)
        values = {
            "image_channels": channels, "image_pixels": pixels, "image_base": base, "image_plane_step": groups * pixels,
        }  # fmt: skip
        self.dut.setup.value = pack(image_setup, values)
        return PIXEL_BITS * groups * pixels

    def check(self, writes, image, channels, pixels, base):
        """All planes of an image, lanes without a channel zero, every word written once and whole."""
        lanes, groups = self.cfg.lanes, -(-channels // self.cfg.lanes)
        expected = {}
        for position in range(pixels):
            for group in range(groups):
                first = position * channels + group * lanes
                word = image[first : min(first + lanes, (position + 1) * channels)]
                for plane in range(PIXEL_BITS):
                    bits = sum((value >> plane & 1) << lane for lane, value in enumerate(word))
                    expected[base + (plane * groups + group) * pixels + position] = bits
        assert {write["address"]: write["word"] for write in writes} == expected and len(writes) == len(expected)
        assert {write["mask"] for write in writes} == {(1 << lanes // self.cfg.outputs) - 1}


def draw_image(random, size):
    return [random.choice([0, 255, random.randrange(256)]) for _ in range(size)]


async def begin(dut, stall_in=0.0, stall_out=0.0):
    dut.enable.value = 0
    dut.setup.value = 0
    await start(dut)
    return Bench(dut, stall_in, stall_out)


@cocotb.test()
async def images(dut):
    """Every bit of every pixel, one ``done`` after the last word; ``enable`` holds back a first byte only."""
    random, bench = rng("encoder"), await begin(dut, 0.1, 0.2)
    lanes = bench.cfg.lanes
    for channels, pixels in ((1, 16), (3, 16), (lanes, 16), (lanes + 1, 9), (2 * lanes + 3, 9), (255, 3), (1, 1)):
        base = random.randrange(50)
        words = bench.setup(channels, pixels, base)
        image = draw_image(random, pixels * channels)
        bench.sink.values.clear()
        bench.done.clear()
        dut.enable.value = 0
        sending = cocotb.start_soon(bench.feed.send(image))
        for _ in range(30):
            await RisingEdge(dut.clk)
            assert not int(dut.i__ready.value), "a first byte was taken while no image may begin"
        dut.enable.value = 1
        while not (int(dut.i__valid.value) and int(dut.i__ready.value)):
            await RisingEdge(dut.clk)
        await RisingEdge(dut.clk)
        dut.enable.value = 0
        await bench.sink.wait(words)
        await sending
        await cycles(dut, 30)
        assert bench.done == [words], "done must come once, after the last word"
        bench.check(bench.sink.values, image, channels, pixels, base)


@cocotb.test()
async def images_back_to_back(dut):
    """The next image's bytes arrive while the last words of the one before are written."""
    random, bench = rng("encoder row"), await begin(dut, 0.05, 0.3)
    dut.enable.value = 1
    for channels, pixels, base in ((1, 4, 5), (3, 9, 0), (bench.cfg.lanes + 2, 4, 7)):
        words = bench.setup(channels, pixels, base)
        row = [draw_image(random, channels * pixels) for _ in range(4)]
        bench.sink.values.clear()
        bench.done.clear()
        await bench.feed.send([byte for image in row for byte in image])
        await bench.sink.wait(4 * words)
        await cycles(dut, 30)
        assert bench.done == [words, 2 * words, 3 * words, 4 * words]
        for n, image in enumerate(row):
            bench.check(bench.sink.values[n * words : (n + 1) * words], image, channels, pixels, base)


@cocotb.test()
async def pace(dut):
    """A word takes eight cycles, or as many as it has channels."""
    random, bench = rng("encoder pace"), await begin(dut)
    lanes, pixels = bench.cfg.lanes, 16
    dut.enable.value = 1
    for channels in (1, lanes - 1, lanes, lanes + 1, 2 * lanes):
        words = bench.setup(channels, pixels, 0)
        bench.sink.values.clear()
        sending = cocotb.start_soon(bench.feed.send(draw_image(random, pixels * channels)))
        passed = await span(dut, bench.sink, words)
        await sending
        sizes = [min(lanes, channels - first) for first in range(0, channels, lanes)]
        # From the first plane of the first word to the last plane of the last one; a word can begin only
        # when it is collected, so a long one delays the next word's first plane, not its own.
        steady = pixels * sum(max(size, PIXEL_BITS) for size in sizes)
        assert steady - max(0, sizes[0] - PIXEL_BITS) - 1 == passed, (channels, passed)
        await cycles(dut, 5)
