"""Classifier against plain sums, single positions and extremes included."""

import cocotb
from amaranth.hdl import signed

from onespike.contract.config import PARAMETER_BITS, SCORE_BITS, WINDOWS
from onespike_hw.interfaces import chain_tag, neuron_input

from ..streams import Sink, Source, config, rng, start


def group(cfg, biases, accumulators):
    """(values to send, scores) of an output group; ``accumulators[position][slot][window]``."""
    values, totals = [], list(biases)
    for position, row in enumerate(accumulators):
        for slot, (acc, bias) in enumerate(zip(row, biases, strict=True)):
            totals[slot] += sum(acc)
            word_end = slot == len(row) - 1
            tag = dict.fromkeys(chain_tag(cfg), 0) | {"row": position >> 6, "column": position & 63, "slot": slot}
            tag |= {"word_end": word_end, "group_end": word_end and position == len(accumulators) - 1}
            parameter = {"scale": 0, "bias": bias}
            values.append({"acc": acc, "parameter": parameter, "previous": [0] * (WINDOWS - 1), **tag})
    return values, totals


def draw(cfg, random, slots, positions, choices):
    """A group whose accumulators are drawn by ``choices()``."""
    low, high = -(1 << PARAMETER_BITS - 1), (1 << PARAMETER_BITS - 1) - 1
    biases = [random.choice([low, high, 7, random.randint(low, high)]) for _ in range(slots)]
    return group(cfg, biases, [[[choices() for _ in range(WINDOWS)] for _ in range(slots)] for _ in range(positions)])


async def run(dut, name, stall_in, stall_out):
    """Groups of every kind, one after the other; their scores in order."""
    cfg, random = config(), rng(name)
    feed = Source(dut, "i", neuron_input(cfg), stall=stall_in)
    sink = Sink(dut, "scores", signed(SCORE_BITS), stall=stall_out)
    await start(dut)
    top = 1 << cfg.acc_bits - 1
    kinds = [
        lambda: random.choice([-top, top - 1, random.randrange(-top, top)]),
        lambda: -top,
        lambda: top - 1,
    ]
    values, expected = [], []
    # A partial group follows a full one and the other way round: nothing of one may stay for the next.
    for slots in (cfg.outputs, 1, cfg.outputs, cfg.outputs - 1):
        for positions in (1, 1, 16, 3):
            for choices in kinds:
                given, scores = draw(cfg, random, slots, positions, choices)
                values += given
                expected += scores
    await feed.send(values)
    await sink.wait(len(expected))
    assert sink.values == expected


@cocotb.test()
async def groups(dut):
    """Random gaps on both streams."""
    await run(dut, "groups", 0.2, 0.3)


@cocotb.test()
async def no_gaps(dut):
    """Values and scores as fast as they go."""
    await run(dut, "no gaps", 0.0, 0.0)


@cocotb.test()
async def large_map(dut):
    """Sums far beyond an accumulator: 900 positions, all at one extreme."""
    cfg = config()
    feed = Source(dut, "i", neuron_input(cfg))
    sink = Sink(dut, "scores", signed(SCORE_BITS), stall=0.5)
    await start(dut)
    low, high = -(1 << cfg.acc_bits - 1), (1 << cfg.acc_bits - 1) - 1
    values, expected = group(cfg, [-7, 7], [[[low] * WINDOWS, [high] * WINDOWS]] * 900)
    await feed.send(values)
    await sink.wait(len(expected))
    assert sink.values == expected == [900 * WINDOWS * low - 7, 900 * WINDOWS * high + 7]
