"""Spikes back to the spike memory: channels become words, overlapping windows become one pixel."""

import itertools
from math import gcd

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import arith
from onespike.contract.config import WINDOWS
from onespike.contract.isa import Condense as Mode
from onespike.contract.isa import Layer, Windows

from ..interfaces import neuron_output, spike_write

COUNT_BITS = WINDOWS.bit_length()


class Collector(wiring.Component):
    """Channels of a position, some at a time, to whole spike words.

    Output groups and spike words are of different size: what a group leaves over of a word is kept per
    position until the next group brings the rest. The upper plane of levels is collected a cycle later than
    the lower, so that one memory, of one read and one write a cycle, keeps what both leave over.

    Members
    -------
    layer : In(Layer); restart : In(1), pulse before a layer
    i : In(stream(neuron_output)); o : Out(stream(word)): ``words[plane][window]``, the upper plane's a
    cycle later than the rest and until a cycle after the next word is there; ``address`` of the word at
    position (0, 0), whether its number is ``odd``, ``last`` position of the window, and what
    ``neuron_output`` says of the position

    Throughput: ``neurons`` channels per cycle.
    """

    KEPT = ("index", "row", "low", "column", "right", "edge", "near")

    def __init__(self, config):
        self.config = config
        self.step = gcd(config.word, config.outputs)
        given = neuron_output(config)
        word = data.StructLayout(
            {
                "words": data.ArrayLayout(data.ArrayLayout(unsigned(config.word), WINDOWS), arith.LEVEL_BITS),
                "address": Layer.as_shape()["base"].shape,
                "odd": unsigned(1),
                "last": unsigned(1),
                **{name: given[name].shape for name in self.KEPT},
            }
        )
        super().__init__(
            {
                "layer": In(Layer),
                "restart": In(1),
                "i": In(stream.Signature(given)),
                "o": Out(stream.Signature(word)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer, given, out = self.config, self.layer, self.i.payload, self.o.payload
        word, lanes = config.word, config.neurons
        taken = Signal()
        # Channels are collected while the word before waits; only the next whole word has to.
        emits = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready | ~emits),
            taken.eq(self.i.valid & self.i.ready),
        ]

        # The word that is being collected: its number in the pixel, its address, its channels so far. Every
        # position of an output group begins like the group's first.
        # Slots without channels may count on behind the last word.
        number = unsigned(len(layer.words) + 1)
        begun = data.StructLayout({"number": number, "address": unsigned(16), "count": range(word)})
        group, walk, here = Signal(begun), Signal(begun), Signal(begun)
        after, full = Signal(begun), Signal()
        count = here.count + lanes
        begins, ends = given.slot == 0, given.slot == config.slots - 1
        m.d.comb += [
            here.eq(Mux(begins, group.as_value(), walk.as_value())),
            full.eq(count == word),
            after.number.eq(here.number + full),
            after.address.eq(here.address + Mux(full, layer.group_step, 0)),
            after.count.eq(Mux(full, 0, count)),
        ]

        # What both planes do with new channels: ``joins`` which part of a word was left over before, ``leaves`` which is now.
        parts = range(self.step, word, self.step)
        work = data.StructLayout(
            {
                "moves": 1,
                "begins": 1,
                "ends": 1,
                "emits": 1,
                "full": 1,
                "index": given.index.shape(),
                "joins": len(parts),
                "leaves": len(parts),
                "fresh": data.ArrayLayout(unsigned(lanes), WINDOWS),
            }
        )
        fresh = [Signal(work["fresh"].shape, name=f"fresh{plane}") for plane in range(arith.LEVEL_BITS)]
        for plane, w in itertools.product(range(arith.LEVEL_BITS), range(WINDOWS)):
            m.d.comb += fresh[plane][w].eq(Cat(given.fired[n][w][plane] & given.present[n] for n in range(lanes)))
        flushes = ends & given.group_end & (after.count != 0)
        m.d.comb += emits.eq((full | flushes) & (here.number < layer.words))
        lower, upper = Signal(work), Signal(work)
        m.d.comb += [
            lower.moves.eq(taken),
            lower.begins.eq(taken & begins),
            lower.ends.eq(taken & ends),
            lower.emits.eq(taken & emits),
            lower.full.eq(full),
            lower.index.eq(given.index),
            lower.joins.eq(Cat((here.number == group.number) & (group.count == known) for known in parts)),
            lower.leaves.eq(Cat(after.count == known for known in parts)),
            lower.fresh.eq(fresh[0]),
        ]
        m.d.sync += [upper.eq(lower), upper.fresh.eq(fresh[1])]
        self._planes(m, parts, lower, upper)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken):
            m.d.sync += walk.eq(after)
            with m.If(ends & given.chain_end):
                m.d.sync += group.eq(after)
            with m.If(emits):
                m.d.sync += [
                    self.o.valid.eq(1),
                    out.address.eq(here.address),
                    out.odd.eq(here.number[0]),
                    out.last.eq(given.chain_end),
                    *(out[name].eq(given[name]) for name in self.KEPT),
                ]
        with m.If(self.restart):
            m.d.sync += [group.number.eq(0), group.address.eq(layer.base), group.count.eq(0)]
        return m

    def _planes(self, m, parts, lower, upper):
        """Shifts the channels of both planes together; ``upper`` is ``lower``'s work a cycle later."""
        word, lanes = self.config.word, self.config.neurons
        # What the groups before left over, and what this one leaves: at the bottom of a word.
        rest = data.ArrayLayout(unsigned(word - self.step), WINDOWS)
        kept, left = ([Signal(rest, name=f"{name}{plane}") for plane in range(2)] for name in ("kept", "left"))
        if parts:
            depth = arith.LEVEL_BITS * self.config.positions
            m.submodules.leftover = leftover = memory.Memory(shape=rest, depth=depth, init=[])
            read, write = leftover.read_port(), leftover.write_port()
            # A position has more than two slots, so the planes never want a port in the same cycle.
            held = Signal(rest)
            m.d.comb += [
                read.addr.eq(Mux(upper.begins, Cat(Const(1, 1), upper.index), Cat(Const(0, 1), lower.index))),
                read.en.eq(lower.begins | upper.begins),
                kept[0].eq(Mux(upper.begins, read.data.as_value(), held.as_value())),
                kept[1].eq(read.data),
                write.addr.eq(Mux(upper.ends, Cat(Const(1, 1), upper.index), Cat(Const(0, 1), lower.index))),
                write.data.eq(Mux(upper.ends, left[1].as_value(), left[0].as_value())),
                write.en.eq(lower.ends | upper.ends),
            ]
            with m.If(upper.begins):
                m.d.sync += held.eq(read.data)

        for plane, now in enumerate((lower, upper)):
            # New channels enter at the top: a word's first channel reaches the bottom when the word is whole.
            words = data.ArrayLayout(unsigned(word), WINDOWS)
            names = ("bits", "shifted", "collected")
            bits, shifted, collected = (Signal(words, name=f"{name}{plane}") for name in names)
            m.d.comb += [shifted[w].eq(Cat(bits[w][lanes:], now.fresh[w])) for w in range(WINDOWS)]
            m.d.comb += collected.eq(shifted)
            for n, known in enumerate(parts):
                with m.If(now.leaves[n]):
                    m.d.comb += [left[plane][w].eq(shifted[w][word - known :]) for w in range(WINDOWS)]
                with m.If(now.joins[n]):
                    for w in range(WINDOWS):
                        m.d.comb += collected[w].eq(Cat(kept[plane][w][:known], shifted[w][known:]))
            with m.If(now.moves):
                m.d.sync += bits.eq(shifted)
            with m.If(now.emits):
                m.d.sync += self.o.payload.words[plane].eq(
                    Mux(now.full, collected.as_value(), _widened(left[plane], word))
                )


