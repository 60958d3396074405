"""Accumulators and drain together, against the chain's coordinate rules."""

import itertools
from collections import deque

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import NEURON_CYCLES, PARAMETER_BITS, WINDOWS
from onespike.contract.isa import Op, Windows
from onespike_hw.engine.drain import Drain, parameter_write
from onespike_hw.interfaces import potentials, sums
from onespike_hw.memory.spikes import SpikeMemory

from ..streams import Source, config, cycles, rng, start
from .layers import layer, packed, window_frame
from .neurons import NeuronSink, some, some_potentials

CASES = [
    # Windows, walked one at a time, side, or the side of a layer of scores.
    (Windows.N, 0, 8), (Windows.NONE, 0, 12), (Windows.D, 0, 8), (Op.SCORE, 0, 8), (Windows.D, 1, 8),
    (Windows.D, 0, 4), (Windows.D, 1, 4), (Windows.N, 0, 2), (Op.SCORE, 0, 16), (Windows.D, 1, 16), (Windows.D, 0, 8),
]  # fmt: skip


def chained(cfg, desc):
    """(side of the chain's windows, their offset) in output pixels; the sums of a layer of scores are one."""
    return (1, 0) if desc["op"] is Op.SCORE else window_frame(desc["windows"], 2 * desc["half"])


