"""Spike memory: partial writes, four reads at once, zeros outside, back pressure."""

import cocotb

from onespike_hw.interfaces import spike_read, spike_words, spike_write, tile_tag

from ..streams import Sink, Source, config, rng, start


@cocotb.test()
async def reads(dut):
    """Random writes with masks, then random reads."""
    cfg, random = config(), rng("spikes")
    await start(dut)
    slices = cfg.lanes // cfg.outputs
    memory = dict.fromkeys(range(64), 0)
    writes = [{"address": a, "word": 0, "mask": (1 << slices) - 1} for a in memory]
    for _ in range(200):
        write = {
            "address": random.randrange(64),
            "word": random.getrandbits(cfg.lanes),
            "mask": random.getrandbits(slices),
        }
        lanes = sum(((1 << cfg.outputs) - 1) << s * cfg.outputs for s in range(slices) if write["mask"] >> s & 1)
        memory[write["address"]] = memory[write["address"]] & ~lanes | write["word"] & lanes
        writes.append(write)
    await Source(dut, "write", spike_write(cfg), stall=0.1).send(writes)
    sink = Sink(dut, "o", spike_words(cfg), stall=0.4)
    feed = Source(dut, "i", spike_read(cfg), stall=0.2)
    values, expected = [], []
    for _ in range(300):
        tag = {name: random.randrange(2) for name in tile_tag(cfg)}
        address, inside = [random.randrange(64) for _ in range(4)], [random.randrange(2) for _ in range(4)]
        values.append({"address": address, "inside": inside, **tag})
        expected.append({"words": [memory[a] * i for a, i in zip(address, inside, strict=True)], **tag})
    await feed.send(values)
    await sink.wait(len(expected))
    assert sink.values == expected
