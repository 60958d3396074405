"""From finished results to neurons: walks the window chain in raster order.

For each output group and position the group's channels leave ``neurons`` at a time, each with its
parameters and the potentials of the layer before.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import WINDOWS
from onespike.contract.isa import Layer, Op, Parameter, Windows

from ..interfaces import chain_tag, neuron_input, potentials
from .accumulators import result_address, result_row


def parameter_write(config):
    """Layout of a write to the parameter memory."""
    return data.StructLayout({"address": range(config.channels), "word": Parameter})


class Drain(wiring.Component):
    """Feeds the neuron unit from the result banks.

    Window w is looked up w cycles after window 0, so that in a cycle the windows look at different
    slots: dilated windows may then pick any quadrant's pixel and no two meet in one memory.

    Members
    -------
    layer : In(Layer), stable from ``restart`` to the layer's last neuron
    restart : In(1), pulse before a layer
    tile_done : In(1), pulse: the next bank in turn is complete
    release : Out(1), pulse: the bank drained last may be used again, but is looked at for ``WINDOWS`` - 1 cycles more
    address, rows : look into the results
    parameter_write : In(stream), from the loader, always ready
    potentials : In(stream), potentials to keep, in the order in which neurons were sent
    o : Out(stream(neuron_input)), always ready
    left : In(1), pulse: a slot's neurons have left the queue behind the neuron unit
    empty : Out(1), none are on their way there

    Throughput: ``slots`` cycles per position, from tile to tile without a pause. Nothing on the way to the
    queue can be held up: a position begins only when the queue has room for all that is on its way. (A ready
    signal through all the registers between would be the core's slowest path.) A neuron reads the potential
    memory before its own potentials are written to the same place, so a layer may replace what it reads.
    """

    latency = 4

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "restart": In(1),
                "tile_done": In(1),
                "release": Out(1),
                "address": Out(result_address(config)).array(config.slots),
                "rows": In(result_row(config)).array(config.slots),
                "parameter_write": In(stream.Signature(parameter_write(config), always_ready=True)),
                "potentials": In(stream.Signature(potentials(config), always_ready=True)),
                "o": Out(stream.Signature(neuron_input(config), always_ready=True)),
                "left": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        dilated = (layer.windows == Windows.D) & (layer.op == Op.SPIKE)
        gather = dilated & ~layer.scan
        score = layer.op == Op.SCORE
        half, quarter = layer.half, Signal(5)
        last_place = Signal(6)  # of a row or a column of the chain
        m.d.comb += [
            quarter.eq(half >> 1),
            last_place.eq(Mux(score, 0, Mux(dilated, half + quarter, half) - 1)),
        ]

        # Where the chain stands: the position, its number in the window and in the tile, and for dilated
        # windows its place inside the quadrants.
        slot, running = Signal(range(config.slots)), Signal()
        row, column = Signal(6), Signal(6)
        tag = Signal(data.StructLayout(chain_tag(config)))
        bank, place = Signal(), Signal(range(config.tile))
        left = Signal(layer.channels.shape())
        parameter, index = Signal(range(config.channels)), Signal(range(config.potential_words))
        pending, finished = Signal(range(3)), Signal(init=1)
        last_column, last_row = Signal(), Signal()
        m.d.comb += [last_column.eq(column == last_place), last_row.eq(row == last_place)]
        m.d.sync += pending.eq(pending + self.tile_done - self.release)
        m.d.comb += [
            tag.slot.eq(slot),
            tag.chain_end.eq(last_column & last_row),
            tag.group_end.eq(left <= config.outputs),
            tag.edge.eq(Cat(row < quarter, column < quarter)),
            tag.near.eq(Cat(row < half, column < half)),
            *(tag.present[n].eq(slot * config.neurons + n < left) for n in range(config.neurons)),
        ]

        # A gathered group lies in one bank, which is needed to the group's end.
        tile_end = tag.chain_end | ((place == config.tile - 1) & ~gather)
        slot_last = slot == config.slots - 1
        m.d.sync += slot.eq(Mux(slot_last, 0, slot + 1))
        with m.If(running):
            m.d.sync += index.eq(index + 1)
        on_way, goes = Signal(range(config.in_flight + 1)), Signal()
        m.d.sync += on_way.eq(on_way + Mux(goes, config.slots, 0) - self.left)
        m.d.comb += self.empty.eq(on_way == 0)
        with m.If(slot_last):
            with m.If(running):
                m.d.sync += [place.eq(place + 1), tag.index.eq(tag.index + 1), column.eq(column + 1)]
                m.d.sync += [tag.column[n].eq(Mux(tag.column[n] == half - 1, 0, tag.column[n] + 1)) for n in range(2)]
                m.d.sync += [tag.right[n].eq(tag.right[n] | (tag.column[n] == half - 1)) for n in range(2)]
                with m.If(last_column):
                    m.d.sync += [column.eq(0), row.eq(row + 1)]
                    self._first_column(m, tag, quarter)
                    for n, inside in enumerate((row, row + quarter)):
                        with m.If(inside == half - 1):
                            m.d.sync += [tag.row[n].eq(0), tag.low[n].eq(1)]
                        with m.Else():
                            m.d.sync += tag.row[n].eq(tag.row[n] + half)
                with m.If(tag.chain_end):
                    self._first_row(m, tag)
                    m.d.sync += [row.eq(0), tag.index.eq(0)]
                    m.d.sync += [left.eq(left - config.outputs), parameter.eq(parameter + config.outputs)]
                    with m.If(tag.group_end):
                        m.d.sync += finished.eq(1)
                with m.If(tile_end):
                    m.d.sync += [place.eq(0), bank.eq(~bank)]
                    m.d.comb += self.release.eq(1)
            # The next position follows at once if its tile is there.
            ends = tag.chain_end & tag.group_end
            there = Mux(
                running,
                ~tile_end | ((pending + self.tile_done > 1) & ~ends),
                (pending != 0) & ~finished,
            )
            m.d.comb += goes.eq(there & (on_way <= config.in_flight - config.slots))
            m.d.sync += running.eq(goes)
        with m.If(self.restart):
            m.d.sync += [left.eq(layer.channels), parameter.eq(layer.parameters), index.eq(0), finished.eq(0)]
            m.d.sync += [row.eq(0), column.eq(0), tag.index.eq(0), place.eq(0)]
            self._first_row(m, tag)
            self._first_column(m, tag, quarter)

        self._look(m, slot, gather, bank, place, tag)
        valid, late = running, tag
        for n in range(self.latency - 1):
            valid_before, late_before = valid, late
            valid, late = Signal(name=f"valid{n}"), Signal(tag.shape(), name=f"late{n}", reset_less=True)
            m.d.sync += [valid.eq(valid_before), late.eq(late_before)]
        m.d.sync += self.o.valid.eq(valid)
        m.d.sync += [self.o.payload[name].eq(late[name]) for name in chain_tag(config)]
        self._memories(m, parameter, slot, index)
        return m

    def _first_column(self, m, tag, quarter):
        m.d.sync += [tag.column[0].eq(0), tag.column[1].eq(quarter), tag.right.eq(0)]

    def _first_row(self, m, tag):
        m.d.sync += [tag.row[0].eq(0), tag.row[1].eq(self.layer.quarter_words), tag.low.eq(0)]

    def _look(self, m, slot, gather, bank, place, tag):
        """Window w looks at its slot w cycles late; ``latency`` cycles later its accumulators are there."""
        config = self.config
        request = data.StructLayout(
            {"slot": range(config.slots), "address": result_address(config), "quadrant": range(WINDOWS)}
        )
        row = result_row(config).elem_shape
        rows = [Signal(row, name=f"row{s}", reset_less=True) for s in range(config.slots)]
        asked = []
        for w in range(WINDOWS):
            ask = Signal(request, name=f"ask{w}_0", reset_less=True)
            inside = tag.row[w >> 1] + tag.column[w & 1]
            m.d.sync += [
                ask.slot.eq(slot),
                ask.address.eq(Cat(Mux(gather, inside, place)[: len(place)], bank)),
                ask.quadrant.eq(Mux(gather, Cat(tag.right[w & 1], tag.low[w >> 1]), w)),
            ]
            for n in range(w):
                late = Signal(request, name=f"ask{w}_{n + 1}", reset_less=True)
                m.d.sync += late.eq(ask)
                ask = late
            asked.append(ask)
        for s in range(config.slots):
            # Registers of the slot's own: the memory and what it holds are wide.
            seen = Signal(request, name=f"seen{s}", reset_less=True)
            for ask in asked:
                with m.If(ask.slot == s):
                    m.d.sync += seen.eq(ask)
            m.d.comb += self.address[s].eq(seen.address)
            with m.Switch(seen.quadrant):
                for q in range(WINDOWS):
                    with m.Case(q):
                        m.d.sync += rows[s].eq(self.rows[s][q])
        for w, ask in enumerate(asked):
            chosen = ask.slot
            for n in range(2):
                late = Signal.like(chosen, name=f"chosen{w}_{n}", reset_less=True)
                m.d.sync += late.eq(chosen)
                chosen = late
            with m.Switch(chosen):
                for s in range(config.slots):
                    with m.Case(s):
                        m.d.sync += [self.o.payload.acc[n][w].eq(rows[s][n]) for n in range(config.neurons)]

    def _memories(self, m, parameter, slot, index):
        """Parameters and the potentials of the layer before, at the output with window 0's accumulators."""
        config, out = self.config, self.o.payload
        words = data.ArrayLayout(Parameter, config.neurons)
        depth = -(-config.channels // config.neurons)
        m.submodules.parameters = parameters = memory.Memory(shape=words, depth=depth, init=[])
        write, read = parameters.write_port(granularity=1), parameters.read_port()
        given = self.parameter_write.payload
        lane_bits = (config.neurons - 1).bit_length()
        number, word = (parameter >> lane_bits) + slot, index
        for n in range(self.latency - 2):  # the memories take the other two
            number_before, word_before = number, word
            number = Signal(range(depth), name=f"number{n}", reset_less=True)
            word = Signal(range(config.potential_words), name=f"word{n}", reset_less=True)
            m.d.sync += [number.eq(number_before), word.eq(word_before)]
        m.d.comb += [
            write.en.eq(Mux(self.parameter_write.valid, 1 << given.address[:lane_bits], 0)),
            write.addr.eq(given.address >> lane_bits),
            *(write.data[n].eq(given.word) for n in range(config.neurons)),
            read.addr.eq(number),
        ]
        m.submodules.potentials = kept = memory.Memory(shape=potentials(config), depth=config.potential_words, init=[])
        keep, recall = kept.write_port(), kept.read_port()
        stored = Signal(range(config.potential_words))
        m.d.comb += [
            keep.en.eq(self.potentials.valid),
            keep.addr.eq(stored),
            keep.data.eq(self.potentials.payload),
            recall.addr.eq(word),
        ]
        with m.If(self.potentials.valid):
            m.d.sync += stored.eq(stored + 1)
        with m.If(self.restart):
            m.d.sync += stored.eq(0)
        m.d.sync += [out.parameter.eq(read.data), out.previous.eq(recall.data)]