def position_tag(desc, size, i, j):
    """What ``chain_tag`` says of the position (i, j)."""
    tag = {"index": i * size + j, "chain_end": int(i == j == size - 1)}
    if desc["windows"] is Windows.D:
        half = desc["half"]
        # The upper and the lower window's row in the map, and their left and right column.
        rows, columns = (i, i + half // 2), (j, j + half // 2)
        tag |= {
            "row": [y % half * half for y in rows],
            "low": sum((y >= half) << n for n, y in enumerate(rows)),
            "column": [x % half for x in columns],
            "right": sum((x >= half) << n for n, x in enumerate(columns)),
            "edge": (i < half // 2) | (j < half // 2) << 1,
            "near": (i < half) | (j < half) << 1,
        }
    return tag


def group(cfg, random, desc):
    """An output group's sums: ((places of a tile, blocks) of every tile, result of (window, i, j))."""
    _, offset = chained(cfg, desc)
    score, gather = desc["op"] is Op.SCORE, desc["windows"] is Windows.D and not desc["scan"]
    walked = list(itertools.product(range(desc["scan_side"]), repeat=2))

    def block():
        return {place: [[some(random, cfg.sum_bits) for _ in range(cfg.outputs)] for _ in range(WINDOWS)]
                for place in walked}  # fmt: skip

    blocks = [block() for _ in range(random.randint(1, 2))]
    total = {
        place: [[sum(values) for values in zip(*(b[place][w] for b in blocks), strict=True)] for w in range(WINDOWS)]
        for place in walked
    }
    step = len(walked) if score else cfg.tile
    tiles = [(walked[n : n + step], blocks) for n in range(0, len(walked), step)]

    def result(w, i, j):
        if score:
            return [sum(values) for values in zip(*(total[place][w] for place in walked), strict=True)]
        if not gather:
            return total[i, j][w]
        half, y, x = desc["half"], i + offset * (w // 2), j + offset * (w % 2)
        return total[y % half, x % half][2 * (y // half) + x // half]

    return tiles, result


def expect(cfg, desc, first, entries, number, result):
    """The neurons of output group ``number``; where a lane has no channel, only its absence is known."""
    size, _ = chained(cfg, desc)
    begin = number * cfg.outputs
    for i, j, slot in itertools.product(range(size), range(size), range(cfg.slots)):
        channels = range(begin + slot * cfg.neurons, begin + (slot + 1) * cfg.neurons)
        lanes = {
            lane: {
                "acc": [result(w, i, j)[channel - begin] for w in range(WINDOWS)],
                "parameter": entries[first + channel],
            }
            for lane, channel in enumerate(channels)
            if channel < desc["channels"]
        }
        tag = {
            "slot": slot,
            "present": sum(1 << lane for lane in lanes),
            "group_end": int(begin + cfg.outputs >= desc["channels"]),
        }
        yield lanes, tag | position_tag(desc, size, i, j)


class Banks:
    """Free result banks, as the sequencer counts them."""

    def __init__(self, dut):
        self.dut, self.free, self.turn, self.released = dut, 2, 0, 0

    async def count(self):
        """Note every pulse of ``release``."""
        while True:
            await ReadOnly()
            self.free += int(self.dut.release.value)
            self.released += int(self.dut.release.value)
            assert self.free <= 2, "a bank was released that was free"
            await RisingEdge(self.dut.clk)

    async def fill(self, feed, desc, places, blocks, stall):
        """A tile; its last block waits for a free bank, the others do not."""
        feed.stall = stall
        score = desc["op"] is Op.SCORE
        for number, block in enumerate(blocks):
            final = number == len(blocks) - 1
            if final:
                while not self.free:
                    await cycles(self.dut, 1)
                self.free -= 1
                # The block begins now, but its first sums have to be made.
                await cycles(self.dut, SpikeMemory.latency)
            for n, place in enumerate(places):
                last = n == len(places) - 1
                tag = {
                    "position": 0 if score else n, "bank": self.turn, "first": int(number == 0 and not (score and n)),
                    "double": 0, "last": int(last), "final": int(final), "end": int(final and last),
                }  # fmt: skip
                await feed.send([{"sums": block[place], **tag}])
        self.turn ^= 1


class Queue:
    """What follows the drain, as far as the drain knows it: says of every slot when it has ``left``.

    A slot leaves ``delay`` cycles after it came or later. With probability ``stall`` the next one waits for up
    to ``longest`` cycles; none leaves while ``held``. Asserts that what is on its way is never more than the
    configuration allows, and that ``empty`` tells when there is none.
    """

    def __init__(self, dut, cfg, stall=0.0, longest=1, delay=1):
        self.dut, self.cfg, self.stall, self.longest, self.delay = dut, cfg, stall, longest, delay
        self.random, self.held, self.came, self.most = rng("queue"), False, 0, 0
        dut.left.value = 0

    async def run(self):
        """Work for ever."""
        dut, slots, waiting, gone, pause = self.dut, self.cfg.slots, deque(), 0, 0
        past = deque(maxlen=Drain.latency + 1)  # slots that have left before a cycle, ``empty`` in it
        for cycle in itertools.count():
            if pause == 0 and self.random.random() < self.stall:
                pause = self.random.randint(1, self.longest)
            leaves = bool(waiting) and waiting[0] + self.delay <= cycle and not pause and not self.held
            pause -= pause > 0
            dut.left.value = int(leaves)
            await ReadOnly()
            past.append((gone, int(dut.empty.value)))
            if int(dut.o__valid.value):
                waiting.append(cycle)
                self.came += 1
            if leaves:
                waiting.popleft()
                gone += 1
            # A position is on its way with all its slots from its start, ``latency`` cycles before its first neuron.
            on_way = -(-self.came // slots) * slots - past[0][0]
            assert on_way <= self.cfg.in_flight, "more slots are on their way than the queue has room for"
            assert len(past) <= Drain.latency or past[0][1] == (on_way == 0), "empty is wrong"
            self.most = max(self.most, on_way)
            await RisingEdge(dut.clk)


def random_layer(cfg, random, kind, scan, side):
    """A layer whose channels end in any group, slot and lane."""
    size = 1 if kind is Op.SCORE else window_frame(kind, side)[0]
    most = cfg.potential_words // (size**2 * cfg.slots) * cfg.outputs
    channels = random.randint(1, min(most, (4 if size < 3 else 2) * cfg.outputs + 1))
    first = random.randrange(0, cfg.channels - channels, cfg.neurons)
    fields = {"op": Op.SCORE, "windows": Windows.NONE} if kind is Op.SCORE else {"windows": kind}
    return layer(side, scan=scan, channels=channels, parameters=first, **fields)


async def prepare(dut, name, **queue):
    """(configuration, random numbers, parameters now in the unit, source, sink, banks, queue)."""
    cfg, random = config(), rng(name)
    dut.layer.value, dut.restart.value = 0, 0
    feed, sink = Source(dut, "i", sums(cfg)), NeuronSink(dut, cfg)
    banks, queue = Banks(dut), Queue(dut, cfg, **queue)
    writes = Source(dut, "parameter_write", parameter_write(cfg), stall=0.2)
    Source(dut, "potentials", potentials(cfg))
    await start(dut)
    cocotb.start_soon(sink.run())
    cocotb.start_soon(banks.count())
    cocotb.start_soon(queue.run())
    entries = [{name: some(random, PARAMETER_BITS) for name in ("scale", "bias")} for _ in range(cfg.channels)]
    order = random.sample(range(cfg.channels), cfg.channels)
    await writes.send([{"address": n, "word": entries[n]} for n in order])
    return cfg, random, entries, feed, sink, banks, queue


async def begin(dut, desc):
    """The layer and its restart."""
    dut.layer.value, dut.restart.value = packed(desc), 1
    await cycles(dut, 1)
    dut.restart.value = 0


@cocotb.test()
async def chains(dut):
    """Every neuron has the right sums, parameters, potentials and place; the array runs ahead of the layer."""
    cfg, random, entries, feed, sink, banks, queue = await prepare(dut, "drain", stall=0.2, longest=12)
    keep = Source(dut, "potentials", potentials(cfg), stall=0.3)
    layers, tiles = [], []
    for case in CASES * 2:
        desc = random_layer(cfg, random, *case)
        wanted = []
        for number in range(-(-desc["channels"] // cfg.outputs)):
            parts, result = group(cfg, random, desc)
            tiles += [(desc, *part) for part in parts]
            wanted += expect(cfg, desc, desc["parameters"], entries, number, result)
        layers.append((desc, wanted))

    async def array():
        for desc, places, blocks in tiles:
            await banks.fill(feed, desc, places, blocks, random.choice((0, 0, 0.5, 0.9)))

    cocotb.start_soon(array())
    kept = [some_potentials(random, cfg) for _ in range(cfg.potential_words)]
    await keep.send(kept)
    for desc, wanted in layers:
        await cycles(dut, random.choice((0, 5, 200)))
        await begin(dut, desc)
        sink.values.clear()
        previous, replaces = list(kept), random.random() < 0.7
        written = 0
        while len(sink.values) < len(wanted) or (replaces and written < len(wanted)):
            # What a layer keeps goes where the potentials lie that its neurons have just taken.
            if replaces and written < len(sink.values):
                kept[written] = some_potentials(random, cfg)
                await keep.send([kept[written]])
                written += 1
            else:
                await cycles(dut, 1)
        # Let whatever should not come any more come.
        await cycles(dut, random.choice((0, 20)))
        assert len(sink.values) == len(wanted)
        for got, (lanes, tag), before in zip(sink.values, wanted, previous, strict=False):
            assert {name: got[name] for name in tag} == tag, desc
            for lane, parts in lanes.items():
                assert {name: got[name][lane] for name in parts} == parts, (desc, tag)
                assert got["previous"][lane] == before[lane], (desc, tag)
    await cycles(dut, 20)
    assert (banks.released, banks.free) == (len(tiles), 2)
    assert queue.most == cfg.in_flight // cfg.slots * cfg.slots, "the drain never had to wait"


@cocotb.test()
async def banks_in_use(dut):
    """A bank is refilled the moment it is released, the neurons held at any position: no sum is lost."""
    cfg, random, _, feed, sink, banks, _ = await prepare(dut, "banks", stall=0.3, longest=60)
    for case in ((Op.SCORE, 0, 2), (Windows.N, 0, 2), (Windows.D, 0, 4), (Windows.D, 0, 8)):
        desc = random_layer(cfg, random, *case) | {"channels": 12 * cfg.outputs, "parameters": 0}
        wanted, tiles = [], []
        for _ in range(12):
            parts, result = group(cfg, random, desc)
            tiles += parts
            wanted += [
                [[result(w, i, j)[slot * cfg.neurons + lane] for w in range(WINDOWS)] for lane in range(cfg.neurons)]
                for i, j, slot in itertools.product(*2 * [range(chained(cfg, desc)[0])], range(cfg.slots))
            ]
        await begin(dut, desc)
        sink.values.clear()
        for places, blocks in tiles:
            await banks.fill(feed, desc, places, blocks, 0)
        while len(sink.values) < len(wanted):
            await cycles(dut, 1)
        assert [value["acc"] for value in sink.values] == wanted, desc


@cocotb.test()
async def full_queue(dut):
    """While nothing leaves, as many positions come as there is room for; each that leaves lets one more in."""
    cfg, random, _, feed, sink, banks, queue = await prepare(dut, "full queue")
    queue.held = True
    desc = layer(8, Windows.N, channels=2 * cfg.outputs)
    await begin(dut, desc)
    await banks.fill(feed, desc, *group(cfg, random, desc)[0][0], 0)
    room = cfg.in_flight // cfg.slots
    assert room + 4 < desc["positions"], "the layer does not fill the queue"
    for more in range(4):
        await cycles(dut, 200)
        assert len(sink.values) == (room + more) * cfg.slots
        for _ in range(cfg.slots):
            await cycles(dut, random.randint(20, 40))
            assert len(sink.values) == (room + more) * cfg.slots, "a position began before there was room for all of it"
            queue.held = False
            await cycles(dut, 1)
            queue.held = True


@cocotb.test()
async def throughput(dut):
    """``slots`` cycles per position, from tile to tile and from group to group, where the sums are there.

    Each slot is on its way for as long as the configuration says.
    """
    cfg, random, _, feed, sink, banks, _ = await prepare(dut, "throughput", delay=NEURON_CYCLES - 1 - Drain.latency)
    for windows, scan, side in ((Windows.N, 0, 10), (Windows.D, 1, 16), (Windows.D, 0, 8)):
        desc = layer(side, windows, scan=scan, channels=2 * cfg.outputs)
        sink.values.clear()
        sink.cycles.clear()
        await begin(dut, desc)
        for _ in range(2):
            for places, blocks in group(cfg, random, desc)[0]:
                await banks.fill(feed, desc, places, blocks[:1], 0)
        count = 2 * chained(cfg, desc)[0] ** 2 * cfg.slots
        while len(sink.values) < count:
            await cycles(dut, 1)
        assert sink.cycles == list(range(sink.cycles[0], sink.cycles[0] + count)), desc
