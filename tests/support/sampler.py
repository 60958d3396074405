"""A small design with one of everything that synthesis infers, and what Amaranth's own simulation says it does."""

import json
import random

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from onespike_hw.engine.simd import SimdAdder, simd_lanes

CYCLES = 1500
QUARTER = 1e-7
"""A quarter of a cycle in s: inputs have settled, the edge is still to come."""
POOL = 6
"""Addresses that half of the accesses share, so that ports meet."""


class Store:
    """One memory: width, depth, bits per write enable, read ports and their domain, whether they show what is being
    written, whether it starts with random contents, whether the first read has the write's address, at all times."""

    def __init__(
        self, width, depth, granularity=None, reads=1, transparent=False, init=False, domain="sync", shared=False
    ):
        self.width, self.depth, self.reads, self.domain = width, depth, reads, domain
        self.granularity = granularity or width
        self.transparent, self.init, self.shared = transparent, init, shared


STORES = {
    "descriptors": Store(90, 16),
    "weights": Store(72, 2048),
    "counts": Store(60, 512),
    "words": Store(12, 600, granularity=1),
    "parameters": Store(32, 100, granularity=16),
    "potentials": Store(18, 1536),
    "tables": Store(9, 1024, reads=2, shared=True),
    "wide": Store(36, 512),
    "narrow": Store(2, 8192),
    "bytes": Store(32, 1024, granularity=8, init=True),
    "rom": Store(20, 700, init=True),
    "shown": Store(8, 2048, transparent=True),
    "subsets": Store(6, 32, domain="comb"),
    "rows": Store(20, 16, domain="comb"),
}
"""The kinds of the core's and the system's memories; widths and depths so that each shape of a block RAM occurs."""


class Sampler(wiring.Component):
    """``STORES`` with ports to the outside; a chain of SIMD adders; a multiplier with a sum; a shift register; logic
    with a state that is set by reset and starts at zero."""

    def __init__(self):
        members = {
            "a": In(simd_lanes()), "c": In(simd_lanes()), "gate": In(2), "chain": Out(simd_lanes()),
            "x": In(signed(17)), "y": In(signed(16)), "z": In(signed(16)), "product": Out(signed(36)),
            "bit": In(8), "late": Out(8), "flags": Out(6),
        }  # fmt: skip
        for name, store in STORES.items():
            members[f"{name}_at"] = In(range(store.depth))
            members[f"{name}_data"] = In(store.width)
            members[f"{name}_en"] = In(store.width // store.granularity)
            for n in range(store.reads):
                members[f"{name}_q{n}"] = Out(store.width)
                if n or not store.shared:
                    members[f"{name}_from{n}"] = In(range(store.depth))
            if store.domain == "sync" and not store.shared:
                members[f"{name}_read"] = In(1)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        for name, store in STORES.items():
            self._store(m, name, store)
        m.submodules.first, m.submodules.second = first, second = SimdAdder(first=True), SimdAdder(first=False)
        for link in (first, second):
            m.d.comb += [link.a.eq(self.a), link.c.eq(self.c), link.gate.eq(self.gate)]
        m.d.comb += [second.cascade.eq(first.cascade_out), self.chain.eq(second.p)]
        x, y, z = Signal(signed(17)), Signal(signed(16)), Signal(signed(16))
        m.d.sync += [x.eq(self.x), y.eq(self.y), z.eq(self.z), self.product.eq(x * y + z)]
        late = self.bit
        for _ in range(20):
            late, before = Signal(8, reset_less=True), late
            m.d.sync += late.eq(before)
        m.d.comb += self.late.eq(late)
        with m.If(self.gate == 3):
            m.d.sync += self.flags.eq(-1)
        with m.Else():
            m.d.sync += self.flags.eq((self.flags << 1) ^ self.bit[:6] ^ (self.bit[2:] & self.flags))
        return m

    def _store(self, m, name, store):
        rng = random.Random(name)
        init = [rng.getrandbits(store.width) for _ in range(store.depth)] if store.init else []
        m.submodules[name] = kept = memory.Memory(shape=unsigned(store.width), depth=store.depth, init=init)
        write = kept.write_port(granularity=store.granularity)
        m.d.comb += [
            write.addr.eq(getattr(self, f"{name}_at")),
            write.data.eq(getattr(self, f"{name}_data")),
            write.en.eq(getattr(self, f"{name}_en")),
        ]
        for n in range(store.reads):
            read = kept.read_port(domain=store.domain, transparent_for=(write,) if store.transparent else ())
            address = write.addr if store.shared and not n else getattr(self, f"{name}_from{n}")
            m.d.comb += [read.addr.eq(address), getattr(self, f"{name}_q{n}").eq(read.data)]
            if store.domain == "sync" and not store.shared:
                m.d.comb += read.en.eq(getattr(self, f"{name}_read"))


def record(path, seed):
    """Simulate ``Sampler`` on random inputs in Amaranth; write inputs and outputs of every cycle to ``path``.

    All memories are read in the first cycle, whose outputs are left out: what they show before is nobody's promise.
    """
    rng = random.Random(seed)
    sampler = Sampler()
    ports = [(name, member.flow, Value.cast(value)) for (name, *_), member, value in sampler.signature.flatten(sampler)]
    inputs = {name: value for name, flow, value in ports if flow == In}
    outputs = {name: value for name, flow, value in ports if flow == Out}
    pools = {name: [rng.randrange(store.depth) for _ in range(POOL)] for name, store in STORES.items()}

    def choose(name, value):
        store, _, what = name.rpartition("_")
        if what == "at" or what.startswith("from"):
            return rng.choice(pools[store]) if rng.random() < 0.5 else rng.randrange(STORES[store].depth)
        return rng.getrandbits(len(value))

    rows = {"inputs": [], "outputs": []}

    async def drive(context):
        for cycle in range(CYCLES):
            row = {name: 1 if name.endswith("_read") and not cycle else choose(name, inputs[name]) for name in inputs}
            for name, value in inputs.items():
                context.set(value, row[name])
            await context.delay(QUARTER)
            seen = {name: context.get(value) & (1 << len(value)) - 1 for name, value in outputs.items()}
            rows["inputs"].append(row | {"rst": 0})
            rows["outputs"].append(seen if cycle else {})
            await context.tick()

    simulator = Simulator(sampler)
    simulator.add_clock(4 * QUARTER)
    simulator.add_testbench(drive)
    simulator.run()
    path.write_text(json.dumps(rows))
