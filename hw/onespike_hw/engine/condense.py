"""Spikes back to the spike memory: channels become words, overlapping windows become one pixel."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import WINDOWS
from onespike.contract.isa import Condense as Mode
from onespike.contract.isa import Layer, Windows

from ..interfaces import neuron_output, spike_write

COUNT_BITS = WINDOWS.bit_length()


class Condense(wiring.Component):
    """Collects an output group's channels, then writes each window's word at its pixel.

    Dilated windows overlap: a private buffer holds how many windows fired at each pixel of the group.
    Positions come in raster order and windows TL, TR, BL, BR inside one, so a window's contribution is
    its pixel's first exactly where no earlier window reaches: nothing is ever cleared. Every
    contribution is written through, so the last write of a word is the condensed one (OR, or the MSp
    level in three planes; paper A, section 3.1).

    Members
    -------
    layer : In(Layer), stable while its spikes are inside
    restart : In(1), pulse before a layer
    i : In(stream(neuron_output)); o : Out(stream(spike_write))
    idle : Out(1), nothing is inside: no word half collected, none left to write

    Throughput: a channel per cycle while a position's writes (two cycles a window, two more with MSp, and
    one a position) take no longer than its channels.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "restart": In(1),
                "i": In(stream.Signature(neuron_output(config))),
                "o": Out(stream.Signature(spike_write(config))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        dilated = layer.windows == Windows.D
        quarter, offset = Signal(5), Signal(6)
        offset_words = Signal(14)  # the same distance downwards in the map
        m.d.comb += [quarter.eq(layer.side >> 2), offset.eq(Mux(dilated, quarter, layer.side >> 1))]
        m.d.sync += offset_words.eq(offset * layer.side)

        # Collect: one bit per window and channel.
        bits = Signal(data.ArrayLayout(unsigned(config.outputs), WINDOWS))
        collecting, full, ends_group = Signal(), Signal(), Signal()
        row, column, row_words = Signal(6), Signal(6), Signal(14)
        take = Signal()  # the writer takes the collected position over, so the next one may begin
        m.d.comb += self.i.ready.eq(~full | take)
        given = self.i.payload
        with m.If(take):
            m.d.sync += full.eq(0)
        with m.If(self.i.valid & self.i.ready):
            for w in range(WINDOWS):
                fresh = Mux(given.slot == 0, 0, bits[w])
                m.d.sync += bits[w].eq(fresh | (given.spikes[w] << given.slot))
            m.d.sync += [collecting.eq(~given.word_end), full.eq(given.word_end), ends_group.eq(given.group_end)]
            m.d.sync += [row.eq(given.row), column.eq(given.column), row_words.eq(given.row * layer.side)]

        # Write: window by window.
        words = Signal.like(bits)
        y0, x0 = Signal(6), Signal(6)
        last_position = Signal()
        window, plane = Signal(range(WINDOWS)), Signal(range(Mode.MSP.planes))
        y, x = Signal(7), Signal(7)
        m.d.comb += [y.eq(y0 + Mux(window[1], offset, 0)), x.eq(x0 + Mux(window[0], offset, 0))]
        words0, pixel = Signal(14), Signal(14)
        m.d.comb += pixel.eq(words0 + Mux(window[1], offset_words, 0) + x)

        counts = data.ArrayLayout(unsigned(COUNT_BITS), config.outputs)
        m.submodules.buffer = buffer = memory.Memory(shape=counts, depth=config.condense_words, init=[])
        before, after = buffer.read_port(), buffer.write_port()
        first = (window[1] | (y0 < offset)) & (window[0] | (x0 < offset))
        total, levels = Signal(counts), Signal(counts)
        where, mine = Signal(14), Signal(config.outputs)
        fresh, cover = Signal(), Signal(2)

        def doubled(place):
            return dilated & (place >= quarter) & (place < quarter * 3)

        # What was read must outlive the write of plane 0: the port reads in "Look" and then holds.
        looking = Signal()
        m.d.comb += [before.addr.eq(pixel), before.en.eq(looking), after.addr.eq(where), after.data.eq(total)]
        for n in range(config.outputs):
            m.d.comb += total[n].eq(Mux(fresh, 0, before.data[n]) + mine[n])
            m.d.comb += levels[n].eq(arith.condense_level(total[n], cover))
        msp = layer.condense == Mode.MSP
        fired = Cat(total[n].any() for n in range(config.outputs))

        # Which words of the map this output group is: a slice of the lanes where they are wider.
        slices = config.lanes // config.outputs
        group_address, up, part = Signal(16), Signal(16), Signal(range(slices + 1))
        word = Signal(config.outputs)
        m.d.comb += [
            self.o.payload.word.eq(word.replicate(slices)),
            self.o.payload.mask.eq(1 << part),
            self.o.payload.address.eq(group_address + where + up),
            word.eq(fired),
        ]
        with m.If(msp), m.Switch(plane):
            for p in range(Mode.MSP.planes):
                with m.Case(p):
                    m.d.comb += word.eq(Cat(levels[n][p] for n in range(config.outputs)))

        with m.FSM() as fsm:
            with m.State("Wait"):
                with m.If(full):
                    m.d.comb += take.eq(1)
                    m.d.sync += [words.eq(bits), y0.eq(row), x0.eq(column), words0.eq(row_words)]
                    m.d.sync += [last_position.eq(ends_group), window.eq(0)]
                    m.next = "Look"
            with m.State("Look"):
                m.d.comb += looking.eq(1)
                m.d.sync += [
                    where.eq(pixel),
                    mine.eq(words[window]),
                    fresh.eq(~dilated | first),
                    cover.eq(doubled(y) + doubled(x)),
                    plane.eq(0),
                    up.eq(0),
                ]
                m.next = "Write"
            with m.State("Write"):
                m.d.comb += [self.o.valid.eq(1), after.en.eq(dilated & self.o.ready & (plane == 0))]
                with m.If(self.o.ready):
                    m.d.sync += [plane.eq(plane + 1), up.eq(up + layer.plane_step)]
                    with m.If(~msp | (plane == Mode.MSP.planes - 1)):
                        m.d.sync += window.eq(window + 1)
                        m.next = "Look"
                        with m.If(window == WINDOWS - 1):
                            m.next = "Wait"
                            with m.If(last_position):
                                m.d.sync += part.eq(part + 1)
                                with m.If(part == slices - 1):
                                    m.d.sync += [part.eq(0), group_address.eq(group_address + layer.group_step)]
        m.d.comb += self.idle.eq(fsm.ongoing("Wait") & ~full & ~collecting)
        with m.If(self.restart):
            m.d.sync += [group_address.eq(layer.base), part.eq(0)]
        return m
