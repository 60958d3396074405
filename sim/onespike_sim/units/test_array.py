"""Every array against NumPy: extreme and random weights and spikes, random stalls, what its pace promises."""

import itertools

import cocotb
import numpy as np
from amaranth.hdl import Shape
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import ADMITTED, GROUP, WINDOWS
from onespike_hw.engine import make_array
from onespike_hw.interfaces import spike_words, sums, tile_tag, weight_word

from ..streams import Sink, Source, config, cycles, pack, rng, start
from .timing import span

WEIGHTS = ("low", "high", "zero", "mixed", "alternating", "random")


class Spikes:
    """Sends spike words as soon as their block is let in; idle with probability ``stall`` before each.

    ``taken``: cycles in which words were sent; ``admitted``: cycles of the pulses that let blocks in.
    """

    def __init__(self, dut, cfg, stall):
        self.dut, self.cfg, self.stall, self.random = dut, cfg, stall, rng("array spikes")
        self.waiting, self.taken, self.admitted, self.cycle = [], [], [], 0
        dut.spikes__valid.value = 0
        cocotb.start_soon(self._run())

    async def _run(self):
        block, inside = 0, False
        while True:
            due = inside or (block < len(self.admitted) and self.cycle >= self.admitted[block] + ADMITTED)
            sends = due and self.waiting and self.random.random() >= self.stall
            self.dut.spikes__valid.value = int(bool(sends))
            if sends:
                word = self.waiting.pop(0)
                self.dut.spikes__payload.value = pack(spike_words(self.cfg), word)
                self.taken.append(self.cycle)
                inside = not word["last"]
                block += word["last"]
            await ReadOnly()
            if int(self.dut.admit.value):
                self.admitted.append(self.cycle)
            await RisingEdge(self.dut.clk)
            self.cycle += 1

    async def send(self, words):
        """Send all ``words``; returns after the last."""
        self.waiting += words
        while self.waiting:
            await RisingEdge(self.dut.clk)


class Blocks:
    """Weight words, spike words and the sums that must follow, block by block."""

    def __init__(self, name):
        self.cfg, self.random = config(), np.random.default_rng(rng(name).randrange(2**32))
        self.order, self.latency = make_array(self.cfg).order, make_array(self.cfg).latency
        self.rows, self.words, self.expected = [], [], []

    def weights(self, kind):
        """Weights of a block: ``low`` and ``high`` are the ends of the range, ``mixed`` only those two.

        ``alternating``: the two ends take turns inside every group.
        """
        low, high = -(1 << self.cfg.weight_bits - 1), (1 << self.cfg.weight_bits - 1) - 1
        shape = (self.cfg.outputs, self.cfg.lanes)
        if kind == "mixed":
            return self.random.choice([low, high], shape)
        if kind == "random":
            return self.random.integers(low, high + 1, shape)
        if kind == "alternating":
            return np.where(np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 2, low, high)
        return np.full(shape, {"low": low, "high": high, "zero": 0}[kind])

    def spikes(self, positions):
        """Spikes of a block, (positions, windows, lanes): all, then none, then random ones."""
        spikes = self.random.integers(0, 2, (positions, WINDOWS, self.cfg.lanes))
        for n in range(min(positions, 2)):
            spikes[n] = 1 - n
        return spikes

    def add(self, weights, spikes):
        """A block; the tags of its positions are random but for ``last``."""
        grouped = weights.reshape(self.cfg.outputs, self.cfg.groups, GROUP)
        self.rows += [grouped[:, :, n].tolist() for n in self.order]
        for n, position in enumerate(spikes):
            widths = {name: Shape.cast(shape).width for name, shape in tile_tag(self.cfg).items()}
            tag = {name: int(self.random.integers(1 << width)) for name, width in widths.items()}
            tag["last"] = int(n == len(spikes) - 1)
            self.words.append({"words": [int(row @ (1 << np.arange(self.cfg.lanes))) for row in position], **tag})
            self.expected.append({"sums": (position @ weights.T).tolist(), **tag})

    def inputs(self, dut, stall=0.0, weight_stall=0.0):
        """Sources of spikes and of weights, and the sink of the sums."""
        self.weight_stall = weight_stall
        return (
            Spikes(dut, self.cfg, stall),
            Source(dut, "weights", weight_word(self.cfg)),
            Sink(dut, "sums", sums(self.cfg)),
        )

    async def load(self, weights):
        """Send all weights; pauses lie between blocks only."""
        for first in range(0, len(self.rows), len(self.order)):
            while self.random.random() < self.weight_stall:
                await cycles(weights, 10)
            await weights.send(self.rows[first : first + len(self.order)])

    async def check(self, dut, sink):
        """Every sum with its tag has come, and nothing else."""
        await sink.wait(len(self.expected))
        await cycles(dut, 2 * self.latency)
        assert sink.values == self.expected

    async def run(self, dut, stall=0.0, weight_stall=0.0):
        """Send all blocks, check every sum."""
        await start(dut)
        spikes, weights, sink = self.inputs(dut, stall, weight_stall)
        loading = cocotb.start_soon(self.load(weights))
        await spikes.send(self.words)
        await loading
        await self.check(dut, sink)
        assert len(spikes.admitted) == len(self.rows) // len(self.order), "not every block was let in once"


