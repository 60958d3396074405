"""Accumulators against plain sums: planes, tiles, single-position tiles, widest values."""

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import WINDOWS
from onespike_hw.engine.accumulators import result_row
from onespike_hw.interfaces import sums

from ..streams import Source, config, cycles, rng, start, unpack


class Results:
    """What the result banks must hold: ``banks[bank][position][window][output]``, as far as tiles are complete."""

    def __init__(self, dut, cfg):
        self.dut, self.cfg, self.banks, self.dones = dut, cfg, [None, None], []

    async def compare(self):
        """Look at every position of both banks, each slot at another one in the same cycle."""
        places = [(bank, n) for bank, tile in enumerate(self.banks) if tile is not None for n in range(len(tile))]
        for first in range(len(places)):
            looked = [places[(first + slot) % len(places)] for slot in range(self.cfg.slots)]
            await self.see(looked)

    async def see(self, looked):
        """Slot by slot, look at (bank, position)."""
        cfg = self.cfg
        for slot, (bank, n) in enumerate(looked):
            getattr(self.dut, f"address__{slot}").value = bank * cfg.tile + n
        await ReadOnly()
        for slot, (bank, n) in enumerate(looked):
            row = unpack(result_row(cfg), int(getattr(self.dut, f"rows__{slot}").value))
            assert row == self.banks[bank][n][:, slot * cfg.neurons :][:, : cfg.neurons].tolist(), (bank, n, slot)
        await RisingEdge(self.dut.clk)

    async def watch(self):
        """Note the cycle of every ``done``."""
        cycle = 0
        while True:
            await ReadOnly()
            if int(self.dut.done.value):
                self.dones.append(cycle)
            await RisingEdge(self.dut.clk)
            cycle += 1


async def run_tile(dut, feed, results, bank, blocks):
    """One tile; ``blocks`` of (double, parts), parts being (passes, positions, window, output)."""
    total = np.zeros(blocks[0][1].shape[1:], np.int64)
    positions, finished = len(total), len(results.dones)
    for number, (double, parts) in enumerate(blocks):
        final = number == len(blocks) - 1
        values = []
        for turn, part in enumerate(parts):
            total = total * (2 if double and turn == 0 else 1) + part
            for n in range(positions):
                opens, last = turn == 0, turn == len(parts) - 1 and n == positions - 1
                tag = {
                    "position": n, "bank": bank, "first": int(opens and number == 0), "double": int(opens and double),
                    "last": int(last), "final": int(final), "end": int(final and last),
                }  # fmt: skip
                values.append({"sums": part[n].tolist(), **tag})
        await feed.send(values)
        if not final:
            # Blocks that complete nothing leave both banks as they are, also the tile's own.
            await cycles(dut, 2)
            await results.compare()
    results.banks[bank] = total
    # In the cycle of ``done`` the last result is there.
    await cycles(dut, 1)
    assert len(results.dones) == finished
    await results.see([(bank, positions - 1)] * results.cfg.slots)
    assert len(results.dones) == finished + 1
    await results.compare()
    assert len(results.dones) == finished + 1


async def prepare(dut, name, stall):
    """(configuration, random numbers, source, what the banks must hold)."""
    cfg, random = config(), np.random.default_rng(rng(name).randrange(2**32))
    for slot in range(cfg.slots):
        getattr(dut, f"address__{slot}").value = 0
    feed, results = Source(dut, "i", sums(cfg), stall), Results(dut, cfg)
    await start(dut)
    cocotb.start_soon(results.watch())
    return cfg, random, feed, results


@cocotb.test()
async def tiles(dut):
    """Random tiles, blocks, passes and planes: both banks hold what they must before and after each tile."""
    cfg, random, feed, results = await prepare(dut, "accumulators", 0.2)
    low, high = -(1 << cfg.sum_bits - 1), 1 << cfg.sum_bits - 1
    for tile in range(12):
        positions, passes = (1, cfg.tile, 3)[tile % 3], (1, 4)[tile // 3 % 2]
        blocks = []
        for block in range(int(random.integers(1, 5))):
            parts = random.integers(low, high, (passes, positions, WINDOWS, cfg.outputs))
            blocks.append((block > 0 and random.random() < 0.5, parts))
        await run_tile(dut, feed, results, tile % 2, blocks)


@cocotb.test()
async def extremes(dut):
    """The largest and the smallest accumulator, plane by plane, at every output and window."""
    cfg, _, feed, results = await prepare(dut, "extremes", 0.0)
    shape = (1, cfg.tile, WINDOWS, cfg.outputs)
    low, high = -(1 << cfg.sum_bits - 1), (1 << cfg.sum_bits - 1) - 1
    for bank, (part, goal) in enumerate(((low, -(1 << cfg.acc_bits - 1)), (high, (1 << cfg.acc_bits - 1) - 1))):
        blocks, total = [], 0
        while abs(2 * total + part) <= abs(goal):
            blocks.append((bool(blocks), np.full(shape, part)))
            total = 2 * total + part
        while total != goal:
            rest = max(low, min(high, goal - total))
            blocks.append((False, np.full(shape, rest)))
            total += rest
        await run_tile(dut, feed, results, bank, blocks)
        assert (results.banks[bank] == goal).all()


@cocotb.test()
async def one_position(dut):
    """A layer of scores: all its positions are summed at place 0, one right after the other."""
    cfg, random, feed, results = await prepare(dut, "one position", 0.0)
    low, high = -(1 << cfg.sum_bits - 1), 1 << cfg.sum_bits - 1
    for bank in range(2):
        parts = random.integers(low, high, (2, 64, 1, WINDOWS, cfg.outputs))
        await run_tile(dut, feed, results, bank, [(False, parts[0]), (True, parts[1])])
