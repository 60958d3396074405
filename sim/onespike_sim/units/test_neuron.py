"""Neuron unit against contract.arith: every carry, the whole Omega table, extremes, random stalls."""

import cocotb

from onespike.contract import arith
from onespike.contract.config import PARAMETER_BITS, POTENTIAL_BITS
from onespike.contract.isa import Carry, Windows
from onespike_hw.engine.omega import table_write
from onespike_hw.interfaces import chain_tag, neuron_input, neuron_output

from ..streams import Sink, Source, config, rng, start
from .layers import layer, packed


def neuron(cfg, desc, tables, given):
    """(spikes, potentials of windows 0..2, table addresses of the last window) of one neuron."""
    scale, bias = given["parameter"]["scale"], given["parameter"]["bias"]
    v, addresses = [], None
    for w, acc in enumerate(given["acc"]):
        u = arith.current(acc, scale, desc["shift"], bias, POTENTIAL_BITS)
        if w and desc["windows"] is not Windows.NONE and desc["carry"] is not Carry.NONE:
            a, b = given["previous"][w - 1], v[-1]
            table = tables[desc["table"]]
            addresses = arith.omega_addresses(a, b, cfg.k)
            carry = {
                Carry.LEAK: arith.leak(b),
                Carry.OMEGA: table[addresses[0]] + table[addresses[1]],
                Carry.MEAN: arith.carry_mean(a, b),
                Carry.RELU: arith.carry_relu(a, b),
            }[desc["carry"]]
            u = arith.potential(u, carry, POTENTIAL_BITS)
        v.append(u)
    return sum(arith.fire(u, cfg.k) << w for w, u in enumerate(v)), v[:3], addresses


async def load_tables(dut, cfg, random):
    """Fill all tables with random entries; returns them."""
    half = 1 << cfg.table_bits - 1
    tables = [[random.randrange(-half, half) for _ in range(cfg.table_words)] for _ in range(cfg.tables)]
    flat = [value for table in tables for value in table]
    await Source(dut, "table_write", table_write(cfg)).send(
        [{"address": n, "value": value} for n, value in enumerate(flat)]
    )
    return tables


@cocotb.test()
async def every_carry(dut):
    """All carries and shifts, random and extreme operands; every table address through both reads."""
    cfg, random = config(), rng("neuron")
    dut.layer.value = 0
    await start(dut)
    tables = await load_tables(dut, cfg, random)
    sink = Sink(dut, "o", neuron_output(cfg), stall=0.2)
    feed = Source(dut, "i", neuron_input(cfg), stall=0.1)

    def extreme(bits):
        top = 1 << bits - 1
        return random.choice([-top, top - 1, 0, random.randrange(-top, top), random.randrange(-300, 300)])

    reached = [set(), set()]
    for carry in Carry:
        for windows in (Windows.N, Windows.NONE):
            for shift in (0, 1, 8, 15):
                table = random.randrange(cfg.tables)
                desc = layer(windows=windows, carry=carry, shift=shift, table=table)
                dut.layer.value = packed(desc)
                count = 1500 if carry is Carry.OMEGA and windows is Windows.N else 60
                given = []
                for n in range(count):
                    scale, bias = extreme(PARAMETER_BITS), extreme(PARAMETER_BITS)
                    if carry is Carry.OMEGA:
                        # Plain operands that walk through every phase of the table.
                        scale, bias = 1 << shift, n
                    given.append(
                        {
                            "acc": [
                                extreme(cfg.acc_bits) if carry is not Carry.OMEGA else random.randrange(-600, 600)
                                for _ in range(4)
                            ],
                            "parameter": {"scale": min(scale, 2**15 - 1), "bias": bias},
                            "previous": [extreme(POTENTIAL_BITS) for _ in range(3)],
                            **{name: random.randrange(2) for name in chain_tag(cfg)},
                        }
                    )
                sink.values.clear()
                await feed.send(given)
                await sink.wait(count)
                for value, got in zip(given, sink.values, strict=True):
                    spikes, potentials, addresses = neuron(cfg, desc, tables, value)
                    assert got["spikes"] == spikes and got["potentials"] == potentials, (carry, windows, shift, value)
                    assert all(got[name] == value[name] for name in chain_tag(cfg))
                    if carry is Carry.OMEGA and windows is Windows.N:
                        reached[0].add(addresses[0])
                        reached[1].add(addresses[1])
    assert [len(r) for r in reached] == [cfg.table_words] * 2