@cocotb.test()
async def extremes(dut):
    """Ends of the weight range meet all spikes, none and some; each kind of block follows each other one."""
    blocks = Blocks("array extremes")
    for before, after in itertools.permutations(WEIGHTS, 2):
        for kind in (before, after):
            blocks.add(blocks.weights(kind), blocks.spikes(int(blocks.random.integers(1, 6))))
    lanes, bits = blocks.cfg.lanes, blocks.cfg.weight_bits
    reached = [value for sent in blocks.expected for window in sent["sums"] for value in window]
    assert min(reached) == -lanes << bits - 1 and max(reached) == lanes * ((1 << bits - 1) - 1)
    await blocks.run(dut)


@cocotb.test()
async def subsets(dut):
    """Every subset of a group's inputs, in every window, for blocks of all kinds of weights."""
    blocks = Blocks("array subsets")
    for kind in (*WEIGHTS, *("random",) * 4):
        order = [[blocks.random.permutation(1 << GROUP) for _ in range(blocks.cfg.groups)] for _ in range(WINDOWS)]
        spikes = np.array(order)[..., None] >> np.arange(GROUP) & 1  # window, group, position, input
        spikes = spikes.transpose(2, 0, 1, 3).reshape(1 << GROUP, WINDOWS, blocks.cfg.lanes)
        blocks.add(blocks.weights(kind), spikes)
    await blocks.run(dut)


@cocotb.test()
async def single_spikes(dut):
    """One spike in one window: its lane's weights come out there, and zero elsewhere."""
    blocks = Blocks("array single")
    for _ in range(2):
        spikes = np.eye(WINDOWS * blocks.cfg.lanes, dtype=int).reshape(-1, WINDOWS, blocks.cfg.lanes)
        blocks.add(blocks.weights("random"), spikes)
    await blocks.run(dut)


async def _stalled(dut, name, stall, weight_stall):
    blocks = Blocks(name)
    for length in blocks.random.permutation(np.arange(1, 41)):
        blocks.add(blocks.weights(str(blocks.random.choice(WEIGHTS))), blocks.spikes(int(length)))
    await blocks.run(dut, stall, weight_stall)


@cocotb.test()
async def spikes_stall(dut):
    """Blocks of 1 to 40 positions whose spikes pause at random: weights are early."""
    await _stalled(dut, "array spikes stall", 0.6, 0.0)


@cocotb.test()
async def weights_stall(dut):
    """Blocks of 1 to 40 positions whose weights pause at random: spikes are early."""
    await _stalled(dut, "array weights stall", 0.0, 0.6)


@cocotb.test()
async def both_stall(dut):
    """Blocks of 1 to 40 positions, both inputs pause at random."""
    await _stalled(dut, "array both stall", 0.3, 0.3)


