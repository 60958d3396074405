"""Weight memory: the words of a block in the order that the array wants, back pressure, no gap between blocks."""

import cocotb
from amaranth.hdl import Shape

from onespike.contract.config import GROUP
from onespike_hw.engine import make_array
from onespike_hw.interfaces import weight_word
from onespike_hw.memory.weights import weight_write

from ..streams import Sink, Source, config, cycles, pack, rng, start
from .timing import span


async def filled(dut, cfg, random):
    """Start the unit, write every word, some of them twice; returns the rows by their address."""
    await start(dut)
    low, high = -(1 << cfg.weight_bits - 1), (1 << cfg.weight_bits - 1) - 1
    rows, writes = {}, []
    for address in [*range(cfg.weight_words), *random.sample(range(cfg.weight_words), 50)]:
        rows[address] = [
            [random.choice([low, high, random.randint(low, high)]) for _ in range(cfg.groups)]
            for _ in range(cfg.outputs)
        ]
        writes.append({"address": address, "word": pack(weight_word(cfg), rows[address])})
    await Source(dut, "write", weight_write(cfg), stall=0.1).send(writes)
    return rows


def expected_rows(cfg, rows, blocks):
    """The words of ``blocks`` as the array wants them: ``GROUP`` words make a block in memory."""
    return [rows[GROUP * block + word] for block in blocks for word in make_array(cfg).order]


@cocotb.test()
async def fetches(dut):
    """Random blocks come out word by word, the memory's first and last included; pauses on both sides."""
    cfg, random = config(), rng("weights")
    rows = await filled(dut, cfg, random)
    sink = Sink(dut, "o", weight_word(cfg), stall=0.3)
    feed = Source(dut, "i", Shape.cast(range(cfg.blocks)), stall=0.3)
    blocks = [0, cfg.blocks - 1, *(random.randrange(cfg.blocks) for _ in range(100))]
    expected = expected_rows(cfg, rows, blocks)
    await feed.send(blocks)
    await sink.wait(len(expected))
    await cycles(dut, 10)
    assert sink.values == expected


@cocotb.test()
async def rewritten(dut):
    """A block that is written again between two reads, word by word, comes out new; the others keep."""
    cfg, random = config(), rng("weights again")
    rows = await filled(dut, cfg, random)
    write = Source(dut, "write", weight_write(cfg))
    sink, feed = Sink(dut, "o", weight_word(cfg), stall=0.2), Source(dut, "i", Shape.cast(range(cfg.blocks)))
    expected = []
    for block in random.sample(range(1, cfg.blocks - 1), 20):
        address = GROUP * block + random.randrange(GROUP)
        rows[address] = [[-1 - weight for weight in row] for row in rows[address]]
        await write.send([{"address": address, "word": pack(weight_word(cfg), rows[address])}])
        read = [block - 1, block, block + 1]
        expected += expected_rows(cfg, rows, read)
        await feed.send(read)
        await sink.wait(len(expected))
    assert sink.values == expected


@cocotb.test()
async def no_pause_between_blocks(dut):
    """A word every cycle, across commands too."""
    cfg, random = config(), rng("weights pace")
    rows = await filled(dut, cfg, random)
    sink, feed = Sink(dut, "o", weight_word(cfg)), Source(dut, "i", Shape.cast(range(cfg.blocks)))
    blocks = [random.randrange(cfg.blocks) for _ in range(30)]
    expected = expected_rows(cfg, rows, blocks)
    cocotb.start_soon(feed.send(blocks))
    assert await span(dut, sink, len(expected)) == len(expected) - 1
    assert sink.values == expected
