"""Condenser against a map filled window by window: plain, OR and MSp, partial groups, wide lanes."""

import itertools

import cocotb

from onespike.contract import arith
from onespike.contract.isa import Condense, Windows
from onespike_hw.interfaces import neuron_output, spike_write

from ..streams import Sink, Source, config, cycles, rng, start
from .layers import layer, packed, window_frame


@cocotb.test()
async def maps(dut):
    """The memory after all writes holds the condensed map."""
    cfg, random = config(), rng("condense")
    dut.layer.value = 0
    dut.restart.value = 0
    await start(dut)
    sink = Sink(dut, "o", spike_write(cfg), stall=0.2)
    feed = Source(dut, "i", neuron_output(cfg), stall=0.1)
    cases = [(w, c, s) for w, c, s in itertools.product(Windows, Condense, (4, 8, 12)) if w is Windows.D or not c.value]
    for windows, condense, side in cases:
        channels = random.randint(1, 3 * cfg.outputs)
        size, offset = window_frame(windows, side)
        groups = -(-channels // cfg.lanes)
        base, plane_step = random.randrange(64), groups * side * side
        desc = layer(side, windows, condense=condense, channels=channels, base=base, plane_step=plane_step)
        dut.layer.value = packed(desc)
        dut.restart.value = 1
        await cycles(dut, 1)
        dut.restart.value = 0
        count = {}
        cover = {}
        neurons = []
        for first in range(0, channels, cfg.outputs):
            slots = min(cfg.outputs, channels - first)
            for i, j, slot in itertools.product(range(size), range(size), range(slots)):
                spikes = random.getrandbits(4)
                word_end = int(slot == slots - 1)
                group_end = int(word_end and i == j == size - 1)
                neurons.append(
                    {
                        "spikes": spikes, "potentials": [0, 0, 0], "row": i, "column": j, "slot": slot,
                        "word_end": word_end, "group_end": group_end,
                    }
                )  # fmt: skip
                for w in range(4):
                    pixel = first + slot, i + offset * (w // 2), j + offset * (w % 2)
                    count[pixel] = count.get(pixel, 0) + (spikes >> w & 1)
                    cover[pixel] = cover.get(pixel, 0) + 1
        sink.values.clear()
        await feed.send(neurons)
        for _ in range(1000):
            await cycles(dut, 1)
            if int(dut.idle.value):
                break
        assert int(dut.idle.value)
        memory = {}
        for write in sink.values:
            for part in range(cfg.lanes // cfg.outputs):
                if write["mask"] >> part & 1:
                    for lane in range(part * cfg.outputs, (part + 1) * cfg.outputs):
                        memory[write["address"], lane] = write["word"] >> lane & 1
        for (channel, y, x), fired in count.items():
            level = arith.condense_level(fired, cover[channel, y, x].bit_length() - 1)
            if condense is Condense.OR:
                level = int(fired > 0)
            address = base + channel // cfg.lanes * side * side + y * side + x
            got = sum(memory[address + p * plane_step, channel % cfg.lanes] << p for p in range(condense.planes))
            assert got == level, (windows, condense, side, channel, y, x)