@cocotb.test()
async def double_buffer(dut):
    """The next block's weights, as different as can be, are all there before the first block's spikes end."""
    blocks = Blocks("array double")
    for kind in ("low", "high", "mixed", "low", "zero", "high"):
        spikes = blocks.spikes(40)
        spikes[::2] = 1  # also while the other bank is being written
        blocks.add(blocks.weights(kind), spikes)
    await start(dut)
    spikes, weights, sink = blocks.inputs(dut)
    load = len(blocks.order)
    await weights.send(blocks.rows[:load])
    loading = cocotb.start_soon(weights.send(blocks.rows[load : 2 * load]))
    await spikes.send(blocks.words[:39])
    assert loading.done(), "the second block's weights wait for the first block to end"
    loading = cocotb.start_soon(weights.send(blocks.rows[2 * load :]))
    await cycles(dut, 3 * load)
    assert not int(dut.weights__ready.value), "a third block's weights are taken while the first computes"
    await spikes.send(blocks.words[39:])
    await loading
    await blocks.check(dut, sink)


@cocotb.test()
async def weights_first(dut):
    """Weights of two blocks are taken, no more, and keep until their spikes come."""
    blocks = Blocks("array weights first")
    for kind in ("alternating", "random", "mixed"):
        blocks.add(blocks.weights(kind), blocks.spikes(5))
    await start(dut)
    spikes, weights, sink = blocks.inputs(dut)
    await weights.send(blocks.rows[: 2 * len(blocks.order)])
    await cycles(dut, 50)
    assert not int(dut.weights__ready.value), "weights of a third block are taken"
    loading = cocotb.start_soon(weights.send(blocks.rows[2 * len(blocks.order) :]))
    await spikes.send(blocks.words)
    await loading
    await blocks.check(dut, sink)


@cocotb.test()
async def let_in(dut):
    """A block is let in while its weights load, for two blocks; the third when the first has ended."""
    blocks = Blocks("array let in")
    for _ in range(3):
        blocks.add(blocks.weights("random"), blocks.spikes(3))
    await start(dut)
    spikes, weights, sink = blocks.inputs(dut)
    loading = cocotb.start_soon(weights.send(blocks.rows))
    await cycles(dut, 100)
    assert len(spikes.admitted) == 2
    await spikes.send(blocks.words[:3])
    ended = spikes.taken[-1]
    await loading
    await cycles(dut, 2)
    assert len(spikes.admitted) == 3 and spikes.admitted[2] > ended
    await spikes.send(blocks.words[3:])
    await blocks.check(dut, sink)


@cocotb.test()
async def pace(dut):
    """Blocks at least as long as it takes to load them and let them in follow one another without a pause."""
    blocks = Blocks("array pace")
    load = max(len(blocks.order), ADMITTED + 2)
    for extra in (0, 0, 0, 1, 0, 7, 0, 0, 24, 0):
        blocks.add(blocks.weights("random"), blocks.spikes(load + extra))
    await start(dut)
    spikes, weights, sink = blocks.inputs(dut)
    cocotb.start_soon(weights.send(blocks.rows))
    cocotb.start_soon(spikes.send(blocks.words))
    assert await span(dut, sink, len(blocks.expected)) == len(blocks.expected) - 1
    await blocks.check(dut, sink)


@cocotb.test()
async def pace_of_short_blocks(dut):
    """A block of one position costs no more than it takes to load it and let it in."""
    blocks = Blocks("array short")
    for kind in ("low", "high") * 6:
        blocks.add(blocks.weights(kind), blocks.spikes(1))
    await start(dut)
    spikes, weights, sink = blocks.inputs(dut)
    cocotb.start_soon(weights.send(blocks.rows))
    cocotb.start_soon(spikes.send(blocks.words))
    assert await span(dut, sink, len(blocks.expected)) <= (len(blocks.expected) - 1) * max(
        len(blocks.order), ADMITTED + 2
    )
    await blocks.check(dut, sink)


@cocotb.test()
async def latency(dut):
    """With weights there, sums come ``latency`` cycles after their spike word, whatever the pauses between."""
    blocks = Blocks("array latency")
    blocks.add(blocks.weights("random"), blocks.spikes(40))
    await start(dut)
    spikes, weights, sink = blocks.inputs(dut, stall=0.5)
    await weights.send(blocks.rows)
    await cycles(dut, 10)
    sending = cocotb.start_soon(spikes.send(blocks.words))
    left = []
    while len(left) < 40:
        await ReadOnly()
        if int(dut.sums__valid.value):
            left.append(spikes.cycle)
        await RisingEdge(dut.clk)
    assert sending.done() and left == [cycle + blocks.latency for cycle in spikes.taken]
    await blocks.check(dut, sink)
