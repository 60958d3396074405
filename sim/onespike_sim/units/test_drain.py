"""Accumulators and drain together, against the chain's coordinate rules."""

import itertools

import cocotb

from onespike.contract.isa import Windows
from onespike_hw.engine.drain import parameter_write
from onespike_hw.interfaces import neuron_input, sums

from ..streams import Sink, Source, config, cycles, rng, start
from .layers import layer, packed, window_frame

CASES = [(Windows.N, 0, 8), (Windows.NONE, 0, 12), (Windows.D, 0, 8), (Windows.D, 1, 8), (Windows.D, 1, 4)]


@cocotb.test()
async def chains(dut):
    """Every neuron carries the right accumulators, parameters and potentials; tiles and partial groups."""
    cfg, random = config(), rng("drain")
    for name in ("layer", "restart", "potentials__valid"):
        getattr(dut, name).value = 0
    await start(dut)
    entries = [{"scale": random.randrange(-99, 99), "bias": random.randrange(-99, 99)} for _ in range(cfg.channels)]
    await Source(dut, "parameter_write", parameter_write(cfg)).send(
        [{"address": n, "word": entry} for n, entry in enumerate(entries)]
    )
    feed = Source(dut, "i", sums(cfg), stall=0.1)
    sink = Sink(dut, "o", neuron_input(cfg), stall=0.2)
    kept = Source(dut, "potentials", neuron_input(cfg)["previous"].shape)
    bank = 0
    for windows, gather, side in CASES:
        size, offset = window_frame(windows, side)
        half, first = side // 2, random.randrange(20)
        channels = random.randint(1, 2 * cfg.outputs + 1)
        scan = half if gather else size
        desc = layer(side, windows, gather=gather, channels=channels, parameters=first, scan_side=scan)
        dut.layer.value = packed(desc)
        dut.restart.value = 1
        await cycles(dut, 1)
        dut.restart.value = 0
        await cycles(dut, 1)
        previous = [[random.randrange(-2048, 2048) for _ in range(3)] for _ in range(size * size * channels)]
        await kept.send(previous)
        sink.values.clear()
        expected, tiles = [], []
        for og in range(0, channels, cfg.outputs):
            low, high = -(1 << cfg.sum_bits - 1), (1 << cfg.sum_bits - 1) - 1
            positions = list(itertools.product(range(scan), repeat=2))
            value = {
                (i, j): [[random.randint(low, high) for _ in range(cfg.outputs)] for _ in range(4)]
                for i, j in positions
            }
            for n in range(0, len(positions), cfg.tile):
                chunk = positions[n : n + cfg.tile]
                last = len(chunk) - 1
                tiles.append(
                    [
                        {
                            "sums": value[place], "position": p, "bank": bank, "first": 1, "double": 0,
                            "last": int(p == last), "end": int(p == last),
                        }
                        for p, place in enumerate(chunk)
                    ]
                )  # fmt: skip
                bank = 1 - bank
            slots = min(cfg.outputs, channels - og)
            for i, j, slot in itertools.product(range(size), range(size), range(slots)):
                acc = []
                for w in range(4):
                    y, x = i + offset * (w // 2), j + offset * (w % 2)
                    quadrant, place = 2 * (y // half) + x // half, (y % half, x % half)
                    acc.append(value[place][quadrant][slot] if gather else value[i, j][w][slot])
                word_end = int(slot == slots - 1)
                expected.append(
                    {
                        "acc": acc, "parameter": entries[first + og + slot], "previous": previous[len(expected)],
                        "row": i, "column": j, "slot": slot, "word_end": word_end,
                        "group_end": int(word_end and i == j == size - 1),
                    }
                )  # fmt: skip
        released = 0
        for number, tile in enumerate(tiles):
            while number - released >= 2:
                await cycles(dut, 1)
                released += int(dut.release.value)
            sending = cocotb.start_soon(feed.send(tile))
            while not sending.done():
                await cycles(dut, 1)
                released += int(dut.release.value)
        for _ in range(50_000):
            if len(sink.values) == len(expected):
                break
            await cycles(dut, 1)
        assert sink.values == expected, (windows, gather, side)
        await cycles(dut, 3)
