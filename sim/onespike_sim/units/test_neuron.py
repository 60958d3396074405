"""Neuron unit against contract.arith: every carry and shift, the whole Omega table, extremes, kept potentials."""

import itertools

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract import arith
from onespike.contract.config import PARAMETER_BITS, POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import Carry, Windows
from onespike_hw.engine.neuron import NeuronUnit
from onespike_hw.engine.omega import table_write
from onespike_hw.interfaces import chain_tag, neuron_output, potentials

from ..streams import Sink, Source, config, cycles, rng, start
from .layers import layer, packed
from .neurons import NeuronSource, random_tag, some

TOP = 1 << POTENTIAL_BITS - 1


def carried(cfg, desc, tables, a, b):
    """What window p takes over from window p-1 (a: layer before, b: this layer)."""
    if desc["windows"] is Windows.NONE or desc["carry"] is Carry.NONE:
        return 0
    plus, minus = arith.omega_addresses(a, b, cfg.k)
    table = tables[desc["table"]]
    return {
        Carry.LEAK: arith.leak(b),
        Carry.OMEGA: table[plus] + table[minus],
        Carry.MEAN: arith.carry_mean(a, b),
        Carry.RELU: arith.carry_relu(a, b),
        Carry.SUM: arith.carry_sum(a, b),
        Carry.RESET: arith.carry_reset(b, arith.fired(b, desc["levels"], cfg.k), cfg.k),
    }[desc["carry"]]


def channel(cfg, desc, tables, value, lane):
    """(what the windows fired, the four potentials, the current and potential of each window before saturation) of a lane."""
    parameter, previous, shift = value["parameter"][lane], value["previous"][lane], desc["shift"]
    v, exact = [], []
    for w, acc in enumerate(value["acc"][lane]):
        u = arith.current(acc, parameter["scale"], shift, parameter["bias"], POTENTIAL_BITS)
        chained = w and not (desc["pairs"] and w == 2)
        carry = carried(cfg, desc, tables, previous[w - 1], v[-1]) if chained else 0
        exact.append((arith.round_shift(acc * parameter["scale"], shift) + parameter["bias"], u + carry))
        v.append(arith.potential(u, carry, POTENTIAL_BITS))
    return [arith.fired(x, desc["levels"], cfg.k) for x in v], v, exact


def neuron(random, cfg, lanes):
    """A neuron with a random tag; each of the lanes is (accumulators, previous potentials, scale, bias)."""
    acc, previous, scales, biases = zip(*lanes, strict=True)
    parameter = [{"scale": scale, "bias": bias} for scale, bias in zip(scales, biases, strict=True)]
    return {"acc": acc, "previous": previous, "parameter": parameter, **random_tag(random, cfg)}


class Bench:
    """The unit with random tables, its source and its sinks."""

    def __init__(self, dut, name, stall):
        self.dut, self.cfg, self.random = dut, config(), rng(name)
        dut.layer.value = 0
        self.feed = NeuronSource(dut, self.cfg, stall)
        self.loader = Source(dut, "table_write", table_write(self.cfg))
        self.out = Sink(dut, "o", neuron_output(self.cfg))
        self.kept = Sink(dut, "potentials", potentials(self.cfg))
        half = 1 << self.cfg.table_bits - 1
        self.tables = [
            [self.random.randrange(-half, half) for _ in range(self.cfg.table_words)] for _ in range(self.cfg.tables)
        ]

    async def load(self):
        """Reset, then write the tables."""
        await start(self.dut)
        flat = [value for table in self.tables for value in table]
        await self.loader.send([{"address": n, "value": value} for n, value in enumerate(flat)])

    async def check(self, desc, values):
        """Send neurons through a layer, compare all outputs; returns what ``channel`` says, by neuron and lane."""
        self.dut.layer.value = packed(desc)
        self.out.values.clear()
        self.kept.values.clear()
        await self.feed.send(values)
        await cycles(self.dut, NeuronUnit.latency)
        lanes = range(self.cfg.neurons)
        results = [[channel(self.cfg, desc, self.tables, value, lane) for lane in lanes] for value in values]
        assert len(self.out.values) == len(values)
        for value, got, result in zip(values, self.out.values, results, strict=True):
            wanted = {
                "fired": [fired for fired, _, _ in result],
                **{name: value[name] for name in chain_tag(self.cfg)},
            }
            assert got == wanted, (desc["carry"], desc["windows"], desc["shift"], value)
        kept = [[v[:-1] for _, v, _ in result] for result in results]
        assert self.kept.values == (kept if desc["store"] else []), (desc["carry"], desc["windows"], desc["shift"])
        return results


