"""Neuron streams in tests: they have no way to wait, and their windows follow one another."""

from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract.config import POTENTIAL_BITS, WINDOWS
from onespike_hw.interfaces import chain_tag, neuron_input

from ..streams import pack, rng, unpack


class NeuronSource:
    """Sends neurons into the port ``i``, ``acc[lane][w]`` ``w`` cycles after the rest, noise where nothing is meant.

    A neuron is a value of ``neuron_input`` whose accumulators belong together. It goes in a cycle in which
    ``may()`` holds, but for bubbles with probability ``stall``. ``sent`` counts them.
    """

    def __init__(self, dut, cfg, stall=0.0, may=lambda: True):
        self.dut, self.layout, self.lanes = dut, neuron_input(cfg), range(cfg.neurons)
        self.stall, self.may, self.random = stall, may, rng("i:neurons")
        self.sent = 0
        dut.i__valid.value = 0

    async def send(self, neurons):
        """Send all ``neurons``; returns after the cycle of the last accumulators."""
        waiting, inside = list(reversed(neurons)), [None] * WINDOWS
        while waiting or any(inside[:-1]):
            goes = bool(waiting) and self.may() and self.random.random() >= self.stall
            inside = [waiting.pop() if goes else None, *inside[:-1]]
            value = self._noise() | (inside[0] or {})
            recent = [neuron or self._noise() for neuron in inside]
            value["acc"] = [[recent[w]["acc"][lane][w] for w in range(WINDOWS)] for lane in self.lanes]
            self.dut.i__payload.value = pack(self.layout, value)
            self.dut.i__valid.value = int(goes)
            self.sent += goes
            await RisingEdge(self.dut.clk)
        self.dut.i__valid.value = 0

    def _noise(self):
        return unpack(self.layout, self.random.getrandbits(self.layout.size))


class NeuronSink:
    """Collects neurons from the always ready port ``o``, ``values`` with their windows together."""

    def __init__(self, dut, cfg):
        self.dut, self.cfg = dut, cfg
        self.values = []
        self.cycles = []
        """For each of the values, the cycle in which its first window came."""

    async def run(self):
        """Work for ever."""
        layout, recent, cycle = neuron_input(self.cfg), [], 0
        while True:
            await ReadOnly()
            value = unpack(layout, int(self.dut.o__payload.value))
            recent = [*recent, (int(self.dut.o__valid.value), value)][-WINDOWS:]
            if len(recent) == WINDOWS and recent[0][0]:
                windows = [value["acc"] for _, value in recent]
                acc = [[windows[w][lane][w] for w in range(WINDOWS)] for lane in range(self.cfg.neurons)]
                self.values.append(recent[0][1] | {"acc": acc})
                self.cycles.append(cycle - (WINDOWS - 1))
            await RisingEdge(self.dut.clk)
            cycle += 1


def some(random, bits):
    """A signed number of ``bits`` bits: an extreme, zero, small, or any."""
    top = 1 << bits - 1
    return random.choice([-top, top - 1, 0, random.randrange(-top, top), random.randrange(-300, 300)])


def random_tag(random, cfg):
    """Any values of the fields that travel with a neuron."""
    layout = neuron_input(cfg)
    noise = unpack(layout, random.getrandbits(layout.size))
    return {name: noise[name] for name in chain_tag(cfg)}


def some_potentials(random, cfg):
    """Potentials of windows 0..2, lane by lane."""
    return [[some(random, POTENTIAL_BITS) for _ in range(WINDOWS - 1)] for _ in range(cfg.neurons)]
