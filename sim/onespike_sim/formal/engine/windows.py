"""The address generator's bounds."""

from itertools import product

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cat, Const, Cover, Elaboratable, Module, Mux, Signal, signed

from onespike.compiler.layout import Map, source
from onespike.contract.config import BANKS, TAPS, preset
from onespike.contract.isa import Layer, Padding, Windows
from onespike_hw.engine.windows import WindowAddresses

from ...units.layers import layer, packed
from ..properties import before, free_inputs, opened

CONFIG = preset("tiny")


def geometries(half):
    """Packed descriptors that read a map of ``half`` pixels half a side, one of each kind that the address generator
    can tell apart; none where the spike memory has no room for the map, or its side is no output's times a stride.
    """
    found = []
    for scan, padding, stride, kernel, side in product((0, 1), Padding, (1, 2), (1, 3), range(2, 2 * half + 1, 2)):
        size = 3 * side // 4 if scan else side // 2
        origin = Map(base=0, channels=CONFIG.word, side=2 * half, planes=1, word=CONFIG.word)
        fits = origin.words <= CONFIG.spike_words and size**2 <= CONFIG.positions
        if stride * side == origin.side and fits and not (scan and side % 4):
            main = source(origin, kernel, stride, size, fresh=False)
            found.append(packed(layer(side, Windows.D if scan else Windows.N, main, scan=scan, padding=padding)))
    return found


HALVES = [half for half in range(1, CONFIG.positions) if geometries(half)]
"""Halves of the sides of all maps that a layer can read."""


