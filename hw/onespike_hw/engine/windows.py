"""Which spike words the four windows read, one position per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import TAPS
from onespike.contract.isa import Layer, Op, Padding, Source

from ..interfaces import block_command, spike_read, tile_tag


class WindowAddresses(wiring.Component):
    """Walks the positions of a tile for each weight block.

    The quadrants are walked together: all four windows read the same word. Where a tap leaves its
    quadrant it comes from the far side of the same row or column, and the quadrants change places: the
    right windows read what the left ones hold and vice versa; what leaves the map is zero. Dilated
    windows that cannot be gathered (``Layer.scan``) are walked one after another; only the walked
    window gets spikes, so the sums of the others gain nothing.

    Taps of one row lie in different banks of the spike memory except at such a seam of a quadrant whose
    side is 1 or 2 modulo 4: there a position takes two cycles.

    Members
    -------
    layer : In(Layer), taken over with each command
    i : In(stream(block_command))
    admit : In(1), pulse: the weights of one more block are on their way to the array, it may begin
    waits : Out(1), a block is there but its weights are not
    o : Out(stream(spike_read)), always ready, ``latency`` cycles after the block was taken

    Throughput: one position per cycle, no bubble between blocks.
    """

    latency = 5

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "i": In(stream.Signature(block_command(config))),
                "admit": In(1),
                "waits": Out(1),
                "o": Out(stream.Signature(spike_read(config), always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # The command is taken at its start, so that the next one, and its weights, are already asked for.
        command, working = Signal(block_command(self.config)), Signal()
        layer = Signal(Layer)

        # Place of the current position and of the tile's first: row, column, and the row in words of
        # both sources (a tile's last block may belong to either).
        def place(name):
            return [
                Signal(6, name=f"{name}_row"),
                Signal(6, name=f"{name}_column"),
                Signal(16, name=f"{name}_main"),
                Signal(16, name=f"{name}_shortcut"),
            ]

        walk, start, here = place("walk"), place("start"), place("here")
        number, window = Signal.like(command.count), Signal(2)
        m.d.comb += [
            h.eq(Mux(number == 0, Mux(command.restart, 0, s), w)) for h, s, w in zip(here, start, walk, strict=True)
        ]
        row, column, main_row, shortcut_row = here
        wrap = Signal()
        m.d.comb += wrap.eq(column == layer.scan_side - 1)
        following = [
            row + wrap,
            Mux(wrap, 0, column + 1),
            main_row + Mux(wrap, layer.main.row_step, 0),
            shortcut_row + Mux(wrap, layer.shortcut.row_step, 0),
        ]

        last_number, last_window, last = Signal(), Signal(), Signal()
        m.d.comb += [
            last_number.eq(number == command.count - 1),
            last_window.eq(~layer.scan | (window == 3)),
            last.eq(last_number & last_window),
        ]
        # The array loads one block while it works on another. A seam holds up what is behind it.
        admitted, free, held = Signal(range(3)), Signal(), Signal()
        m.d.comb += [
            free.eq((~working | last) & ~held),
            self.i.ready.eq(free & (admitted != 0)),
            self.waits.eq(free & self.i.valid & (admitted == 0)),
        ]
        m.d.sync += admitted.eq(admitted + self.admit - (self.i.valid & self.i.ready))
        with m.If(free):
            m.d.sync += [command.eq(self.i.payload), layer.eq(self.layer), working.eq(self.i.valid & self.i.ready)]
        with m.If(working & ~held):
            m.d.sync += [w.eq(f) for w, f in zip(walk, following, strict=True)]
            m.d.sync += number.eq(number + 1)
            with m.If(last_number):
                m.d.sync += [number.eq(0), window.eq(Mux(last_window, 0, window + 1))]
            with m.If(last & command.end):
                m.d.sync += [s.eq(f) for s, f in zip(start, following, strict=True)]

        # A position with all that its coordinates follow from: the next one may belong to another layer.
        shown = {
            "valid": working,
            "source": Mux(command.shortcut, layer.shortcut.as_value(), layer.main.as_value()),
            "scan": layer.scan,
            "on_map": layer.padding == Padding.MAP,
            "window": window,
            "row": row,
            "column": column,
            "row_words": Mux(command.shortcut, shortcut_row, main_row),
            "address": command.address,
            "dy": command.dy,
        }
        score = layer.op == Op.SCORE
        opens = (window == 0) & (~score | (number == 0))
        tag = Signal(data.StructLayout(tile_tag(self.config)))
        m.d.comb += [
            tag.position.eq(Mux(score, 0, number)),
            tag.bank.eq(command.bank),
            tag.first.eq(command.first & opens),
            tag.double.eq(command.double & opens),
            tag.last.eq(last),
            tag.final.eq(command.end),
            tag.end.eq(last & command.end),
        ]
        at = {name: Signal(Value.cast(value).shape(), name=f"at_{name}") for name, value in shown.items()}
        at_tag = Signal.like(tag)
        with m.If(~held):
            m.d.sync += [at_tag.eq(tag), *(at[name].eq(value) for name, value in shown.items())]
        self._read(m, at, at_tag, held)
        return m

    def _read(self, m, at, at_tag, held):
        """From a position to its words, in three stages: places inside the quadrants, sums, addresses."""
        source, scan, window = data.View(Source, at["source"]), at["scan"], at["window"]
        wide = source.kernel == 3
        stride_two = source.stride == 2
        on_map = at["on_map"]
        half = source.half

        def coordinate(name, place, tap, far):
            """Of a tap along one axis: (before, beyond) the first quadrant, its place relative to that, whether
            the quadrants change places, and whether windows 0 and 1 see anything."""
            relative, absolute = Signal(signed(9), name=f"{name}_relative"), Signal(signed(9), name=f"{name}_map")
            before, beyond = Signal(name=f"{name}_before"), Signal(name=f"{name}_beyond")
            m.d.comb += [
                relative.eq(Mux(stride_two, place << 1, place) + tap),
                absolute.eq(relative + Mux(scan & far, source.offset, 0)),
                before.eq(absolute < 0),
                beyond.eq(absolute >= half),
            ]
            inside = Mux(on_map, ~before & (absolute < (half << 1)), (relative >= 0) & (relative < source.window))
            crosses = Mux(scan, beyond ^ far, before | beyond)
            sees = [
                Mux(scan, inside & ~far, ~before & (on_map | ~beyond)),
                Mux(scan, inside & far, ~beyond & (on_map | ~before)),
            ]
            return before, beyond, absolute, crosses, sees

        above, below, _, swap_y, rows_seen = coordinate("y", at["row"], at["dy"], window[1])
        columns = [coordinate(f"x{tap}", at["column"], Mux(wide, tap - 1, 0), window[0]) for tap in range(TAPS)]

        placed, summed, out = Signal(spike_read(self.config)), Signal(spike_read(self.config)), self.o.payload
        valid, wraps, awkward = Signal(2), Signal(TAPS), Signal()
        address, row_words, base = Signal(16), Signal(16), Signal(16)
        step_words, spread = Signal.like(source.group_step, name="step_words"), Signal()
        far_side = data.StructLayout({"before": 1, "beyond": 1})
        far_row, far_taps = Signal(far_side), Signal(data.ArrayLayout(far_side, TAPS))
        row_wrap, wrap = Signal.like(source.area, name="row_wrap"), Signal.like(half, name="wrap")
        inner = [Signal(signed(9), name=f"inner{tap}") for tap in range(TAPS)]
        offsets = [Signal(16, name=f"offset{tap}") for tap in range(TAPS)]
        with m.If(~held):
            m.d.sync += [
                valid[0].eq(at["valid"]),
                address.eq(at["address"]),
                row_words.eq(
                    at["row_words"]
                    + Mux(at["dy"] == 0, 0, Mux(at["dy"] < 0, -half, half))
                    + Mux(scan & window[1], source.offset_rows, 0)
                ),
                far_row.eq(Cat(above, below)),
                far_taps.eq(Cat(Cat(before, beyond) for before, beyond, *_ in columns)),
                row_wrap.eq(source.area),
                wrap.eq(half),
                *(inner[tap].eq(columns[tap][2]) for tap in range(TAPS)),
                step_words.eq(source.group_step),
                spread.eq(~wide),
                awkward.eq(wide & (half > 2) & ((half[:2] == 1) | (half[:2] == 2))),
                placed.swap_y.eq(swap_y),
                placed.inside_y.eq(Cat(rows_seen)),
                placed.swap_x.eq(Cat(c[3] for c in columns)),
                *(placed.inside_x[tap].eq(Cat(columns[tap][4])) for tap in range(TAPS)),
                *(placed[name].eq(at_tag[name]) for name in tile_tag(self.config)),
            ]

        # Taps of a row that wraps round a quadrant of an awkward side: first those beside the centre.
        apart, split, seam, taps = Signal(TAPS), Signal(), Signal(), Signal(TAPS)

        def moved(side, size):
            """From beyond a quadrant to its far side."""
            return Mux(side.before, size, Mux(side.beyond, -size, 0))

        m.d.comb += [
            wraps.eq(Cat(side.as_value().any() for side in far_taps)),
            apart.eq(wraps ^ wraps[1].replicate(TAPS)),
            split.eq(awkward & apart.any()),
            held.eq(valid[0] & split & ~seam),
            taps.eq(Mux(split, Mux(seam, apart, ~apart), -1)),
        ]
        m.d.sync += [
            seam.eq(held),
            valid[1].eq(valid[0]),
            summed.eq(placed),
            summed.tap.eq(taps),
            *(summed.inside_x[tap].eq(Mux(taps[tap], placed.inside_x[tap], 0)) for tap in range(TAPS)),
            summed.first.eq(placed.first & ~seam),
            summed.double.eq(placed.double & ~seam),
            summed.last.eq(placed.last & ~held),
            summed.end.eq(placed.end & ~held),
            base.eq(address + row_words + moved(far_row, row_wrap)),
            *(
                offsets[tap].eq(inner[tap] + moved(far_taps[tap], wrap) + Mux(spread, tap * step_words, 0))
                for tap in range(TAPS)
            ),
        ]
        m.d.sync += [self.o.valid.eq(valid[1]), out.eq(summed)]
        m.d.sync += [out.address[tap].eq(base + offsets[tap]) for tap in range(TAPS)]
