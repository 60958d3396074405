"""Classifier against plain sums: any number of classes, extremes, as many neurons inside as may be."""

import cocotb
from amaranth.hdl import signed
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import PARAMETER_BITS, SCORE_BITS, WINDOWS
from onespike_hw.interfaces import neuron_input

from ..streams import Sink, config, cycles, rng, start, unpack
from .neurons import NeuronSource, random_tag, some
from .timing import span


def layer_of(cfg, random, sums, biases):
    """The neurons of a score layer; ``sums[class][window]``. What belongs to no class is noise."""
    layout, classes, result = neuron_input(cfg), len(biases), []
    for group in range(0, classes, cfg.outputs):
        for slot in range(cfg.slots):
            first = group + slot * cfg.neurons
            value = unpack(layout, random.getrandbits(layout.size)) | random_tag(random, cfg)
            there = range(first, min(first + cfg.neurons, classes))
            for n in there:
                value["acc"][n - first], value["parameter"][n - first]["bias"] = sums[n], biases[n]
            value |= {
                "slot": slot,
                "present": sum(1 << n - first for n in there),
                "chain_end": 1,
                "group_end": int(group + cfg.outputs >= classes),
            }
            result.append(value)
    return result


def draw(cfg, random, classes, choice):
    """(neurons, scores) of a layer whose accumulators are drawn by ``choice()``."""
    sums = [[choice() for _ in range(WINDOWS)] for _ in range(classes)]
    biases = [some(random, PARAMETER_BITS) for _ in range(classes)]
    return layer_of(cfg, random, sums, biases), [sum(row) + bias for row, bias in zip(sums, biases, strict=True)]


class Watch:
    """What leaves the unit: events in order, scores and ``"done"``; counts neurons inside.

    ``room()``: another neuron may enter, by the ``left`` pulses of earlier cycles.
    """

    def __init__(self, dut, cfg):
        self.dut, self.cfg = dut, cfg
        self.events, self.left, self.most, self.feed = [], 0, 0, None

    def room(self):
        """Whether another may enter in this cycle."""
        return self.feed.sent - self.left < self.cfg.in_flight

    async def run(self):
        """Work for ever."""
        while True:
            await ReadOnly()
            self.most = max(self.most, self.feed.sent - self.left)
            self.left += int(self.dut.left.value)
            assert self.left <= self.feed.sent, "more have left than have come"
            if int(self.dut.scores__valid.value) and int(self.dut.scores__ready.value):
                self.events.append(unpack(signed(SCORE_BITS), int(self.dut.scores__payload.value)))
            if int(self.dut.done.value):
                self.events.append("done")
            await RisingEdge(self.dut.clk)


async def prepare(dut, name, stall, stall_scores):
    """(configuration, random numbers, watch, source, sink)."""
    cfg, random, watch = config(), rng(name), Watch(dut, config())
    watch.feed = NeuronSource(dut, cfg, stall, watch.room)
    sink = Sink(dut, "scores", signed(SCORE_BITS), stall_scores)
    await start(dut)
    cocotb.start_soon(watch.run())
    return cfg, random, watch, watch.feed, sink


@cocotb.test()
async def layers(dut):
    """Layers of every number of classes in a row; ``done`` after a layer's last score and before the next's first."""
    cfg, random, watch, feed, sink = await prepare(dut, "layers", 0.1, 0.4)
    top = 1 << cfg.acc_bits - 1
    choices = [lambda: some(random, cfg.acc_bits), lambda: -top, lambda: top - 1]
    values, expected = [], []
    for classes in random.sample(range(1, 2 * cfg.outputs + 2), 2 * cfg.outputs + 1):
        for choice in choices:
            given, scores = draw(cfg, random, classes, choice)
            values += given
            expected += [*scores, "done"]
    await feed.send(values)
    await sink.wait(sum(event != "done" for event in expected))
    # The slots behind the last class may take a cycle for each of their lanes.
    await cycles(dut, cfg.outputs + 1)
    assert watch.events == expected
    assert watch.left == feed.sent == len(values)


@cocotb.test()
async def extremes(dut):
    """The largest and the smallest score there can be."""
    cfg, random, _, feed, sink = await prepare(dut, "extremes", 0.0, 0.0)
    top, bias = 1 << cfg.acc_bits - 1, 1 << PARAMETER_BITS - 1
    low, high = [-top] * WINDOWS, [top - 1] * WINDOWS
    goals = [(low, -bias), (high, bias - 1), (low, bias - 1), (high, -bias)]
    sums, biases = zip(*goals * 5, strict=True)
    await feed.send(layer_of(cfg, random, sums, biases))
    await sink.wait(len(biases))
    assert sink.values == [-4 * top - bias, 4 * top - 4 + bias - 1, -4 * top + bias - 1, 4 * top - 4 - bias] * 5


@cocotb.test()
async def blocked(dut):
    """Scores blocked until all that may be inside is inside: nothing is lost or mixed."""
    cfg, random, watch, feed, sink = await prepare(dut, "blocked", 0.0, 1.0)
    given, scores = draw(cfg, random, 3 * cfg.in_flight * cfg.neurons, lambda: some(random, cfg.acc_bits))
    sending = cocotb.start_soon(feed.send(given))
    for turn in range(4):
        sink.stall = 1.0
        await cycles(dut, 2 * cfg.in_flight)
        assert feed.sent - watch.left == cfg.in_flight, turn
        sink.stall = 0.2
        await sink.wait(len(sink.values) + cfg.in_flight // 2)
    await sending
    await sink.wait(len(scores))
    await cycles(dut, cfg.outputs + 1)
    assert watch.events == [*scores, "done"]
    assert watch.most == cfg.in_flight


@cocotb.test()
async def throughput(dut):
    """A score per cycle."""
    cfg, random, _, feed, sink = await prepare(dut, "throughput", 0.0, 0.0)
    given, scores = draw(cfg, random, 20 * cfg.outputs, lambda: some(random, cfg.acc_bits))
    sending = cocotb.start_soon(feed.send(given))
    assert await span(dut, sink, len(scores)) == len(scores) - 1
    await sending
    assert sink.values == scores
