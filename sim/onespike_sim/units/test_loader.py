"""Loader: good images land bit-exactly, every kind of bad image gets its status; random stalls."""

import zlib

import cocotb
import numpy as np
from amaranth.hdl import unsigned

from onespike.compiler import compile
from onespike.contract import isa
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


@cocotb.test()
async def good_images(dut):
    """Every section of several programs arrives entry by entry."""
    cfg = config()
    await start(dut)
    sinks = {t: Sink(dut, prefix, layout(cfg)) for t, (prefix, layout) in PORTS.items()}
    for seed in range(4):
        program = compile(draw(seed, cfg)[0], cfg).program
        words = program.encode()
        for sink in sinks.values():
            sink.values.clear()
        await reset(dut)
        assert await load(dut, words, stall=0.1 * (seed % 2)) is Status.READY
        header = isa.unpack(isa.Header, int(dut.header.value))
        assert header == isa.unpack(isa.Header, isa.from_words(words[: isa.HEADER_WORDS]))
        got = {t: {v["address"]: v for v in sink.values} for t, sink in sinks.items()}
        layers = [w for layer in program.layers for w in isa.to_words(isa.pack(isa.Layer, **layer), isa.LAYER_WORDS)]
        assert [got[isa.Target.LAYERS][n]["word"] for n in range(len(layers))] == layers
        for n, row in enumerate(program.weights):
            bits = [int(w) & (1 << cfg.weight_bits) - 1 for w in row]
            assert got[isa.Target.WEIGHTS][n]["word"] == sum(b << n * cfg.weight_bits for n, b in enumerate(bits))
        parameters = zip(program.scale.tolist(), program.bias.tolist(), strict=True)
        assert [got[isa.Target.PARAMETERS][n]["word"] for n in range(len(program.scale))] == [
            {"scale": s, "bias": b} for s, b in parameters
        ]
        flat = program.tables.reshape(-1).tolist()
        assert [got[isa.Target.TABLES][n]["value"] for n in range(len(flat))] == flat


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

    def section_of(target):
        position = isa.HEADER_WORDS
        while True:
            head = isa.unpack(isa.Section, isa.from_words(good[position : position + isa.SECTION_WORDS]))
            if head["target"] is target:
                return position, head
            position += isa.SECTION_WORDS + head["count"]

    weights, head = section_of(isa.Target.WEIGHTS)
    header = isa.unpack(isa.Header, isa.from_words(good[: isa.HEADER_WORDS]))

    def image(body):
        """An image with the right length and checksum around ``body``."""
        opening = {**header, "words": isa.HEADER_WORDS + len(body) + 1}
        words = isa.to_words(isa.pack(isa.Header, **opening), isa.HEADER_WORDS)
        return sealed(np.array([*words, *body, 0], np.uint32))

    def section(target, count):
        head = isa.pack(isa.Section, target=target, start=0, count=count)
        return [*isa.to_words(head, isa.SECTION_WORDS), *range(count)]

    start_beyond = pack(unsigned(32), isa.Target.WEIGHTS.value | cfg.weight_words << 4)
    damaged = good.copy()
    damaged[random.randrange(weights + 2, weights + head["count"])] ^= np.uint32(1 << random.randrange(32))
    cases = [
        (changed(0, 0x12345678), Status.BAD_MAGIC),
        (changed(1, 99), Status.BAD_VERSION),
        (changed(2, int(good[2]) ^ 1), Status.BAD_FINGERPRINT),
        (changed(isa.HEADER_WORDS, 0xF), Status.BAD_SECTION),
        (changed(weights, start_beyond), Status.BAD_SECTION),
        (changed(weights + 1, len(good)), Status.BAD_SECTION),
        (image([*section(isa.Target.METADATA, 3), 0]), Status.BAD_SECTION),
        (damaged, Status.BAD_CHECKSUM),
    ]
    if isa.Target.PARAMETERS.value % cfg.weight_program_words:
        # Half a weight word. Were the next section read one word late, its first word would be a count that
        # reaches just to the checksum.
        half = section(isa.Target.WEIGHTS, isa.Target.PARAMETERS.value)
        cases.append((image(half), Status.BAD_SECTION))
        cases.append((image(half + section(isa.Target.TABLES, isa.Target.TABLES.value - 1)), Status.BAD_SECTION))
    cases.append((image(section(isa.Target.WEIGHTS, 2 * cfg.weight_program_words)), Status.READY))
    for words, status in cases:
        await reset(dut)
        assert await load(dut, words, stall=0.1) is status
        dut.i__valid.value = 1
        await cycles(dut, 5)
        assert not int(dut.i__ready.value) and Status(int(dut.status.value)) is status
        dut.i__valid.value = 0
    await reset(dut)
    assert await load(dut, good) is Status.READY
