"""Loader: good images land bit-exactly, every kind of bad image gets its status; random stalls."""

import zlib

import cocotb
import numpy as np
from amaranth.hdl import unsigned

from onespike.compiler import compile
from onespike.contract import isa
from onespike.contract.config import GROUP
from onespike.contract.regs import Status
from onespike.random_networks import draw
from onespike_hw.control.sequencer import layer_write
from onespike_hw.engine.drain import parameter_write
from onespike_hw.engine.omega import table_write
from onespike_hw.memory.weights import weight_write

from ..streams import Sink, Source, config, cycles, pack, rng, start

PORTS = {
    isa.Target.LAYERS: ("layer_write", layer_write),
    isa.Target.WEIGHTS: ("weight_write", weight_write),
    isa.Target.PARAMETERS: ("parameter_write", parameter_write),
    isa.Target.TABLES: ("table_write", table_write),
}


def sealed(words):
    """``words`` with the checksum that they should have."""
    words[-1] = zlib.crc32(words[:-1].astype("<u4").tobytes())
    return words


async def load(dut, words, stall=0.2):
    """Send as many words as the loader takes; returns its status."""
    feed = Source(dut, "i", unsigned(32), stall)
    sending = cocotb.start_soon(feed.send([int(w) for w in words]))
    for _ in range(20 * len(words)):
        await cycles(dut, 1)
        if int(dut.status.value) not in (Status.NO_PROGRAM.value, Status.LOADING.value):
            break
    await cycles(dut, 3)
    sending.cancel()
    dut.i__valid.value = 0
    return Status(int(dut.status.value))


async def reset(dut):
    """Drop the program."""
    dut.rst.value = 1
    await cycles(dut, 2)
    dut.rst.value = 0


def listen(dut, cfg):
    """What leaves for each target's memory."""
    return {target: Sink(dut, prefix, layout(cfg)) for target, (prefix, layout) in PORTS.items()}


def clear(sinks):
    for sink in sinks.values():
        sink.values.clear()


def weight_entries(cfg, weights):
    """Words of the weight memory: number i of a block holds input i of every group, for every output."""
    entries = []
    for block in weights.tolist():
        for number in range(GROUP):
            row = [weight for lanes in block for weight in lanes[number::GROUP]]
            entries.append(
                sum((weight & (1 << cfg.weight_bits) - 1) << n * cfg.weight_bits for n, weight in enumerate(row))
            )
    return entries


def check(cfg, program, sinks):
    """Every entry of every section was written once, in order, and nothing else."""
    layers = [w for layer in program.layers for w in isa.to_words(isa.pack(isa.Layer, **layer), isa.LAYER_WORDS)]
    parameters = zip(program.scale.tolist(), program.bias.tolist(), strict=True)
    expected = {
        isa.Target.LAYERS: layers,
        isa.Target.WEIGHTS: weight_entries(cfg, program.weights),
        isa.Target.PARAMETERS: [{"scale": scale, "bias": bias} for scale, bias in parameters],
        isa.Target.TABLES: program.tables.reshape(-1).tolist(),
    }
    for target, entries in expected.items():
        name = "value" if target is isa.Target.TABLES else "word"
        assert sinks[target].values == [{"address": n, name: entry} for n, entry in enumerate(entries)], target.name


@cocotb.test()
async def good_images(dut):
    """Every section of several programs arrives entry by entry."""
    cfg = config()
    await start(dut)
    sinks = listen(dut, cfg)
    for seed in range(4):
        program = compile(draw(seed, cfg)[0], cfg).program
        words = program.encode()
        await reset(dut)
        clear(sinks)
        assert await load(dut, words, stall=0.1 * (seed % 2)) is Status.READY
        header = isa.unpack(isa.Header, int(dut.header.value))
        assert header == isa.unpack(isa.Header, isa.from_words(words[: isa.HEADER_WORDS]))
        check(cfg, program, sinks)


@cocotb.test()
async def reset_in_the_middle(dut):
    """A reset while an image arrives, in its header, in a section's head or in a weight word, leaves no trace."""
    cfg, random = config(), rng("loader reset")
    await start(dut)
    sinks = listen(dut, cfg)
    program = compile(draw(1, cfg)[0], cfg).program
    words = program.encode()
    weights, head = section_of(words, isa.Target.WEIGHTS)
    data = weights + isa.SECTION_WORDS
    anywhere = random.randrange(data, data + head["count"])
    inside_a_weight = data + cfg.weight_program_words // 2
    for count in (1, isa.HEADER_WORDS - 1, isa.HEADER_WORDS, weights + 1, inside_a_weight, anywhere):
        await reset(dut)
        await Source(dut, "i", unsigned(32), 0.1).send([int(word) for word in words[:count]])
        await cycles(dut, 3)
        assert Status(int(dut.status.value)) is Status.LOADING
        await reset(dut)
        assert Status(int(dut.status.value)) is Status.NO_PROGRAM
        clear(sinks)
        assert await load(dut, words, 0.0) is Status.READY
        check(cfg, program, sinks)


def image(good, body):
    """An image with the right length and checksum around ``body``, its header otherwise that of ``good``."""
    header = isa.unpack(isa.Header, isa.from_words(good[: isa.HEADER_WORDS]))
    opening = {**header, "words": isa.HEADER_WORDS + len(body) + 1}
    words = isa.to_words(isa.pack(isa.Header, **opening), isa.HEADER_WORDS)
    return sealed(np.array([*words, *body, 0], np.uint32))


