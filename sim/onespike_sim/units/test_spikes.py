"""Spike memory: partial writes, four reads at once, zeros outside, back pressure."""

import cocotb
from amaranth.hdl import Shape

from onespike_hw.interfaces import spike_read, spike_words, spike_write, tile_tag

from ..streams import Sink, Source, config, rng, start
from .timing import span


def draw_writes(cfg, memory, addresses, count, random):
    """``count`` random writes to ``addresses`` with every mask; applied to the dictionary ``memory`` too."""
    slices, writes = cfg.lanes // cfg.outputs, []
    for _ in range(count):
        address, word, mask = random.choice(addresses), random.getrandbits(cfg.lanes), random.getrandbits(slices)
        lanes = sum(((1 << cfg.outputs) - 1) << s * cfg.outputs for s in range(slices) if mask >> s & 1)
        memory[address] = memory[address] & ~lanes | word & lanes
        writes.append({"address": address, "word": word, "mask": mask})
    return writes


def draw_reads(cfg, memory, addresses, count, random):
    """``count`` random reads of ``addresses`` and what must come back."""
    values, expected = [], []
    for _ in range(count):
        tag = {name: random.getrandbits(Shape.cast(shape).width) for name, shape in tile_tag(cfg).items()}
        address, inside = [random.choice(addresses) for _ in range(4)], [random.randrange(2) for _ in range(4)]
        values.append({"address": address, "inside": inside, **tag})
        expected.append({"words": [memory[a] * i for a, i in zip(address, inside, strict=True)], **tag})
    return values, expected


async def filled(dut, cfg, random):
    """Start the unit and write every word; returns (memory, the source of writes)."""
    await start(dut)
    memory = {address: random.getrandbits(cfg.lanes) for address in range(cfg.spike_words)}
    write = Source(dut, "write", spike_write(cfg), stall=0.1)
    await write.send(
        [{"address": a, "word": w, "mask": (1 << cfg.lanes // cfg.outputs) - 1} for a, w in memory.items()]
    )
    return memory, write


@cocotb.test()
async def reads(dut):
    """Masked writes over the whole memory; reads with pauses on both sides, writes elsewhere meanwhile."""
    cfg, random = config(), rng("spikes")
    memory, write = await filled(dut, cfg, random)
    lower, upper = range(cfg.spike_words // 2), range(cfg.spike_words // 2, cfg.spike_words)
    # Few addresses are written often, so that masks of the same word meet.
    few = [*random.sample(lower, 30), 0], [*random.sample(upper, 30), cfg.spike_words - 1]
    await write.send(draw_writes(cfg, memory, few[0], 300, random))
    sink = Sink(dut, "o", spike_words(cfg), stall=0.4)
    feed = Source(dut, "i", spike_read(cfg), stall=0.2)
    for read_half, written_half in ((few[0], few[1]), (few[1], few[0]), (lower, upper), (upper, lower)):
        values, expected = draw_reads(cfg, memory, read_half, 200, random)
        writing = cocotb.start_soon(write.send(draw_writes(cfg, memory, written_half, 300, random)))
        sink.values.clear()
        await feed.send(values)
        await sink.wait(len(expected))
        assert sink.values == expected
        await writing


@cocotb.test()
async def a_read_every_cycle(dut):
    """No pause while nobody stalls."""
    cfg, random = config(), rng("spikes pace")
    memory, _ = await filled(dut, cfg, random)
    sink, feed = Sink(dut, "o", spike_words(cfg)), Source(dut, "i", spike_read(cfg))
    values, expected = draw_reads(cfg, memory, range(cfg.spike_words), 200, random)
    cocotb.start_soon(feed.send(values))
    assert await span(dut, sink, len(expected)) == len(expected) - 1
    assert sink.values == expected
