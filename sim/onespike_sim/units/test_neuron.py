"""Neuron unit against contract.arith: every carry, the whole Omega table, extremes, random stalls."""

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from onespike.contract import arith
from onespike.contract.config import PARAMETER_BITS, POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import Carry, Windows
from onespike_hw.engine.neuron import NeuronUnit
from onespike_hw.engine.omega import table_write
from onespike_hw.interfaces import chain_tag, neuron_input, neuron_output

from ..streams import Sink, Source, config, rng, start
from .layers import layer, packed

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
    }[desc["carry"]]


def neuron(cfg, desc, tables, given):
    """(spikes, the four potentials, the four sums before saturation) of one neuron."""
    scale, bias, shift = given["parameter"]["scale"], given["parameter"]["bias"], desc["shift"]
    v, exact = [], []
    for w, acc in enumerate(given["acc"]):
        u = arith.current(acc, scale, shift, bias, POTENTIAL_BITS)
        carry = carried(cfg, desc, tables, given["previous"][w - 1], v[-1]) if w else 0
        exact.append((arith.round_shift(acc * scale, shift) + bias, u + carry))
        v.append(arith.potential(u, carry, POTENTIAL_BITS))
    return sum(arith.fire(x, cfg.k) << w for w, x in enumerate(v)), v, exact


def given(random, cfg, acc, previous, scale=1, bias=0):
    """A neuron with a random tag."""
    top = {name: 1 << (cfg.outputs.bit_length() - 1 if name == "slot" else 6) for name in ("row", "column", "slot")}
    tag = {name: random.randrange(top.get(name, 2)) for name in chain_tag(cfg)}
    return {"acc": acc, "parameter": {"scale": scale, "bias": bias}, "previous": previous, **tag}


async def prepare(dut, name, stall_in, stall_out):
    """(configuration, random numbers, random tables now in the unit, source, sink)."""
    cfg, random = config(), rng(name)
    dut.layer.value = 0
    feed, sink = (
        Source(dut, "i", neuron_input(cfg), stall=stall_in),
        Sink(dut, "o", neuron_output(cfg), stall=stall_out),
    )
    loader = Source(dut, "table_write", table_write(cfg))
    await start(dut)
    half = 1 << cfg.table_bits - 1
    tables = [[random.randrange(-half, half) for _ in range(cfg.table_words)] for _ in range(cfg.tables)]
    flat = [value for table in tables for value in table]
    await loader.send([{"address": n, "value": value} for n, value in enumerate(flat)])
    return cfg, random, tables, feed, sink


async def check(dut, cfg, desc, tables, feed, sink, values):
    """Send neurons through a layer, compare all outputs; returns what ``neuron`` says of each."""
    dut.layer.value = packed(desc)
    sink.values.clear()
    await feed.send(values)
    await sink.wait(len(values))
    results = [neuron(cfg, desc, tables, value) for value in values]
    for value, got, (spikes, v, _) in zip(values, sink.values, results, strict=True):
        wanted = {"spikes": spikes, "potentials": v[:-1], **{name: value[name] for name in chain_tag(cfg)}}
        assert got == wanted, (desc["carry"], desc["windows"], desc["shift"], value)
    return results


@cocotb.test()
async def every_carry(dut):
    """All carries, windows and shifts; operands random, extreme, at rounding ties and at the threshold."""
    cfg, random, tables, feed, sink = await prepare(dut, "carries", 0.1, 0.2)

    def some(bits):
        top = 1 << bits - 1
        return random.choice([-top, top - 1, 0, random.randrange(-top, top), random.randrange(-300, 300)])

    def at_tie(shift):
        return (2 * random.randrange(-8, 8) + 1) << max(shift - 1, 0)

    def near_threshold(shift):
        return (1 << cfg.k) + random.randrange(-1, 3) << min(shift, cfg.acc_bits - cfg.k - 3)

    saturated, potentials = set(), set()
    for carry in Carry:
        for windows in Windows:
            for shift in range(16):
                values = []
                for n in range(24):
                    previous = [some(POTENTIAL_BITS) for _ in range(WINDOWS - 1)]
                    if n % 3 == 0:
                        acc = [some(cfg.acc_bits) for _ in range(WINDOWS)]
                        values.append(given(random, cfg, acc, previous, some(PARAMETER_BITS), some(PARAMETER_BITS)))
                    else:
                        acc = [(at_tie if n % 3 == 1 else near_threshold)(shift) for _ in range(WINDOWS)]
                        values.append(given(random, cfg, acc, previous))
                desc = layer(windows=windows, carry=carry, shift=shift, table=random.randrange(cfg.tables))
                for _, v, exact in await check(dut, cfg, desc, tables, feed, sink, values):
                    potentials.update(v)
                    for sums in exact:
                        saturated |= {(n, x < 0) for n, x in enumerate(sums) if not -TOP <= x < TOP}
    assert saturated == {(0, False), (0, True), (1, False), (1, True)}  # current and potential, both sides
    assert {1 << cfg.k, (1 << cfg.k) + 1} <= potentials  # the last silent potential and the first that fires


