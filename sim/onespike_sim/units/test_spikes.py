"""Spike memory: partial writes, three taps at once, quadrants that change places, zeros outside."""

import itertools

import cocotb
from amaranth.hdl import Shape

from onespike.contract.config import BANKS, TAPS, WINDOWS
from onespike_hw.interfaces import spike_read, spike_words, spike_write, tile_tag
from onespike_hw.memory.spikes import SpikeMemory

from ..streams import Sink, Source, config, cycles, rng, start
from .timing import span


def draw_writes(cfg, memory, addresses, count, random):
    """``count`` random writes to ``addresses`` with every mask; applied to ``memory[address][quadrant]`` too."""
    writes = []
    for _ in range(count):
        address, mask = random.choice(addresses), random.randrange(1 << WINDOWS)
        words = [random.getrandbits(cfg.word) for _ in range(WINDOWS)]
        memory[address] = [words[q] if mask >> q & 1 else memory[address][q] for q in range(WINDOWS)]
        writes.append({"address": address, "words": words, "mask": mask})
    return writes


def draw_read(cfg, memory, addresses, random):
    """A random read of ``addresses`` and what must come back; wanted taps share a bank only where they share a word."""
    tag = {name: random.getrandbits(Shape.cast(shape).width) for name, shape in tile_tag(cfg).items()}
    address, wanted, banks = [], [], {}
    for _ in range(TAPS):
        address.append(random.choice([random.choice(addresses), *address[:1]]))
        here = banks.get(address[-1] % BANKS, address[-1])
        wanted.append(here == address[-1] and random.random() < 0.9)
        banks |= {here % BANKS: here} if wanted[-1] else {}
    turn = random.sample(range(TAPS), TAPS)  # so that it is not always the last tap that is not wanted
    address, wanted = [address[n] for n in turn], [wanted[n] for n in turn]
    swap_y, swap_x = random.randrange(2), [random.randrange(2) for _ in range(TAPS)]
    inside_y = [int(random.random() < 0.8) for _ in range(2)]
    inside_x = [[int(wanted[tap] and random.random() < 0.8) for _ in range(2)] for tap in range(TAPS)]
    words = []
    for y, x in itertools.product(range(2), repeat=2):
        total = 0
        for tap in range(TAPS):
            if inside_y[y] and inside_x[tap][x]:
                total |= memory[address[tap]][2 * (y ^ swap_y) + (x ^ swap_x[tap])] << tap * cfg.word
        words.append(total)

    def bits(values):
        return sum(value << n for n, value in enumerate(values))

    read = {
        "address": address,
        "tap": bits(wanted),
        "swap_y": swap_y,
        "inside_y": bits(inside_y),
        "swap_x": bits(swap_x),
        "inside_x": [bits(row) for row in inside_x],
    }
    return read | tag, {"words": words} | tag


def draw_reads(cfg, memory, addresses, count, random):
    """(reads, what must come back) of ``count`` random reads."""
    return [list(part) for part in zip(*(draw_read(cfg, memory, addresses, random) for _ in range(count)), strict=True)]


async def filled(dut, cfg, random):
    """Start the unit and write every word; returns (memory, the source of writes)."""
    await start(dut)
    memory = {address: [random.getrandbits(cfg.word) for _ in range(WINDOWS)] for address in range(cfg.spike_words)}
    write = Source(dut, "write", spike_write(cfg), stall=0.1)
    await write.send([{"address": a, "words": w, "mask": (1 << WINDOWS) - 1} for a, w in memory.items()])
    return memory, write


@cocotb.test()
async def reads(dut):
    """Masked writes over the whole memory; reads with pauses, writes elsewhere meanwhile."""
    cfg, random = config(), rng("spikes")
    memory, write = await filled(dut, cfg, random)
    lower, upper = range(cfg.spike_words // 2), range(cfg.spike_words // 2, cfg.spike_words)
    # Few addresses are written often, so that masks of the same word meet.
    few = [*random.sample(lower, 30), 0], [*random.sample(upper, 30), cfg.spike_words - 1]
    await write.send(draw_writes(cfg, memory, few[0], 300, random))
    sink = Sink(dut, "o", spike_words(cfg))
    feed = Source(dut, "i", spike_read(cfg), stall=0.2)
    for read_half, written_half in ((few[0], few[1]), (few[1], few[0]), (lower, upper), (upper, lower)):
        values, expected = draw_reads(cfg, memory, read_half, 400, random)
        writing = cocotb.start_soon(write.send(draw_writes(cfg, memory, written_half, 300, random)))
        sink.values.clear()
        await feed.send(values)
        await sink.wait(len(expected))
        await cycles(dut, 10)
        assert sink.values == expected
        await writing


@cocotb.test()
async def rows(dut):
    """Three neighbours in a row at every place modulo the banks: all of them wanted, none mistaken for another."""
    cfg, random = config(), rng("spikes rows")
    memory, _ = await filled(dut, cfg, random)
    sink, feed = Sink(dut, "o", spike_words(cfg)), Source(dut, "i", spike_read(cfg))
    values, expected = [], []
    for first, back in itertools.product(range(0, cfg.spike_words - TAPS, 5), (False, True)):
        read, wanted = draw_read(cfg, memory, [0], random)
        address = [first + (TAPS - 1 - tap if back else tap) for tap in range(TAPS)]
        everywhere = {"tap": (1 << TAPS) - 1, "swap_y": 0, "inside_y": 3, "swap_x": 0, "inside_x": [3] * TAPS}
        values.append(read | {"address": address} | everywhere)
        words = [sum(memory[a][w] << tap * cfg.word for tap, a in enumerate(address)) for w in range(WINDOWS)]
        expected.append(wanted | {"words": words})
    await feed.send(values)
    await sink.wait(len(expected))
    assert sink.values == expected


@cocotb.test()
async def written_then_read(dut):
    """A read that is taken the cycle after a write finds what was written; the other quadrants stay."""
    cfg, random = config(), rng("spikes order")
    memory, write = await filled(dut, cfg, random)
    write.stall = 0
    sink, feed = Sink(dut, "o", spike_words(cfg)), Source(dut, "i", spike_read(cfg))
    expected = []
    for _ in range(200):
        address = random.randrange(cfg.spike_words)
        await write.send(draw_writes(cfg, memory, [address], 1, random))
        read, wanted = draw_read(cfg, memory, [address], random)
        await feed.send([read])
        expected.append(wanted)
    await sink.wait(len(expected))
    assert sink.values == expected


@cocotb.test()
async def a_read_every_cycle(dut):
    """No pause between reads, and words ``latency`` cycles after their read."""
    cfg, random = config(), rng("spikes pace")
    memory, _ = await filled(dut, cfg, random)
    sink, feed = Sink(dut, "o", spike_words(cfg)), Source(dut, "i", spike_read(cfg))
    values, expected = draw_reads(cfg, memory, range(cfg.spike_words), 200, random)
    await feed.send(values[:1])
    for _ in range(SpikeMemory.latency):
        assert not sink.values, "words came early"
        await cycles(dut, 1)
    assert sink.values == expected[:1]
    sink.values.clear()
    cocotb.start_soon(feed.send(values[1:]))
    assert await span(dut, sink, len(expected) - 1) == len(expected) - 2
    assert sink.values == expected[1:]
