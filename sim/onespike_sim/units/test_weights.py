"""Weight memory: blocks of consecutive words, back pressure, no gap between blocks."""

import cocotb
from amaranth.hdl import Shape

from onespike_hw.interfaces import weight_word
from onespike_hw.memory.weights import weight_write

from ..streams import Sink, Source, config, cycles, pack, rng, start
from .timing import span


async def filled(dut, cfg, random):
    """Start the unit, write every word, some of them twice; returns the rows."""
    await start(dut)
    low, high = -(1 << cfg.weight_bits - 1), (1 << cfg.weight_bits - 1) - 1
    rows, writes = {}, []
    for address in [*range(cfg.weight_words), *random.sample(range(cfg.weight_words), 50)]:
        rows[address] = [random.choice([low, high, random.randint(low, high)]) for _ in range(cfg.lanes)]
        writes.append({"address": address, "word": pack(weight_word(cfg), rows[address])})
    await Source(dut, "write", weight_write(cfg), stall=0.1).send(writes)
    return rows


@cocotb.test()
async def fetches(dut):
    """Random blocks come out word by word, the memory's first and last included."""
    cfg, random = config(), rng("weights")
    rows = await filled(dut, cfg, random)
    sink = Sink(dut, "o", weight_word(cfg), stall=0.3)
    feed = Source(dut, "i", Shape.cast(range(cfg.weight_words)), stall=0.3)
    end = cfg.weight_words - cfg.outputs
    blocks = [0, end, *(random.randrange(end + 1) for _ in range(100))]
    await feed.send(blocks)
    await sink.wait(len(blocks) * cfg.outputs)
    await cycles(dut, 5)
    assert sink.values == [rows[first + n] for first in blocks for n in range(cfg.outputs)]


@cocotb.test()
async def no_pause_between_blocks(dut):
    """A word every cycle, across commands too."""
    cfg, random = config(), rng("weights pace")
    rows = await filled(dut, cfg, random)
    sink, feed = Sink(dut, "o", weight_word(cfg)), Source(dut, "i", Shape.cast(range(cfg.weight_words)))
    blocks = [random.randrange(cfg.weight_words - cfg.outputs + 1) for _ in range(30)]
    cocotb.start_soon(feed.send(blocks))
    assert await span(dut, sink, len(blocks) * cfg.outputs) == len(blocks) * cfg.outputs - 1
    assert sink.values == [rows[first + n] for first in blocks for n in range(cfg.outputs)]
