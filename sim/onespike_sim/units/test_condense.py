"""Condenser against the golden model's maps: quadrants, OR and MSp, channels that fill neither groups nor words."""

import itertools
import math

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract import arith, isa
from onespike.contract.config import WINDOWS
from onespike.contract.isa import Condense, Windows
from onespike.contract.program import group_step
from onespike.golden.layers import condense
from onespike_hw.interfaces import neuron_output, spike_write

from ..streams import Source, config, cycles, rng, start, unpack
from .layers import layer, packed, window_frame

MODES = [
    (Windows.NONE, Condense.OR, 0),
    (Windows.NONE, Condense.OR, 1),
    (Windows.N, Condense.OR, 0),
    (Windows.N, Condense.OR, 1),
    (Windows.D, Condense.OR, 0),
    (Windows.D, Condense.MSP, 0),
]
"""Windows, how they are condensed, and whether neurons fire levels: what a network may have."""


def described(cfg, random, windows, mode, levels, side, channels):
    """A descriptor with a random place in the spike memory."""
    words, step = -(-channels // cfg.word), group_step((side // 2) ** 2)
    planes = isa.output_planes({"condense": mode, "levels": levels})
    base = random.randrange(cfg.spike_words - planes * words * step + 1)
    return layer(
        side,
        windows,
        condense=mode,
        levels=levels,
        channels=channels,
        words=words,
        base=base,
        group_step=step,
        plane_step=words * step,
    )


def neurons(cfg, random, desc):
    """(neurons in the order of the chain, fired[window] (channels, 1, size, size)) of a layer.

    Slots and lanes without a channel come too; what they hold, and what only dilated windows have, is noise.
    """
    layout, windows, half, channels = neuron_output(cfg), desc["windows"], desc["half"], desc["channels"]
    size, offset = window_frame(windows, 2 * half)
    draws, shape = np.random.default_rng(random.getrandbits(32)), (WINDOWS, channels, 1, size, size)
    fires = draws.random(shape) < random.choice((0.1, 0.5, 0.9))
    top = arith.TOP_LEVEL if desc["levels"] else 1
    fired = fires * draws.integers(1, top, shape, endpoint=True)
    result = []
    for group in range(0, channels, cfg.outputs):
        for y, x, slot in itertools.product(range(size), range(size), range(cfg.slots)):
            value = unpack(layout, random.getrandbits(layout.size))
            there = [n for n in range(cfg.neurons) if group + slot * cfg.neurons + n < channels]
            for n in there:
                value["fired"][n] = fired[:, group + slot * cfg.neurons + n, 0, y, x].tolist()
            value |= {
                "index": y * size + x,
                "slot": slot,
                "present": sum(1 << n for n in there),
                "chain_end": int(y == x == size - 1),
                "group_end": int(group + cfg.outputs >= channels),
            }
            if windows is Windows.D:
                rows, columns = (y, y + offset), (x, x + offset)
                value |= {
                    "row": [place % half * half for place in rows],
                    "low": sum((place >= half) << n for n, place in enumerate(rows)),
                    "column": [place % half for place in columns],
                    "right": sum((place >= half) << n for n, place in enumerate(columns)),
                    "edge": (y < half // 2) | (x < half // 2) << 1,
                    "near": (y < half) | (x < half) << 1,
                }
            result.append(value)
    return result, list(fired)


def stored(cfg, desc, fired):
    """(address, quadrant) -> word, of all that the layer has to write."""
    levels, half = condense(desc, fired)[:, 0], desc["half"]
    result = {}
    for plane, number in itertools.product(range(isa.output_planes(desc)), range(desc["words"])):
        bits = levels[number * cfg.word :][: cfg.word] >> plane & 1
        words = (bits << np.arange(len(bits)).reshape(-1, 1, 1)).sum(0)
        first = desc["base"] + plane * desc["plane_step"] + number * desc["group_step"]
        for y, x in itertools.product(range(2 * half), repeat=2):
            address, quadrant = first + y % half * half + x % half, y // half * 2 + x // half
            result[address, quadrant] = int(words[y, x])
    return result


class Watch:
    """Notes every write and every ``word_done`` by the cycle."""

    def __init__(self, dut, cfg):
        self.dut, self.shape = dut, spike_write(cfg)
        self.cycle, self.writes, self.dones, self.stalled = 0, [], [], 0

    async def run(self):
        """Work for ever."""
        dut = self.dut
        while True:
            await ReadOnly()
            if int(dut.o__valid.value):
                self.writes.append((self.cycle, unpack(self.shape, int(dut.o__payload.value))))
            if int(dut.word_done.value):
                self.dones.append(self.cycle)
            self.stalled += int(dut.i__valid.value) and not int(dut.i__ready.value)
            await RisingEdge(dut.clk)
            self.cycle += 1


class Bench:
    """The unit, its source and what it does."""

    def __init__(self, dut, name, stall):
        self.dut, self.cfg, self.random = dut, config(), rng(name)
        self.feed, self.watch = Source(dut, "i", neuron_output(self.cfg), stall), Watch(dut, self.cfg)
        dut.layer.value, dut.restart.value = 0, 0

    async def begin(self):
        """Reset."""
        await start(self.dut)
        cocotb.start_soon(self.watch.run())

    async def run(self, desc):
        """One layer from its restart to the cycle after which the next may begin."""
        given, fired = neurons(self.cfg, self.random, desc)
        watch, dut = self.watch, self.dut
        watch.writes.clear()
        watch.dones.clear()
        dut.layer.value, dut.restart.value = packed(desc), 1
        await cycles(dut, 1)
        dut.restart.value = 0
        await self.feed.send(given)
        for _ in range(1000):
            if len(watch.dones) >= desc["words"]:
                break
            await RisingEdge(dut.clk)
        self.compare(desc, fired)

    def compare(self, desc, fired):
        """The last writes are the map, there are no others, and a word is done when its last write is."""
        watch, dilated = self.watch, desc["windows"] is Windows.D
        assert len(watch.dones) == desc["words"], desc
        memory, last = {}, {}
        for cycle, write in watch.writes:
            assert dilated or write["mask"] == (1 << WINDOWS) - 1
            for quadrant in range(WINDOWS):
                if write["mask"] >> quadrant & 1:
                    memory[write["address"], quadrant] = write["words"][quadrant]
            last[(write["address"] - desc["base"]) % desc["plane_step"] // desc["group_step"]] = cycle
        assert memory == stored(self.cfg, desc, fired), desc
        for number, done in enumerate(watch.dones):
            assert last[number] <= done, (number, desc)
        positions = window_frame(desc["windows"], 2 * desc["half"])[0] ** 2
        per_position = isa.output_planes(desc) * (WINDOWS if dilated else 1)
        assert len(watch.writes) == positions * desc["words"] * per_position, desc


async def maps(dut, stall, sides):
    """Layers right after one another: few channels, partial groups and words, and groups that fill words."""
    bench = Bench(dut, "condense", stall)
    cfg, random = bench.cfg, bench.random
    await bench.begin()
    for (windows, mode, levels), side in itertools.product(random.sample(MODES, len(MODES)), sides):
        if windows is Windows.D and side < WINDOWS:
            continue
        counts = {
            1,
            cfg.word,
            math.lcm(cfg.word, cfg.outputs),  # every group and word full
            2 * cfg.word + 11,  # slots of the last group are still to come when all words are whole
            random.randrange(cfg.outputs + 1, 2 * cfg.outputs),
        }
        for channels in random.sample(sorted(counts), len(counts)):
            await bench.run(described(cfg, random, windows, mode, levels, side, channels))
    writes = len(bench.watch.writes)
    await cycles(dut, 20)
    assert len(bench.watch.writes) == writes, "written after the end"


@cocotb.test()
async def gaps(dut):
    """Maps of every mode with bubbles at the input."""
    await maps(dut, 0.4, (2, 4, 8))


@cocotb.test()
async def no_gaps(dut):
    """Maps of every mode, a neuron whenever it is taken."""
    await maps(dut, 0.0, (4, 12))


@cocotb.test()
async def largest(dut):
    """The deepest buffers: the largest dilated map, and as many positions as a window may have."""
    bench = Bench(dut, "largest", 0.0)
    cfg, random = bench.cfg, bench.random
    await bench.begin()
    for windows, mode, levels in MODES:
        side = int((cfg.condense_words if windows is Windows.D else WINDOWS * cfg.positions) ** 0.5)
        fits = WINDOWS * group_step((side // 2) ** 2) <= cfg.spike_words  # two words of two planes
        await bench.run(described(cfg, random, windows, mode, levels, side, cfg.word + fits))


@cocotb.test()
async def throughput(dut):
    """A word per cycle and plane, a dilated one four times as long: or as fast as its channels come."""
    bench = Bench(dut, "throughput", 0.0)
    cfg, random, watch = bench.cfg, bench.random, bench.watch
    await bench.begin()
    for windows, mode, levels in MODES:
        watch.stalled = 0
        desc = described(cfg, random, windows, mode, levels, 8, cfg.word)
        await bench.run(desc)
        per_word = isa.output_planes(desc) * (WINDOWS if windows is Windows.D else 1)
        firsts = [cycle for cycle, _ in watch.writes[::per_word]]
        assert {later - sooner for sooner, later in itertools.pairwise(firsts)} == {max(cfg.slots, per_word)}
        assert bool(watch.stalled) == (per_word > cfg.slots)