class Bounds(Elaboratable):
    """Every word that a window sees lies in the map of its block's plane and channel group, for every legal descriptor.

    So a map that lies inside the spike memory is never left, whichever kernel, stride, padding and window. Two words
    that are wanted together never share a bank of the memory unless they are the same. Assumed of the compiler: the
    geometry is one of ``geometries(half)``, as it makes them from a map's side. Assumed of the sequencer, as its own
    proof asserts: a tile ends before its window does. The channel words of a 1x1 kernel are bounded each in its own
    group.
    """

    def __init__(self, half):
        self.half = half

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = WindowAddresses(CONFIG)
        inner = opened(dut, "_read")
        free_inputs(m, dut, but=("layer",))
        known = geometries(self.half)
        number, desc = AnyConst(len(known).bit_length()), Signal(Layer)
        given, src, side = dut.i.payload, desc.main, desc.scan_side
        wide = src.kernel == 3
        m.d.comb += [
            desc.as_value().eq(Array([Const(one, len(desc.as_value())) for one in known])[number]),
            dut.layer.eq(desc),
            Assume(number < len(known)),
            Assume(~given.shortcut & (given.count != 0)),
            Assume(Mux(wide, given.dy != -2, given.dy == 0)),
            Assume(~inner.working | (inner.row < side)),
        ]

        # A position's row and columns on the map, counted from the first quadrant's corner, and the first word of the
        # map go through the stages with it: where the rule puts them; then inside their quadrant; then to the output.
        stages, at, read = inner._read, inner.at, dut.o.payload

        def placed(place, tap, far):
            return (Mux(src.stride == 2, place << 1, place) + tap + Mux(desc.scan & far, src.offset, 0))[:9].as_signed()

        def folded(place):
            """``place`` in the quadrant that holds it."""
            return Mux(place < 0, place + self.half, Mux(place >= self.half, place - self.half, place))[:9]

        y, base = Signal(signed(9)), Signal(16)
        xs = [Signal(signed(9), name=f"x{tap}") for tap in range(TAPS)]
        taps = [Mux(wide, tap - 1, 0) for tap in range(TAPS)]
        with m.If(~stages.held):
            m.d.sync += [y.eq(placed(at["row"], at["dy"], at["window"][1])), base.eq(at["address"])]
            m.d.sync += [x.eq(placed(at["column"], tap, at["window"][0])) for x, tap in zip(xs, taps, strict=True)]
        y_in, base_in = before(m, folded(y), "y_in"), before(m, base, "base_in")
        xs_in = [before(m, folded(x), f"x_in{tap}") for tap, x in enumerate(xs)]
        base_out = before(m, base_in, "base_out")
        groups = [Mux(wide, 0, tap * src.group_step) for tap in range(TAPS)]
        for tap in range(TAPS):
            seen, offset = Signal(name=f"seen{tap}"), Signal(len(read.address[0]), name=f"offset{tap}")
            m.d.comb += [
                seen.eq(dut.o.valid & read.tap[tap] & read.inside_y.any() & read.inside_x[tap].any()),
                offset.eq(read.address[tap] - base_out - groups[tap]),
                Assert(~seen | (offset < src.area)),
                *(
                    Assert(
                        ~(dut.o.valid & read.tap[tap] & read.tap[other])
                        | self._meet(read.address[tap], read.address[other])
                    )
                    for other in range(tap)
                ),
            ]
        self._invariants(m, inner, desc, y, base, xs, taps, y_in, base_in, xs_in, groups, folded)
        m.d.comb += [
            Cover(dut.o.valid & stages.seam),
            Cover(dut.o.valid & desc.scan & (at["window"] == 3)),
            Cover(dut.o.valid & ~read.inside_x[0].any() & wide),
        ]
        return m

    def _meet(self, address, other):
        """Whether two words may be read in one cycle."""
        bits = (BANKS - 1).bit_length()
        return (address == other) | (address[:bits] != other[:bits])

    def _invariants(self, m, inner, desc, y, base, xs, taps, y_in, base_in, xs_in, groups, folded):
        """What the induction needs: what the registers of each stage say of row and columns."""
        stages, at, src, half = inner._read, inner.at, desc.main, self.half
        wide, side = src.kernel == 3, desc.scan_side
        works, is_at, is_placed, is_summed = inner.working, at["valid"], stages.valid[0], stages.valid[1]
        far, summed = stages.far_taps, stages.summed

        def words(rows):
            """``rows`` in words, modulo 2**16."""
            return (rows * half + Const(0, signed(16)))[:16]

        def in_words(row, row_words):
            return row_words == words(Mux(src.stride == 2, row << 1, row))

        for place in (inner.walk, inner.start):
            m.d.comb += [Assert(in_words(place[0], place[2])), Assert((place[1] < side) & (place[0] <= side))]
        m.d.comb += [
            Assert(~works | (inner.layer.as_value() == desc.as_value())),
            Assert(~works | ((inner.column < side) & in_words(inner.row, inner.main_row) & ~inner.command.shortcut)),
            Assert(~works | Mux(wide, inner.command.dy != -2, inner.command.dy == 0)),
            Assert(~works | (inner.number < inner.command.count)),
            Assert((works & desc.scan) | (inner.window == 0)),
            Assert(works | (inner.number == 0)),
            Assert(~is_at | ((at["row"] < side) & (at["column"] < side) & in_words(at["row"], at["row_words"]))),
            Assert(~is_at | (at["source"] == src.as_value())),
            Assert(~is_at | ((at["scan"] == desc.scan) & (at["on_map"] == (desc.padding == Padding.MAP)))),
            Assert(~is_at | Mux(wide, at["dy"] != -2, at["dy"] == 0)),
            Assert(~is_at | desc.scan | (at["window"] == 0)),
            Assert(~is_placed | ((stages.address == base) & (stages.row_words == words(y)))),
            Assert(~is_placed | (stages.far_row.as_value() == Cat(y < 0, y >= half))),
            Assert(~is_placed | ((stages.row_wrap == src.area) & (stages.wrap == half))),
            Assert(~is_placed | ((stages.spread == ~wide) & (stages.step_words == src.group_step))),
            Assert(~is_placed | (stages.awkward == (wide & (half > 2 and half % BANKS in (1, 2))))),
            Assert(~(is_placed & stages.placed.inside_y.any()) | (folded(y) < half)),
            Assert(
                ~(is_summed & summed.inside_y.any()) | ((y_in < half) & (stages.base == (base_in + words(y_in))[:16]))
            ),
        ]
        for n, (x, x_in, tap) in enumerate(zip(xs, xs_in, taps, strict=True)):
            m.d.comb += [
                Assert(~is_placed | ((stages.inner[n] == x) & (x == xs[1] + tap))),
                Assert(~is_placed | (far[n].as_value() == Cat(x < 0, x >= half))),
                Assert(~(is_placed & stages.placed.inside_x[n].any()) | (folded(x) < half)),
                Assert(~(is_summed & summed.inside_x[n].any()) | (x_in < half)),
                Assert(~is_summed | (stages.offsets[n] == (x_in.as_signed() + groups[n])[:16])),
                *(
                    Assert(
                        ~(is_summed & summed.tap[n] & summed.tap[other])
                        | self._meet(stages.offsets[n], stages.offsets[other])
                    )
                    for other in range(n)
                ),
            ]
