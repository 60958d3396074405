"""A chain of three SIMD adders against plain sums of wrapping lanes."""

import itertools

import cocotb
import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib import data
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import WINDOWS
from onespike_hw.engine.simd import simd_lanes

from ..streams import pack, rng, start, unpack
from .benches import SimdChain

LINKS = SimdChain.links
LOW, HIGH = -2048, 2047
FROM_OPERANDS = 2
FROM_CASCADE = 1


def _wrapped(values):
    return (values - LOW) % 4096 + LOW


async def check(dut, gates, operands):
    """Sums of ``operands`` (n, links, a and c, lanes) behind ``gates`` (n, links, a and c), one per cycle.

    A sum's operands reach each link when the sum of the link before does.
    """
    count = len(operands)
    expected = _wrapped((operands * gates[..., None]).sum(2).cumsum(1))  # n, links, lanes
    lanes, opened = data.ArrayLayout(simd_lanes(), LINKS), data.ArrayLayout(unsigned(2), LINKS)
    random = np.random.default_rng(rng("simd noise").randrange(2**32))
    await start(dut)
    got = np.empty_like(expected)
    for cycle in range(count + LINKS * FROM_CASCADE + FROM_OPERANDS):
        # What belongs to no sum is noise.
        given, gate = random.integers(LOW, HIGH + 1, (LINKS, 2, WINDOWS)), random.integers(0, 2, (LINKS, 2))
        for link in range(LINKS):
            number = cycle - link * FROM_CASCADE
            if 0 <= number < count:
                given[link], gate[link] = operands[number, link], gates[number, link]
        dut.a.value = pack(lanes, given[:, 0].tolist())
        dut.c.value = pack(lanes, given[:, 1].tolist())
        dut.gate.value = pack(opened, (gate @ [1, 2]).tolist())
        await ReadOnly()
        sums = unpack(lanes, int(dut.p.value))
        for link in range(LINKS):
            number = cycle - link * FROM_CASCADE - FROM_OPERANDS
            if 0 <= number < count:
                got[number, link] = sums[link]
        await RisingEdge(dut.clk)
    wrong = np.argwhere(got != expected)
    assert not len(wrong), f"sum, link, lane {wrong[0]}: {got[tuple(wrong[0])]}, not {expected[tuple(wrong[0])]}"


def _draw(name, values, count):
    random = np.random.default_rng(rng(name).randrange(2**32))
    return random.choice(values, (count, LINKS, 2, WINDOWS))


@cocotb.test()
async def gates(dut):
    """All patterns of open and closed gates, with random operands and with the ends of their range."""
    patterns = np.array(list(itertools.product((0, 1), repeat=2 * LINKS))).reshape(-1, LINKS, 2)
    order = np.random.default_rng(rng("simd order").randrange(2**32)).permutation(np.tile(patterns, (8, 1, 1)))
    half = len(order) // 2
    anything = _draw("simd gates", np.arange(LOW, HIGH + 1), half)
    await check(dut, order, np.concatenate([anything, _draw("simd gated ends", [LOW, HIGH], half)]))


@cocotb.test()
async def extremes(dut):
    """All operands alike in a lane, at the ends of their range and around zero: sums wrap by themselves."""
    lanes = np.array(list(itertools.product((LOW, -1, 1, HIGH), repeat=WINDOWS)))
    operands = np.broadcast_to(lanes[:, None, None, :], (len(lanes), LINKS, 2, WINDOWS))
    await check(dut, np.ones((len(lanes), LINKS, 2), int), operands)


@cocotb.test()
async def carries(dut):
    """Carries out of a lane reach no other: small operands of both signs, all gates open."""
    await check(dut, np.ones((1000, LINKS, 2), int), _draw("simd carries", [-2, -1, 0, 1, 2, HIGH, LOW], 1000))
