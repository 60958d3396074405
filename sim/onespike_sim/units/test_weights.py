"""Weight memory: blocks of consecutive words, back pressure, no gap between blocks."""

import cocotb
from amaranth.hdl import Shape

from onespike_hw.interfaces import weight_word
from onespike_hw.memory.weights import weight_write

from ..streams import Sink, Source, config, cycles, pack, rng, start


@cocotb.test()
async def fetches(dut):
    """Random blocks come out word by word."""
    cfg, random = config(), rng("weights")
    await start(dut)
    low, high = -(1 << cfg.weight_bits - 1), (1 << cfg.weight_bits - 1) - 1
    rows = [[random.choice([low, high, random.randint(low, high)]) for _ in range(cfg.lanes)] for _ in range(200)]
    words = [pack(weight_word(cfg), row) for row in rows]
    await Source(dut, "write", weight_write(cfg)).send([{"address": n, "word": w} for n, w in enumerate(words)])
    sink = Sink(dut, "o", weight_word(cfg), stall=0.3)
    feed = Source(dut, "i", Shape.cast(range(cfg.weight_words)), stall=0.3)
    blocks = [random.randrange(200 - cfg.outputs) for _ in range(40)]
    await feed.send(blocks)
    await sink.wait(len(blocks) * cfg.outputs)
    await cycles(dut, 5)
    assert sink.values == [rows[first + n] for first in blocks for n in range(cfg.outputs)]
