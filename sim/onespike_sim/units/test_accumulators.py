"""Accumulators against plain sums: planes, tiles, single-position tiles, widest values."""

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from onespike_hw.engine.accumulators import accumulator_row
from onespike_hw.interfaces import sums

from ..streams import Source, config, cycles, rng, start, unpack


@cocotb.test()
async def tiles(dut):
    """Random tiles in both banks; each is read back after its last block."""
    cfg, random = config(), np.random.default_rng(rng("accumulators").randrange(2**32))
    low, high = -(1 << cfg.sum_bits - 1), (1 << cfg.sum_bits - 1) - 1
    await start(dut)
    feed = Source(dut, "i", sums(cfg), stall=0.2)
    for tile in range(12):
        positions, bank = (1, cfg.tile, 3)[tile % 3], tile % 2
        total = np.zeros((positions, 4, cfg.outputs), np.int64)
        values = []
        blocks = int(random.integers(1, 5))
        for block in range(blocks):
            part = random.integers(low, high + 1, total.shape)
            if tile < 2:
                part[:] = (low, high)[tile]
            double = int(block > 0 and random.random() < 0.5)
            total = part if block == 0 else total * (1 + double) + part
            for n in range(positions):
                last = int(n == positions - 1)
                tag = {"position": n, "bank": bank, "first": int(block == 0), "double": double, "last": last}
                values.append({"sums": part[n].tolist(), "end": int(last and block == blocks - 1), **tag})
        sending = cocotb.start_soon(feed.send(values))
        for _ in range(10_000):
            await RisingEdge(dut.clk)
            if int(dut.done.value):
                break
        else:
            raise AssertionError("the tile was never reported complete")
        await sending
        for n in range(positions):
            dut.address.value = bank * cfg.tile + n
            await cycles(dut, 1)
            assert unpack(accumulator_row(cfg), int(dut.row.value)) == total[n].tolist()