def section(target, count, start=0, said=None):
    """A section of ``count`` words whose head says ``said``."""
    head = isa.pack(isa.Section, target=target, start=start, count=count if said is None else said)
    return [*isa.to_words(head, isa.SECTION_WORDS), *range(count)]


def section_of(words, target):
    """(place, head) of a target's section."""
    position = isa.HEADER_WORDS
    while True:
        head = isa.unpack(isa.Section, isa.from_words(words[position : position + isa.SECTION_WORDS]))
        if head["target"] is target:
            return position, head
        position += isa.SECTION_WORDS + head["count"]


async def expect(dut, words, status):
    """The image ends in ``status``, and nothing is taken afterwards until a reset."""
    await reset(dut)
    assert await load(dut, words, stall=0.1) is status
    dut.i__valid.value = 1
    await cycles(dut, 5)
    assert not int(dut.i__ready.value) and Status(int(dut.status.value)) is status
    dut.i__valid.value = 0


@cocotb.test()
async def bad_images(dut):
    """Each kind of damage is named; nothing is taken afterwards until a reset."""
    cfg, random = config(), rng("loader")
    await start(dut)
    good = compile(draw(1, cfg)[0], cfg).program.encode()

    def changed(index, value):
        words = good.copy()
        words[index] = value
        return sealed(words)

    weights, head = section_of(good, isa.Target.WEIGHTS)
    start_beyond = pack(unsigned(32), isa.Target.WEIGHTS.value | cfg.weight_words << 4)
    damaged = good.copy()
    damaged[random.randrange(weights + 2, weights + head["count"])] ^= np.uint32(1 << random.randrange(32))
    unsealed = good.copy()
    unsealed[-1] ^= np.uint32(1)
    cases = [
        (changed(0, 0x12345678), Status.BAD_MAGIC),
        (changed(1, 99), Status.BAD_VERSION),
        (changed(2, int(good[2]) ^ 1), Status.BAD_FINGERPRINT),
        (changed(isa.HEADER_WORDS, 0xF), Status.BAD_SECTION),
        (changed(weights, start_beyond), Status.BAD_SECTION),
        (changed(weights + 1, len(good)), Status.BAD_SECTION),
        (image(good, [*section(isa.Target.METADATA, 3), 0]), Status.BAD_SECTION),
        (image(good, section(isa.Target.METADATA, 3, said=4)), Status.BAD_SECTION),
        (image(good, section(isa.Target.METADATA, 3)), Status.READY),
        (damaged, Status.BAD_CHECKSUM),
        (unsealed, Status.BAD_CHECKSUM),
        (image(good, section(isa.Target.WEIGHTS, cfg.weight_program_words + 1)), Status.BAD_SECTION),
        (image(good, section(isa.Target.WEIGHTS, 2 * cfg.weight_program_words - 1)), Status.BAD_SECTION),
    ]
    # One word of a weight word's. Were it taken for half of a section's head, the next section would be read one
    # word late, its first word being a count that reaches just to the checksum.
    half = section(isa.Target.WEIGHTS, isa.Target.LAYERS.value)
    cases.append((image(good, half), Status.BAD_SECTION))
    cases.append((image(good, half + section(isa.Target.TABLES, isa.Target.TABLES.value - 1)), Status.BAD_SECTION))
    cases.append((image(good, section(isa.Target.WEIGHTS, 2 * cfg.weight_program_words)), Status.READY))
    for words, status in cases:
        await expect(dut, words, status)
    await reset(dut)
    assert await load(dut, good) is Status.READY


@cocotb.test()
async def memory_limits(dut):
    """A section may reach to its memory's last entry and no further, however far beyond it begins."""
    cfg = config()
    await start(dut)
    sinks = listen(dut, cfg)
    good = compile(draw(1, cfg)[0], cfg).program.encode()
    memories = (
        (isa.Target.LAYERS, cfg.layers * isa.LAYER_WORDS, 1),
        (isa.Target.WEIGHTS, cfg.blocks * GROUP, cfg.weight_program_words),
        (isa.Target.PARAMETERS, cfg.channels, 1),
        (isa.Target.TABLES, cfg.tables << cfg.k + 4, 1),
    )
    for target, depth, size in memories:
        last_two = image(good, section(target, 2 * size, depth - 2))
        clear(sinks)
        await expect(dut, last_two, Status.READY)
        assert [write["address"] for write in sinks[target].values] == [depth - 2, depth - 1]
        assert not any(sink.values for other, sink in sinks.items() if other is not target)
        clear(sinks)
        for count, begin in ((3, depth - 2), (1, depth), (1, 1 << 16), (1, (1 << 28) - 1)):
            await expect(dut, image(good, section(target, count * size, begin)), Status.BAD_SECTION)
        assert not any(sink.values for sink in sinks.values()), "a refused section reached a memory"
    small = isa.Target.PARAMETERS
    await expect(dut, image(good, section(small, cfg.channels)), Status.READY)
    assert len(sinks[small].values) == cfg.channels
    await expect(dut, image(good, section(small, cfg.channels + 1)), Status.BAD_SECTION)
