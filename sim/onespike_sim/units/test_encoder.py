"""Encoder against bit planes written by hand; several images in a row, wide and narrow pixels."""

import cocotb
from amaranth.hdl import unsigned

from onespike_hw.encoder import image_setup
from onespike_hw.interfaces import spike_write

from ..streams import Sink, Source, config, cycles, pack, rng, start


@cocotb.test()
async def images(dut):
    """The memory holds every bit of every pixel, and ``done`` comes once per image."""
    cfg, random = config(), rng("encoder")
    dut.enable.value = 0
    dut.setup.value = 0
    await start(dut)
    sink = Sink(dut, "o", spike_write(cfg), stall=0.2)
    feed = Source(dut, "i", unsigned(8), stall=0.1)
    for channels in (1, 3, cfg.lanes, cfg.lanes + 1, 2 * cfg.lanes + 3):
        pixels, base = 16, random.randrange(50)
        groups = -(-channels // cfg.lanes)
        setup = {
            "image_channels": channels, "image_pixels": pixels, "image_base": base, "image_plane_step": groups * pixels,
        }  # fmt: skip
        dut.setup.value = pack(image_setup, setup)
        image = [random.choice([0, 255, random.randrange(256)]) for _ in range(pixels * channels)]
        sink.values.clear()
        dut.enable.value = 0
        sending = cocotb.start_soon(feed.send(image))
        await cycles(dut, 20)
        assert not sink.values, "an image began while it was not allowed to"
        dut.enable.value = 1
        finished = 0
        for _ in range(20_000):
            await cycles(dut, 1)
            finished += int(dut.done.value)
            if finished:
                break
        await sending
        assert finished == 1
        memory = {write["address"]: write["word"] for write in sink.values}
        assert len(memory) == len(sink.values) == 8 * groups * pixels
        for index, value in enumerate(image):
            position, channel = divmod(index, channels)
            for plane in range(8):
                address = base + (plane * groups + channel // cfg.lanes) * pixels + position
                assert memory[address] >> channel % cfg.lanes & 1 == value >> plane & 1