@cocotb.test()
async def every_carry(dut):
    """All carries, windows and shifts, spikes and levels; operands random, extreme, at rounding ties and thresholds."""
    bench = Bench(dut, "carries", 0.1)
    cfg, random = bench.cfg, bench.random
    await bench.load()

    def powers(exponent):
        """Exponents of a scale and of an accumulator of some bits more, together ``exponent``."""
        of_scale = random.randint(max(exponent - 9, 0), min(exponent, PARAMETER_BITS - 2))
        return of_scale, exponent - of_scale

    def lane(kind, shift):
        previous = [some(random, POTENTIAL_BITS) for _ in range(WINDOWS - 1)]
        if kind == 0:
            acc = [some(random, cfg.acc_bits) for _ in range(WINDOWS)]
            return acc, previous, some(random, PARAMETER_BITS), some(random, PARAMETER_BITS)
        if kind == 1:  # halves of the unit that the shift leaves
            scale, factor = powers(max(shift - 1, 0))
            acc = [(2 * random.randrange(-8, 8) + 1) << factor for _ in range(WINDOWS)]
            return acc, previous, random.choice([-1, 1]) << scale, random.randrange(-50, 50)
        scale, factor = powers(shift)
        bias = random.randrange(-20, 20)
        acc = [
            (random.randint(1, arith.TOP_LEVEL) << cfg.k) + random.randrange(-1, 3) - bias << factor
            for _ in range(WINDOWS)
        ]
        return acc, previous, 1 << scale, bias

    saturated, seen = set(), set()
    for carry in Carry:
        for windows in Windows:
            for shift in range(16):
                values = [neuron(random, cfg, [lane(n % 3, shift) for _ in range(cfg.neurons)]) for n in range(18)]
                options = {name: random.randrange(2) for name in ("store", "levels", "pairs")}
                table = random.randrange(cfg.tables)
                desc = layer(windows=windows, carry=carry, shift=shift, table=table, **options)
                for _, v, exact in itertools.chain.from_iterable(await bench.check(desc, values)):
                    seen.update(v)
                    for sums in exact:
                        saturated |= {(n, x < 0) for n, x in enumerate(sums) if not -TOP <= x < TOP}
    assert saturated == {(0, False), (0, True), (1, False), (1, True)}  # current and potential, both sides
    for level in range(1, arith.TOP_LEVEL + 1):  # the last potential below a level and its first
        assert {level << cfg.k, (level << cfg.k) + 1} <= seen


@cocotb.test()
async def whole_table(dut):
    """Every entry of every table, through both reads of each link of every lane's chain."""
    bench = Bench(dut, "table", 0.1)
    cfg, random, size = bench.cfg, bench.random, bench.cfg.table_words
    await bench.load()

    def link():
        """Pairs of addresses, each address once on either side; both have the parity of a+b."""
        even, odd = random.sample(range(0, size, 2), size // 2), random.sample(range(1, size, 2), size // 2)
        return random.sample([(plus, (even, odd)[plus & 1][plus >> 1]) for plus in range(size)], size)

    def lane(desc, pairs):
        """Currents that give each window the potential b which its successor's addresses ask for."""
        acc, previous, carry = [], [], 0
        for plus, minus in pairs:
            a, b = (plus + minus) // 2, (plus - minus) // 2
            acc.append(b - carry)
            previous.append(a)
            carry = carried(cfg, desc, bench.tables, a, b)
        return [*acc, 0], previous, 1, 0

    for table in range(cfg.tables):
        desc = layer(windows=Windows.D, carry=Carry.OMEGA, table=table, store=1)
        links = [[link() for _ in range(WINDOWS - 1)] for _ in range(cfg.neurons)]
        values = [
            neuron(random, cfg, [lane(desc, [pairs[n] for pairs in chain]) for chain in links]) for n in range(size)
        ]
        results = await bench.check(desc, values)
        for n in range(cfg.neurons):
            for w in range(WINDOWS - 1):
                reads = [
                    arith.omega_addresses(value["previous"][n][w], result[n][1][w], cfg.k)
                    for value, result in zip(values, results, strict=True)
                ]
                assert [sorted(read) for read in zip(*reads, strict=True)] == [list(range(size))] * 2


@cocotb.test()
async def latency(dut):
    """Neurons may follow each other in every cycle, and leave ``latency`` cycles later, gaps and all."""
    bench = Bench(dut, "latency", 0.0)
    cfg, random = bench.cfg, bench.random
    await bench.load()
    entered, left = [], []

    async def watch():
        cycle = 0
        while True:
            await ReadOnly()
            for valid, seen in ((dut.i__valid, entered), (dut.o__valid, left)):
                if int(valid.value):
                    seen.append(cycle)
            await RisingEdge(dut.clk)
            cycle += 1

    cocotb.start_soon(watch())
    values = [neuron(random, cfg, [([n, -n, 3 * n, n], [n] * (WINDOWS - 1), 1, 0)] * cfg.neurons) for n in range(100)]
    await bench.check(layer(carry=Carry.RELU), values)
    assert entered == list(range(entered[0], entered[0] + len(values)))
    bench.feed.stall = 0.7
    await bench.check(layer(carry=Carry.RELU), values)
    assert left == [cycle + NeuronUnit.latency for cycle in entered]
