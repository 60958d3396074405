"""Addresses of the spike words that the four windows read, one position per cycle."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import WINDOWS
from onespike.contract.isa import Layer, Padding, Source

from ..interfaces import block_command, spike_read


class WindowAddresses(wiring.Component):
    """Walks the positions of a tile for each weight block, plain and dilated windows alike.

    Window p lies ``offset`` pixels right of window TL (p odd) and ``offset`` rows below it (p >= 2), so
    one walk and four additions give all four addresses. Since offset + window is the map's side, the
    map's far border is where the lower or right windows end, and one comparison serves both paddings.

    Members
    -------
    layer : In(Layer), stable while commands are worked on
    i : In(stream(block_command))
    o : Out(stream(spike_read))

    Throughput: one position per cycle, no bubble between blocks.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "i": In(stream.Signature(block_command(config))),
                "o": Out(stream.Signature(spike_read(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer, out = self.layer, self.o.payload
        # The command is taken at its start, so that the next one, and its weights, are already asked for.
        command, working = Signal(block_command(self.config)), Signal()
        source = Signal(Source)
        m.d.comb += source.eq(Mux(command.shortcut, layer.shortcut.as_value(), layer.main.as_value()))

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
        number = Signal(range(self.config.tile))
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

        last = Signal()
        m.d.comb += last.eq(number == command.count - 1)
        advance = ~self.o.valid | self.o.ready
        m.d.comb += self.i.ready.eq(~working | (advance & last))
        with m.If(self.i.ready):
            m.d.sync += [command.eq(self.i.payload), working.eq(self.i.valid)]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(working)
            with m.If(working):
                m.d.sync += [w.eq(f) for w, f in zip(walk, following, strict=True)]
                m.d.sync += number.eq(Mux(last, 0, number + 1))
                with m.If(last & command.end):
                    m.d.sync += [s.eq(f) for s, f in zip(start, following, strict=True)]

        y, x = Signal(signed(9)), Signal(signed(9))
        stride_two = source.stride == 2
        m.d.comb += [
            y.eq(Mux(stride_two, row << 1, row) + command.dy),
            x.eq(Mux(stride_two, column << 1, column) + command.dx),
        ]
        on_map = layer.padding == Padding.MAP
        above, below = y < 0, y >= source.window
        before, behind = x < 0, x >= source.window
        origin = Signal(signed(18))
        m.d.comb += origin.eq(
            command.address + Mux(command.shortcut, shortcut_row, main_row) + Mux(stride_two, column << 1, column)
        )
        with m.If(advance):
            for w in range(WINDOWS):
                outside_y = (above & ~on_map | below) if w & 2 else (above | below & ~on_map)
                outside_x = (before & ~on_map | behind) if w & 1 else (before | behind & ~on_map)
                right, down = source.offset if w & 1 else 0, source.offset_rows if w & 2 else 0
                m.d.sync += [
                    out.address[w].eq(origin + right + down),
                    out.inside[w].eq(~(outside_y | outside_x)),
                ]
            m.d.sync += [
                out.position.eq(number),
                out.bank.eq(command.bank),
                out.first.eq(command.first),
                out.double.eq(command.double),
                out.last.eq(last),
                out.end.eq(last & command.end),
            ]
        return m
