"""Sequencer against plain loops: every block, in order, with its weights; layer after layer."""

import itertools

import cocotb
from amaranth.hdl import Shape
from cocotb.triggers import RisingEdge

from onespike.compiler import compile
from onespike.contract import isa
from onespike.contract.isa import Op
from onespike.random_networks import draw
from onespike_hw.control.sequencer import layer_write
from onespike_hw.interfaces import block_command

from ..streams import Sink, Source, config, cycles, start


def blocks(cfg, layer):
    """(commands, weight addresses) of a layer, straight from the loop order."""
    commands, weights = [], []
    sources = [(layer["main"], 0, 0), (layer["shortcut"], 1, layer["shortcut_weights"])]
    positions = layer["scan_side"] ** 2
    for og in range(-(-layer["channels"] // cfg.outputs)):
        for tile in range(0, positions, cfg.tile):
            todo = []
            for plane in reversed(range(max(layer["main"]["planes"], layer["shortcut"]["planes"]))):
                opens = True
                for src, shortcut, words in sources:
                    if plane >= src["planes"]:
                        continue
                    reach = src["kernel"] // 2
                    taps = itertools.product(range(-reach, reach + 1), repeat=2)
                    for n, ((dy, dx), group) in enumerate(itertools.product(taps, range(src["groups"]))):
                        base = src["top"] - (src["planes"] - 1 - plane) * src["plane_step"] + group * src["group_step"]
                        address = base + dy * src["side"] + dx
                        todo.append((address, dy, dx, shortcut, opens))
                        weights.append(layer["weights"] + og * layer["group_weights"] + words + n * cfg.outputs)
                        opens = False
            for n, (address, dy, dx, shortcut, opens) in enumerate(todo):
                commands.append(
                    {
                        "address": address, "dy": dy, "dx": dx, "shortcut": shortcut,
                        "count": min(cfg.tile, positions - tile), "restart": int(tile == 0), "first": int(n == 0),
                        "double": int(opens and n > 0), "end": int(n == len(todo) - 1),
                    }
                )  # fmt: skip
    return commands, weights


@cocotb.test()
async def programs(dut):
    """Random programs run to their last layer; banks are never claimed before they are released."""
    cfg = config()
    for name in ("start", "group_done", "release", "layers"):
        getattr(dut, name).value = 0
    dut.idle.value = 1
    await start(dut)
    commands = Sink(dut, "blocks", block_command(cfg), stall=0.3)
    weights = Sink(dut, "weights", Shape.cast(range(cfg.weight_words)), stall=0.3)
    write = Source(dut, "layer_write", layer_write(cfg))
    bank = 0
    for seed in range(20, 26):
        program = compile(draw(seed, cfg)[0], cfg).program
        words = [w for layer in program.layers for w in isa.to_words(isa.pack(isa.Layer, **layer), isa.LAYER_WORDS)]
        await write.send([{"address": n, "word": word} for n, word in enumerate(words)])
        dut.layers.value = len(program.layers)
        dut.start.value = 1
        await cycles(dut, 1)
        dut.start.value = 0
        for index, layer in enumerate(program.layers):
            while not int(dut.restart.value):
                await RisingEdge(dut.clk)
            assert int(dut.index.value) == index
            assert int(dut.layer.value) == isa.pack(isa.Layer, **layer)
            assert (layer["op"] is Op.SCORE) == (index == len(program.layers) - 1)
            commands.values.clear()
            weights.values.clear()
            expected, addresses = blocks(cfg, layer)
            ends = 0
            for _ in range(100_000):
                await RisingEdge(dut.clk)
                dut.release.value = 0
                seen = sum(c["end"] for c in commands.values)
                opened = sum(c["first"] for c in commands.values)
                assert opened <= ends + 2, "a third tile was begun before a bank was released"
                if seen > ends:
                    ends += 1
                    dut.release.value = 1
                if len(commands.values) == len(expected) and ends == seen:
                    break
            await cycles(dut, 1)
            dut.release.value = 0
            await weights.wait(len(addresses))
            for command in commands.values:
                assert command.pop("bank") == bank
                bank ^= command["end"]
            assert commands.values == expected, seed
            assert weights.values == addresses, seed
            for _ in range(-(-layer["channels"] // cfg.outputs)):
                assert int(dut.busy.value)
                dut.group_done.value = 1
                await cycles(dut, 1)
            dut.group_done.value = 0
        await cycles(dut, 4)
        assert not int(dut.busy.value)