@cocotb.test()
async def whole_table(dut):
    """Every entry of every table, through both reads of each of the three links of the chain."""
    cfg, random, tables, feed, sink = await prepare(dut, "table", 0.1, 0.3)
    size = cfg.table_words
    for table in range(cfg.tables):
        desc = layer(windows=Windows.D, carry=Carry.OMEGA, table=table)
        # a+b and a-b have the same parity: pair every even address with an even one, every odd with an odd one.
        pairs = []
        for _ in range(WINDOWS - 1):
            even, odd = random.sample(range(0, size, 2), size // 2), random.sample(range(1, size, 2), size // 2)
            link = [(plus, (even, odd)[plus & 1][plus >> 1]) for plus in range(size)]
            pairs.append(random.sample(link, size))
        values = []
        for links in zip(*pairs, strict=True):
            # Currents that give each window the potential b which its successor's addresses ask for.
            acc, previous, carry = [], [], 0
            for plus, minus in links:
                a, b = (plus + minus) // 2, (plus - minus) // 2
                acc.append(b - carry)
                previous.append(a)
                carry = carried(cfg, desc, tables, a, b)
            values.append(given(random, cfg, [*acc, 0], previous))
        results = await check(dut, cfg, desc, tables, feed, sink, values)
        for link in range(WINDOWS - 1):
            reads = [
                arith.omega_addresses(value["previous"][link], v[link], cfg.k)
                for value, (_, v, _) in zip(values, results, strict=True)
            ]
            assert [sorted(read) for read in zip(*reads, strict=True)] == [list(range(size))] * 2


@cocotb.test()
async def stalls(dut):
    """Output blocked most of the time, with gaps at the input: nothing is lost, doubled or mixed."""
    cfg, random, tables, feed, sink = await prepare(dut, "stalls", 0.5, 0.8)
    desc = layer(windows=Windows.N, carry=Carry.OMEGA, table=cfg.tables - 1)
    values = [
        given(random, cfg, *([random.randrange(-TOP, TOP) for _ in range(n)] for n in (WINDOWS, WINDOWS - 1)))
        for _ in range(400)
    ]
    await check(dut, cfg, desc, tables, feed, sink, values)


@cocotb.test()
async def throughput(dut):
    """A neuron per cycle, ``latency`` cycles from input to output."""
    cfg, random, tables, feed, sink = await prepare(dut, "throughput", 0.0, 0.0)
    desc = layer(windows=Windows.N, carry=Carry.RELU)
    entered, left = [], []

    async def watch():
        cycle = 0
        while True:
            await ReadOnly()
            for port, seen in (("i", entered), ("o", left)):
                if int(getattr(dut, f"{port}__valid").value) and int(getattr(dut, f"{port}__ready").value):
                    seen.append(cycle)
            await RisingEdge(dut.clk)
            cycle += 1

    cocotb.start_soon(watch())
    values = [given(random, cfg, [n, -n, 3 * n, n], [n] * (WINDOWS - 1)) for n in range(100)]
    await check(dut, cfg, desc, tables, feed, sink, values)
    assert entered == list(range(entered[0], entered[0] + len(values)))
    assert left == [cycle + NeuronUnit.latency for cycle in entered]