def _widened(words, width):
    """Elements of ``words``, each zero-extended to ``width`` bits, as one value."""
    parts = [words[n] for n in range(WINDOWS)]
    return Cat(Cat(part, Const(0, width - len(part))) for part in parts)


class Condense(wiring.Component):
    """Writes each window's words at their pixel.

    Dilated windows overlap: a private buffer holds how many windows fired at each pixel, for the two
    words that are collected at a time. Positions come in raster order and windows TL, TR, BL, BR inside
    one, so a window's contribution is its pixel's first exactly where no earlier window reaches: nothing
    is ever cleared. Every contribution is written through, so the last write of a word is the condensed
    one (OR, or the MSp level in three planes; paper A, section 3.1). Quadrants do not overlap: their
    four pixels share a word and are written at once, levels in two planes one after the other.

    Members
    -------
    layer : In(Layer), stable while its spikes are inside
    restart : In(1), pulse before a layer
    i : In(stream(neuron_output)); o : Out(stream(spike_write)), must be taken at once
    word_done : Out(1), pulse: one more word of every pixel is complete

    Throughput: a word per cycle and plane, a dilated one takes four times as long.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer": In(Layer),
                "restart": In(1),
                "i": In(stream.Signature(neuron_output(config))),
                "o": Out(stream.Signature(spike_write(config), always_ready=True)),
                "word_done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        m.submodules.collector = collector = Collector(config)
        wiring.connect(m, wiring.flipped(self.i), collector.i)
        m.d.comb += [collector.layer.eq(layer), collector.restart.eq(self.restart)]
        dilated, msp = layer.windows == Windows.D, layer.condense == Mode.MSP
        given, word = collector.o.payload, config.word

        # Look: which pixel, and what earlier windows left there.
        window, look, last_window = Signal(range(WINDOWS)), Signal(), Signal()
        low, right = window[1], window[0]
        inside, quadrant = Signal(given.index.shape()), Signal(range(WINDOWS))
        m.d.comb += [
            inside.eq(Mux(low, given.row[1], given.row[0]) + Mux(right, given.column[1], given.column[0])),
            quadrant.eq(Cat(given.right.bit_select(right, 1), given.low.bit_select(low, 1))),
            last_window.eq(~dilated | (window == WINDOWS - 1)),
            collector.o.ready.eq(look & last_window),
        ]
        counts = data.ArrayLayout(unsigned(COUNT_BITS), word)
        m.submodules.buffer = buffer = memory.Memory(shape=counts, depth=2 * config.condense_words, init=[])
        before, after = buffer.read_port(), buffer.write_port()
        place_bits = (config.condense_words // WINDOWS - 1).bit_length()
        m.d.comb += [before.addr.eq(Cat(inside[:place_bits], quadrant, given.odd)), before.en.eq(look)]
        # In the first quarter only the upper (left) window reaches; the lower one's overlap ends at its half.
        covered = [Mux(far, given.near[n], ~given.edge[n]) for n, far in enumerate((low, right))]

        # Write: what the pixel's windows have fired so far.
        busy, plane = Signal(), Signal(range(Mode.MSP.planes))
        where, pixel = Signal(16), Signal.like(before.addr)
        mine, high = (Signal(given.words[0].shape(), name=name) for name in ("mine", "high"))
        one = Signal(word)
        fresh, cover, target, ends = Signal(), Signal(2), Signal(range(WINDOWS)), Signal()
        finishes = busy & (plane == Mux(msp, Mode.MSP.planes - 1, layer.levels))
        m.d.comb += look.eq(collector.o.valid & (~busy | finishes))
        with m.If(finishes):
            m.d.sync += busy.eq(0)
        with m.If(busy & (plane == 0)):
            m.d.sync += high.eq(given.words[1])
        with m.If(busy):
            m.d.sync += [plane.eq(plane + 1), where.eq(where + layer.plane_step)]
        with m.If(look):
            m.d.sync += [
                busy.eq(1),
                plane.eq(0),
                where.eq(given.address + Mux(dilated, inside, given.index)),
                pixel.eq(before.addr),
                mine.eq(given.words[0]),
                one.eq(given.words[0][window]),
                fresh.eq((low | given.edge[0]) & (right | given.edge[1])),
                cover.eq(covered[0] + covered[1]),
                target.eq(quadrant),
                ends.eq(given.last & last_window),
                window.eq(Mux(dilated, window + 1, 0)),
            ]

        total, levels = Signal(counts), Signal(counts)
        for n in range(word):
            m.d.comb += total[n].eq(Mux(fresh, 0, before.data[n]) + one[n])
            m.d.comb += levels[n].eq(arith.condense_level(total[n], cover))
        m.d.comb += [
            after.addr.eq(pixel),
            after.data.eq(total),
            after.en.eq(busy & dilated & (plane == 0)),
            self.o.valid.eq(busy),
            self.o.payload.address.eq(where),
            self.word_done.eq(finishes & ends),
        ]
        condensed = Signal(word)
        m.d.comb += condensed.eq(Cat(total[n].any() for n in range(word)))
        with m.If(msp), m.Switch(plane):
            for p in range(Mode.MSP.planes):
                with m.Case(p):
                    m.d.comb += condensed.eq(Cat(levels[n][p] for n in range(word)))
        with m.If(dilated):
            m.d.comb += self.o.payload.mask.eq(1 << target)
            m.d.comb += [self.o.payload.words[w].eq(condensed) for w in range(WINDOWS)]
        with m.Else():
            m.d.comb += self.o.payload.mask.eq(-1)
            m.d.comb += [self.o.payload.words[w].eq(Mux(plane[0], high[w], mine[w])) for w in range(WINDOWS)]
        return m
