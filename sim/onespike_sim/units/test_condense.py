"""Condenser against a map filled window by window: plain, OR and MSp, partial groups, wide lanes."""

import itertools

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract import arith
from onespike.contract.config import WINDOWS
from onespike.contract.isa import Condense, Windows
from onespike_hw.interfaces import neuron_output, spike_write

from ..streams import Sink, Source, config, cycles, rng, start
from .layers import layer, packed, window_frame

WINDOW_CYCLES = 2
"""Cycles of a window, MSp's further planes apart; one more a position to take the next one over."""


def neurons(cfg, random, windows, side, channels):
    """Random spikes of a layer in the order of the chain."""
    size, _ = window_frame(windows, side)
    density = random.choice((0.1, 0.5, 0.9))
    result = []
    for first in range(0, channels, cfg.outputs):
        slots = min(cfg.outputs, channels - first)
        for row, column, slot in itertools.product(range(size), range(size), range(slots)):
            word_end = slot == slots - 1
            result.append(
                {
                    "spikes": sum((random.random() < density) << w for w in range(WINDOWS)),
                    "potentials": [random.randrange(-9, 9) for _ in range(WINDOWS - 1)],
                    "row": row,
                    "column": column,
                    "slot": slot,
                    "word_end": word_end,
                    "group_end": word_end and row == column == size - 1,
                }
            )
    return result


