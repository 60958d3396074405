"""From finished accumulators to neurons: walks the window chain in raster order.

For each output group and position it picks the four windows' accumulators, then sends the group's
channels one by one, each with its parameters and the potentials of the layer before.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import Layer, Parameter, Windows

from ..interfaces import chain_tag, neuron_input
from .accumulators import accumulator_row


def parameter_write(config):
    """Layout of a write to the parameter memory."""
    return data.StructLayout({"address": range(config.channels), "word": Parameter})


class Drain(wiring.Component):
    """Feeds the neuron unit from the accumulator banks.

    Members
    -------
    layer : In(Layer), stable from ``restart`` to the layer's last neuron
    restart : In(1), pulse before a layer
    tile_done : In(1), pulse: the next bank in turn is complete
    release : Out(1), pulse: the bank drained last may be used again
    address, row : look into the accumulators
    parameter_write : In(stream), from the loader, always ready
    potentials : In(stream), potentials of windows 0..2 to keep, in the order neurons were sent
    o : Out(stream(neuron_input))

    Throughput: ``outputs`` + 5 cycles per position. A neuron reads the potential memory before its
    own potentials are written to the same place, so a layer may replace what it reads.
    """

    def __init__(self, config):
        self.config = config
        kept = data.ArrayLayout(signed(POTENTIAL_BITS), WINDOWS - 1)
        super().__init__(
            {
                "layer": In(Layer),
                "restart": In(1),
                "tile_done": In(1),
                "release": Out(1),
                "address": Out(range(2 * config.tile)),
                "row": In(accumulator_row(config)),
                "parameter_write": In(stream.Signature(parameter_write(config), always_ready=True)),
                "potentials": In(stream.Signature(kept, always_ready=True)),
                "o": Out(stream.Signature(neuron_input(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        dilated = layer.windows == Windows.D
        half = Signal(6)
        offset, chain_side = Signal(6), Signal(6)
        m.d.comb += [
            half.eq(layer.side >> 1),
            offset.eq(Mux(dilated, layer.side >> 2, half)),
            chain_side.eq(Mux(dilated, (layer.side >> 2) * 3, half)),
        ]

        # Where the chain stands.
        row, column = Signal(6), Signal(6)
        left = Signal(range(1 << Layer.as_shape()["channels"].shape.width))
        parameter = Signal(range(config.channels))
        index = Signal(range(config.potential_words))
        bank, place = Signal(), Signal(range(config.tile))
        pending = Signal(range(3))
        last_column, last_row = Signal(), Signal()
        m.d.comb += [last_column.eq(column == chain_side - 1), last_row.eq(row == chain_side - 1)]
        m.d.sync += pending.eq(pending + self.tile_done - self.release)

        # Fetch: one window per cycle; its place is found in one cycle, its accumulators read in the next.
        window, looked, looking = Signal(range(WINDOWS + 1)), Signal(range(WINDOWS)), Signal()
        y, x = Signal(7), Signal(7)
        low, right = Signal(), Signal()
        quadrant, at = Signal(range(WINDOWS)), Signal(range(config.tile))
        held = Signal(accumulator_row(config))
        m.d.comb += [
            y.eq(row + Mux(window[1], offset, 0)),
            x.eq(column + Mux(window[0], offset, 0)),
            low.eq(y >= half),
            right.eq(x >= half),
            self.address.eq(bank * config.tile + at),
        ]
        m.d.sync += [
            looking.eq(0),
            looked.eq(window),
            quadrant.eq(Mux(layer.gather, right | (low << 1), window)),
            at.eq(Mux(layer.gather, (y - Mux(low, half, 0)) * half + x - Mux(right, half, 0), place)),
        ]
        with m.If(looking), m.Switch(looked):
            for w in range(WINDOWS):
                with m.Case(w):
                    m.d.sync += held[w].eq(self.row[quadrant])

        # Emit: the memories answer one cycle after the slot was asked for.
        slot, emitting = Signal(range(config.outputs)), Signal()
        slot_last, group_end = Signal(), Signal()
        advance = ~self.o.valid | self.o.ready
        m.d.comb += slot_last.eq((slot == config.outputs - 1) | (slot == left - 1))
        m.d.comb += group_end.eq(slot_last & last_column & last_row)

        m.submodules.parameters = parameters = memory.Memory(shape=Parameter, depth=config.channels, init=[])
        parameter_in, parameter_out = parameters.write_port(), parameters.read_port()
        incoming = self.parameter_write
        m.d.comb += [
            parameter_in.en.eq(incoming.valid),
            parameter_in.addr.eq(incoming.payload.address),
            parameter_in.data.eq(incoming.payload.word),
            parameter_out.addr.eq(parameter + slot),
            parameter_out.en.eq(advance),
        ]
        kept = self.potentials.payload.shape()
        m.submodules.potentials = potentials = memory.Memory(shape=kept, depth=config.potential_words, init=[])
        potential_in, potential_out = potentials.write_port(), potentials.read_port()
        stored = Signal(range(config.potential_words))
        m.d.comb += [
            potential_in.en.eq(self.potentials.valid),
            potential_in.addr.eq(stored),
            potential_in.data.eq(self.potentials.payload),
            potential_out.addr.eq(index),
            potential_out.en.eq(advance),
        ]
        with m.If(self.potentials.valid):
            m.d.sync += stored.eq(stored + 1)

        tag = Signal(data.StructLayout(chain_tag(config)))
        acc = Signal(data.ArrayLayout(signed(config.acc_bits), WINDOWS))
        out = self.o.payload
        m.d.comb += [out.acc.eq(acc), out.parameter.eq(parameter_out.data), out.previous.eq(potential_out.data)]
        m.d.comb += [out[name].eq(tag[name]) for name in chain_tag(config)]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(emitting),
                tag.row.eq(row),
                tag.column.eq(column),
                tag.slot.eq(slot),
                tag.word_end.eq(slot_last),
                tag.group_end.eq(group_end),
            ]
            m.d.sync += [acc[w].eq(held[w][0]) for w in range(WINDOWS)]

        with m.FSM():
            with m.State("Wait for a tile"):
                with m.If(pending != 0):
                    m.d.sync += window.eq(0)
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.d.sync += window.eq(window + 1)
                with m.If(window == WINDOWS):
                    m.d.sync += slot.eq(0)
                    m.next = "Emit"
                with m.Else():
                    m.d.sync += looking.eq(1)
            with m.State("Emit"):
                m.d.comb += emitting.eq(1)
                with m.If(advance):
                    m.d.sync += [slot.eq(slot + 1), index.eq(index + 1)]
                    m.d.sync += [held[w].eq(held[w].as_value() >> config.acc_bits) for w in range(WINDOWS)]
                    with m.If(slot_last):
                        m.d.sync += [window.eq(0), column.eq(column + 1), place.eq(place + 1)]
                        m.next = "Fetch"
                        with m.If(last_column):
                            m.d.sync += [column.eq(0), row.eq(row + 1)]
                            with m.If(last_row):
                                m.d.sync += [row.eq(0), left.eq(left - config.outputs)]
                                m.d.sync += parameter.eq(parameter + config.outputs)
                        # A gathered group lies in one bank, which is needed to the group's end.
                        with m.If(group_end | ((place == config.tile - 1) & ~layer.gather)):
                            m.d.comb += self.release.eq(1)
                            m.d.sync += [place.eq(0), bank.eq(~bank)]
                            m.next = "Wait for a tile"

        with m.If(self.restart):
            m.d.sync += [left.eq(layer.channels), parameter.eq(layer.parameters), index.eq(0), stored.eq(0)]
        return m
