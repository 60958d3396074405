"""Stream sources, sinks and monitors for cocotb; idle and back pressure are parameters of each."""

import os
import random
from dataclasses import replace

import cocotb
from amaranth.hdl import Shape
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer

from onespike.contract.config import preset


def config():
    """The core configuration under test: ``ONESPIKE_CONFIG``, or tiny, with the array ``ONESPIKE_ARRAY`` if named."""
    named = preset(os.environ.get("ONESPIKE_CONFIG", "tiny"))
    return replace(named, array=os.environ.get("ONESPIKE_ARRAY", named.array))


def rng(name):
    """A random generator from the run's seed and ``name``."""
    return random.Random(f"{os.environ['ONESPIKE_SEED']}:{name}")


LIMIT = 1_000_000
"""Cycles after which a unit's test fails; the longest takes a twentieth of that."""
PERIOD = 2
"""Nanoseconds of a clock cycle."""


async def start(dut, limit=LIMIT):
    """Start the clock and reset the unit; the test fails if it is still running after ``limit`` cycles."""
    cocotb.start_soon(Clock(dut.clk, PERIOD, unit="ns", impl="gpi").start())
    cocotb.start_soon(_watch(limit))
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.rst.value = 0


async def _watch(limit):
    await Timer(limit * PERIOD, unit="ns")
    raise AssertionError(f"the test hangs: it still runs after {limit} cycles")


def pack(shape, value):
    """Integer of ``value`` (int, dict or list) in the Amaranth ``shape``."""
    if isinstance(value, (dict, list, tuple)):
        layout = data.Layout.cast(shape)
        items = value.items() if isinstance(value, dict) else enumerate(value)
        total = 0
        for key, item in items:
            field = layout[key]
            total |= pack(field.shape, item) << field.offset
        return total
    width = Shape.cast(shape).width
    return int(value) & ((1 << width) - 1)


def unpack(shape, raw):
    """Inverse of ``pack``: dictionaries for structs, lists for arrays, ints otherwise."""
    if not isinstance(shape, (int, range, Shape)):
        try:
            layout = data.Layout.cast(shape)
        except TypeError:
            layout = None
        if isinstance(layout, data.ArrayLayout):
            width = Shape.cast(layout.elem_shape).width
            return [unpack(layout.elem_shape, raw >> width * i & (1 << width) - 1) for i in range(layout.length)]
        if layout is not None:
            return {name: unpack(f.shape, raw >> f.offset & (1 << f.width) - 1) for name, f in layout}
    shape = Shape.cast(shape)
    return raw - (1 << shape.width) if shape.signed and raw >> shape.width - 1 else raw


class Source:
    """Sends values into the stream at port ``prefix``; idle with probability ``stall`` before each."""

    def __init__(self, dut, prefix, shape, stall=0.0):
        self.clk, self.shape, self.stall = dut.clk, shape, stall
        self.payload, self.valid = getattr(dut, f"{prefix}__payload"), getattr(dut, f"{prefix}__valid")
        self.ready = getattr(dut, f"{prefix}__ready", None)
        self.random = rng(f"{prefix}:source")
        self.valid.value = 0

    async def send(self, values):
        """Send all ``values``; returns after the last was taken."""
        for value in values:
            while self.random.random() < self.stall:
                await RisingEdge(self.clk)
            self.payload.value = pack(self.shape, value)
            self.valid.value = 1
            while True:
                await ReadOnly()
                taken = self.ready is None or int(self.ready.value)
                await RisingEdge(self.clk)
                if taken:
                    break
            self.valid.value = 0


class Sink:
    """Collects ``values`` from the stream at ``prefix``; not ready with probability ``stall``.

    Asserts the stream rules: once valid, a transfer stays valid and unchanged until it is taken.
    """

    def __init__(self, dut, prefix, shape, stall=0.0):
        self.clk, self.shape, self.stall = dut.clk, shape, stall
        self.payload, self.valid = getattr(dut, f"{prefix}__payload"), getattr(dut, f"{prefix}__valid")
        self.ready = getattr(dut, f"{prefix}__ready", None)
        self.random = rng(f"{prefix}:sink")
        self.values = []
        cocotb.start_soon(self._run())

    async def _run(self):
        waiting = None
        while True:
            ready = self.ready is None or self.random.random() >= self.stall
            if self.ready is not None:
                self.ready.value = int(ready)
            await ReadOnly()
            valid = int(self.valid.value)
            raw = int(self.payload.value) if valid else None
            if waiting is not None:
                assert valid and raw == waiting, "a stream transfer was withdrawn or changed before it was taken"
            waiting = raw if valid and not ready else None
            if valid and ready:
                self.values.append(unpack(self.shape, raw))
            await RisingEdge(self.clk)

    async def wait(self, count, limit=100_000):
        """Wait until ``count`` values are there; fails after ``limit`` cycles."""
        for _ in range(limit):
            if len(self.values) >= count:
                return
            await RisingEdge(self.clk)
        raise AssertionError(f"only {len(self.values)} of {count} values after {limit} cycles")


async def cycles(dut, count):
    """Let ``count`` clock cycles pass."""
    for _ in range(count):
        await RisingEdge(dut.clk)


__all__ = ["Sink", "Source", "config", "cycles", "pack", "rng", "start", "unpack"]