def condensed(cfg, desc, given, memory):
    """``memory`` (list of words) after the layer: every lane of its output groups, nothing else."""
    memory, side = list(memory), desc["side"]
    _, offset = window_frame(desc["windows"], side)
    fired, cover = {}, {}
    group = 0
    for neuron in given:
        for w in range(WINDOWS):
            pixel = neuron["row"] + offset * (w // 2), neuron["column"] + offset * (w % 2)
            here = group, neuron["slot"], *pixel
            fired[here] = fired.get(here, 0) + (neuron["spikes"] >> w & 1)
            cover[here] = cover.get(here, 0) + 1
        group += neuron["group_end"]
    for og, slot, y, x in itertools.product(range(group), range(cfg.outputs), range(side), range(side)):
        here = og, slot, y, x
        count = fired.get(here, 0)  # lanes beyond the layer's channels are silent
        level = int(count > 0)
        if desc["condense"] is Condense.MSP:
            level = arith.condense_level(count, cover.get(here, 1).bit_length() - 1)
        word, lane = divmod(og * cfg.outputs, cfg.lanes)
        for plane in range(desc["condense"].planes):
            address = desc["base"] + plane * desc["plane_step"] + word * side * side + y * side + x
            bit = 1 << lane + slot
            memory[address] = memory[address] & ~bit | (bit if level >> plane & 1 else 0)
    return memory


def apply(cfg, writes, memory):
    """``memory`` after the unit's writes, in their order."""
    memory = list(memory)
    for write in writes:
        parts = [part for part in range(cfg.lanes // cfg.outputs) if write["mask"] >> part & 1]
        lanes = sum(((1 << cfg.outputs) - 1) << part * cfg.outputs for part in parts)
        memory[write["address"]] = memory[write["address"]] & ~lanes | write["word"] & lanes
    return memory


async def run(dut, cfg, desc, feed, sink, given):
    """One layer through the unit; checks the memory it leaves and when it says that it is idle."""
    random = rng("memory")
    before = [random.getrandbits(cfg.lanes) for _ in range(cfg.spike_words)]
    dut.layer.value = packed(desc)
    dut.restart.value = 1
    await cycles(dut, 1)
    dut.restart.value = 0
    sink.values.clear()
    await feed.send(given)
    for _ in range(1000):
        await ReadOnly()
        if int(dut.idle.value):
            break
        await RisingEdge(dut.clk)
    positions = sum(neuron["word_end"] for neuron in given)
    assert int(dut.idle.value) and len(sink.values) == positions * WINDOWS * desc["condense"].planes
    await RisingEdge(dut.clk)
    assert apply(cfg, sink.values, before) == condensed(cfg, desc, given, before), desc


def prepared(cfg, random, windows, condense, side, channels):
    """A descriptor with a random place in the spike memory."""
    plane_step = -(-channels // cfg.lanes) * side * side
    base = random.randrange(cfg.spike_words - condense.planes * plane_step + 1)
    return layer(side, windows, condense=condense, channels=channels, base=base, plane_step=plane_step)


def modes():
    """(windows, condense) pairs that a network may have."""
    return [(w, c) for w, c in itertools.product(Windows, Condense) if w is Windows.D or c is Condense.OR]


@cocotb.test()
async def maps(dut):
    """The whole spike memory after a layer: the condensed map, and what lay around it unharmed."""
    cfg, random = config(), rng("condense")
    dut.layer.value, dut.restart.value = 0, 0
    feed = Source(dut, "i", neuron_output(cfg), stall=0.1)
    sink = Sink(dut, "o", spike_write(cfg), stall=0.2)
    await start(dut)
    for (windows, condense), side in itertools.product(modes(), (4, 8, 12, 16)):
        # One channel; a partial last group in the second slice of the lanes or in the second word.
        for channels in (1, random.randrange(cfg.outputs + 1, 2 * cfg.outputs)):
            desc = prepared(cfg, random, windows, condense, side, channels)
            given = neurons(cfg, random, windows, side, channels)
            await run(dut, cfg, desc, feed, sink, given)
        if side == 8:
            # Full groups that fill more than a word.
            desc = prepared(cfg, random, windows, condense, side, cfg.lanes + cfg.outputs)
            await run(dut, cfg, desc, feed, sink, neurons(cfg, random, windows, side, cfg.lanes + cfg.outputs))


@cocotb.test()
async def throughput(dut):
    """Positions overlap: a position takes its channels' cycles or its writes', whichever are more."""
    cfg, random = config(), rng("condense throughput")
    dut.layer.value, dut.restart.value = 0, 0
    feed, sink = Source(dut, "i", neuron_output(cfg)), Sink(dut, "o", spike_write(cfg))
    await start(dut)
    cycle, taken = 0, []

    async def watch():
        nonlocal cycle
        while True:
            await ReadOnly()
            if int(dut.i__valid.value) and int(dut.i__ready.value):
                taken.append(cycle)
            await RisingEdge(dut.clk)
            cycle += 1

    cocotb.start_soon(watch())
    for windows, condense in modes():
        taken.clear()
        desc = prepared(cfg, random, windows, condense, 8, cfg.outputs)
        given = neurons(cfg, random, windows, 8, cfg.outputs)
        await run(dut, cfg, desc, feed, sink, given)
        writes = WINDOWS * (WINDOW_CYCLES + condense.planes - 1) + 1
        period = max(cfg.outputs, writes)
        ends = [when for when, neuron in zip(taken, given, strict=True) if neuron["word_end"]]
        # The buffer takes one position ahead, so the period settles after two.
        steps = {later - sooner for sooner, later in itertools.pairwise(ends[2:])}
        assert steps == {period}, (windows, condense, steps)


@cocotb.test()
async def idle(dut):
    """Not idle from the first channel of a position to its last write."""
    cfg = config()
    dut.layer.value, dut.restart.value = packed(layer(4, Windows.N)), 0
    feed, sink = Source(dut, "i", neuron_output(cfg)), Sink(dut, "o", spike_write(cfg))
    await start(dut)
    await cycles(dut, 2)
    assert int(dut.idle.value)
    for neuron in neurons(cfg, rng("idle"), Windows.N, 4, cfg.outputs)[: cfg.outputs]:
        await feed.send([neuron])
        for _ in range(3):
            await RisingEdge(dut.clk)
            await ReadOnly()
            assert bool(int(dut.idle.value)) == (len(sink.values) == WINDOWS)
        await RisingEdge(dut.clk)
    for _ in range(WINDOWS * WINDOW_CYCLES + 2):
        await ReadOnly()
        # The last write is still there in the cycle that takes it.
        assert not int(dut.idle.value) or len(sink.values) == WINDOWS
        await RisingEdge(dut.clk)
    assert int(dut.idle.value) and len(sink.values) == WINDOWS
