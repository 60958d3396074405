"""Array against NumPy: random and extreme weights and spikes, random stalls on both inputs."""

import itertools

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from onespike_hw.engine.tree import TreeArray
from onespike_hw.interfaces import spike_words, sums, weight_word

from ..streams import Sink, Source, config, cycles, rng, start
from .timing import span


class Blocks:
    """Weight rows, spike words and the sums that must follow, block by block."""

    def __init__(self, name):
        self.cfg, self.random = config(), np.random.default_rng(rng(name).randrange(2**32))
        self.rows, self.words, self.expected = [], [], []

    def weights(self, kind):
        """Weights of a block: ``low`` and ``high`` are the extremes of the range, ``mixed`` only those two."""
        low, high = -(1 << self.cfg.weight_bits - 1), (1 << self.cfg.weight_bits - 1) - 1
        shape = (self.cfg.outputs, self.cfg.lanes)
        if kind == "mixed":
            return self.random.choice([low, high], shape)
        if kind == "random":
            return self.random.integers(low, high + 1, shape)
        return np.full(shape, {"low": low, "high": high, "zero": 0}[kind])

    def add(self, weights, positions):
        """A block: its first position has all spikes, its second none, then random ones."""
        lanes = self.cfg.lanes
        self.rows += weights.tolist()
        for n in range(positions):
            spikes = self.random.integers(0, 2, (4, lanes))
            if n < 2:
                spikes[:] = 1 - n
            tag = {name: int(self.random.integers(0, 2)) for name in ("bank", "first", "double", "end")}
            tag |= {"position": n % self.cfg.tile, "last": int(n == positions - 1)}
            self.words.append({"words": [int(row @ (1 << np.arange(lanes))) for row in spikes], **tag})
            self.expected.append({"sums": (spikes @ weights.T).tolist(), **tag})


async def run(dut, blocks, stall):
    """Send all blocks, check every sum."""
    await start(dut)
    sink = Sink(dut, "sums", sums(blocks.cfg))
    loading = cocotb.start_soon(Source(dut, "weights", weight_word(blocks.cfg), stall).send(blocks.rows))
    await Source(dut, "spikes", spike_words(blocks.cfg), stall).send(blocks.words)
    await loading
    await sink.wait(len(blocks.expected))
    await cycles(dut, 10)
    assert sink.values == blocks.expected


@cocotb.test()
async def extremes(dut):
    """The ends of the weight range meet all spikes and none; lengths from one position on."""
    blocks = Blocks("array extremes")
    for kind, positions in itertools.product(("low", "high", "zero", "mixed", "random"), (1, 2, 5)):
        blocks.add(blocks.weights(kind), positions)
    lanes, bits = blocks.cfg.lanes, blocks.cfg.weight_bits
    reached = [value for sent in blocks.expected for window in sent["sums"] for value in window]
    assert min(reached) == -lanes << bits - 1 and max(reached) == lanes * ((1 << bits - 1) - 1)
    await run(dut, blocks, 0.0)


@cocotb.test()
async def with_stalls(dut):
    """Both inputs pause at random."""
    blocks = Blocks("array stalls")
    for _ in range(12):
        blocks.add(blocks.weights("random"), int(blocks.random.integers(1, 2 * blocks.cfg.outputs)))
    await run(dut, blocks, 0.4)


@cocotb.test()
async def pace(dut):
    """Blocks as long as their weights take to load follow one another without a pause."""
    blocks = Blocks("array pace")
    for _ in range(8):
        blocks.add(blocks.weights("random"), blocks.cfg.outputs)
    await start(dut)
    sink = Sink(dut, "sums", sums(blocks.cfg))
    cocotb.start_soon(Source(dut, "weights", weight_word(blocks.cfg)).send(blocks.rows))
    cocotb.start_soon(Source(dut, "spikes", spike_words(blocks.cfg)).send(blocks.words))
    assert await span(dut, sink, len(blocks.expected)) == len(blocks.expected) - 1
    assert sink.values == blocks.expected


@cocotb.test()
async def latency(dut):
    """Spikes wait for weights; with weights there, sums come ``latency`` cycles after their spike word."""
    blocks = Blocks("array latency")
    blocks.add(blocks.weights("random"), 6)
    await start(dut)
    sink = Sink(dut, "sums", sums(blocks.cfg))
    spikes, weights = Source(dut, "spikes", spike_words(blocks.cfg)), Source(dut, "weights", weight_word(blocks.cfg))
    sending = cocotb.start_soon(spikes.send(blocks.words[:4]))
    await cycles(dut, 20)
    assert not sink.values and not int(dut.spikes__ready.value), "spike words passed without weights"
    await weights.send(blocks.rows)
    await sending
    await sink.wait(4)
    taken, left = [], []
    cocotb.start_soon(spikes.send(blocks.words[4:]))
    for cycle in range(20):
        await ReadOnly()
        if int(dut.spikes__valid.value) and int(dut.spikes__ready.value):
            taken.append(cycle)
        if int(dut.sums__valid.value):
            left.append(cycle)
        await RisingEdge(dut.clk)
    assert len(taken) == 2 and left == [cycle + TreeArray(blocks.cfg).latency for cycle in taken]
    assert sink.values == blocks.expected
