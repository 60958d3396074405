"""Runs a program: fetches one descriptor per layer and issues its weight blocks in order."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import isa
from onespike.contract.config import TAPS
from onespike.contract.isa import Layer, Op, Source

from ..interfaces import block_command


def layer_write(config):
    """Layout of a write to the descriptor memory, in program words."""
    return data.StructLayout({"address": range(config.layers * isa.LAYER_WORDS), "word": unsigned(isa.WORD_BITS)})


class Sequencer(wiring.Component):
    """Keeps the array busy: the blocks of layer after layer and image after image, without a pause.

    The array runs up to one layer ahead of the neurons. A block that reads what the layer before still
    writes waits until its spike words are complete; weight blocks are ordered so that the words that
    come late are wanted late. Loop order: output group, tile, bit plane (most significant first),
    source (shortcut, main), channel group, kernel row. Every plane and every tile reads its group's
    weights again.

    Members
    -------
    layer_write : In(stream), descriptors from the loader, always ready
    layers : In, number of layers of the program
    image : In(1), an image lies in the spike memory; image_taken : Out(1), pulse: its first layer began
    word_done : In(1), pulse: the neurons completed a spike word; scores_done : In(1), pulse: the last score left
    empty : In(1), no neuron is on its way: slots without channels follow a layer's last word
    release : In(1), pulse: a result bank was drained
    layer, index : Out, the layer that the array works on, stable while its blocks are taken
    begins : Out(1), pulse: ``layer`` is new
    chain_layer, chain_index : Out, the layer whose neurons run; chain_begins, chain_ends : Out(1), pulses
    done : Out(1), pulse after an image's last layer
    blocks : Out(stream(block_command)); weights : Out(stream), number of the block's weights
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer_write": In(stream.Signature(layer_write(config), always_ready=True)),
                "layers": In(8),
                "image": In(1),
                "image_taken": Out(1),
                "word_done": In(1),
                "scores_done": In(1),
                "empty": In(1),
                "release": In(1),
                "layer": Out(Layer),
                "index": Out(8),
                "begins": Out(1),
                "chain_layer": Out(Layer),
                "chain_index": Out(8),
                "chain_begins": Out(1),
                "chain_ends": Out(1),
                "done": Out(1),
                "blocks": Out(stream.Signature(block_command(config))),
                "weights": Out(stream.Signature(range(config.blocks))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        fetched, ready, take = self._fetch(m)

        # Array: the next layer begins when this one's blocks are taken and the neurons have reached it.
        adopted, running = Signal(init=1), Signal()
        idle = ~running & ~self.blocks.valid & ~self.weights.valid
        first = ready.index == 0
        m.d.comb += [
            take.eq(ready.valid & idle & adopted & (~first | self.image)),
            self.image_taken.eq(take & first),
        ]
        m.d.sync += self.begins.eq(take)
        with m.If(take):
            m.d.sync += [self.layer.eq(fetched), self.index.eq(ready.index), adopted.eq(0), running.eq(1)]

        # Neurons: they take the array's layer over when they have finished their own.
        working, words = Signal(), Signal(self.layer.words.shape())
        m.d.comb += [
            self.chain_ends.eq(
                working
                & Mux(
                    self.chain_layer.op == Op.SCORE,
                    self.scores_done,
                    self.empty & (words + self.word_done == self.chain_layer.words),
                )
            ),
            self.done.eq(self.chain_ends & (self.chain_index == self.layers - 1)),
        ]
        with m.If(self.word_done):
            m.d.sync += words.eq(words + 1)
        adopts = ~working & ~adopted & ~self.begins
        m.d.sync += self.chain_begins.eq(adopts)
        with m.If(adopts):
            m.d.sync += [self.chain_layer.eq(self.layer), self.chain_index.eq(self.index), words.eq(0)]
            m.d.sync += [working.eq(1), adopted.eq(1)]
        with m.If(self.chain_ends):
            m.d.sync += working.eq(0)

        self._blocks(m, running, adopted, words)
        return m

    def _fetch(self, m):
        """Reads descriptors one ahead: (descriptor, its number and whether it is there, signal that takes it)."""
        config = self.config
        m.submodules.descriptors = store = memory.Memory(
            shape=isa.WORD_BITS, depth=config.layers * isa.LAYER_WORDS, init=[]
        )
        write, read = store.write_port(), store.read_port()
        fetched = Signal(isa.LAYER_WORDS * isa.WORD_BITS, reset_less=True)
        ready, take = Signal(data.StructLayout({"valid": 1, "index": 8})), Signal()
        words, address = Signal(range(isa.LAYER_WORDS + 2)), Signal.like(read.addr)
        m.d.comb += [
            write.en.eq(self.layer_write.valid),
            write.addr.eq(self.layer_write.payload.address),
            write.data.eq(self.layer_write.payload.word),
            read.addr.eq(address),
        ]
        with m.If(~ready.valid):
            # The memory answers a cycle later: the first word seen is stale and shifts out.
            m.d.sync += [fetched.eq(Cat(fetched[isa.WORD_BITS :], read.data)), words.eq(words + 1)]
            with m.If(words != isa.LAYER_WORDS):
                m.d.sync += address.eq(address + 1)
            with m.Else():
                m.d.sync += ready.valid.eq(1)
        with m.Elif(take):
            m.d.sync += [ready.valid.eq(0), ready.index.eq(ready.index + 1), words.eq(0)]
            with m.If(ready.index == self.layers - 1):
                m.d.sync += [ready.index.eq(0), address.eq(0)]
        with m.If(self.layer_write.valid):  # whatever was fetched before belongs to another program
            m.d.sync += [ready.eq(0), words.eq(0), address.eq(0)]
        return data.View(Layer, fetched[: Layer.as_shape().size]), ready, take

    def _blocks(self, m, running, adopted, words):
        """The loops over a layer's blocks; ``running`` ends with the last one."""
        config, layer = self.config, self.layer
        left = Signal(layer.channels.shape())  # output channels from this group on
        remaining, count = Signal.like(layer.positions), Signal.like(layer.positions)
        plane, shortcut = Signal(4), Signal()
        group, row = Signal(6), Signal(2)
        group_words = Signal(16)
        bases = [Signal(16, name="main_base"), Signal(16, name="shortcut_base")]
        group_weights, weight = Signal(16), Signal(16)
        restart, first, double, bank = Signal(), Signal(), Signal(), Signal()
        banks = Signal(2, init=2)

        source = Signal(Source)
        m.d.comb += source.eq(Mux(shortcut, layer.shortcut.as_value(), layer.main.as_value()))
        wide = source.kernel == 3
        # A layer of scores sums over all its positions: one tile, however many they are.
        tiled = (layer.op == Op.SPIKE) & (remaining > config.tile)
        m.d.comb += count.eq(Mux(tiled, config.tile, remaining))

        advance = Mux(wide, 1, TAPS)
        last_group = group + advance >= source.groups
        last_row = (row == 2) | ~wide
        source_end = last_group & last_row
        plane_end = source_end & (~shortcut | (plane >= layer.main.planes))
        tile_end = plane_end & (plane == 0)
        group_end = tile_end & ~tiled
        wanted = Mux(last_group, source.groups - 1, group + advance - 1)
        available = ~source.fresh | adopted | (words > wanted)

        send, closes_tile = Signal(), Signal()
        free = [(~port.valid | port.ready) for port in (self.blocks, self.weights)]
        m.d.comb += [
            send.eq(running & ~self.begins & free[0] & free[1] & available & (~tile_end | (banks != 0))),
            closes_tile.eq(send & tile_end),
        ]
        m.d.sync += banks.eq(banks + self.release - closes_tile)
        for port in (self.blocks, self.weights):
            with m.If(port.ready):
                m.d.sync += port.valid.eq(0)

        def start_plane(number, weights):
            """A plane begins with the shortcut where it has the plane, whose weights come first."""
            has_shortcut = number < layer.shortcut.planes
            m.d.sync += [shortcut.eq(has_shortcut), weight.eq(weights + Mux(has_shortcut, 0, layer.shortcut_blocks))]

        def start_tile(weights):
            top = Mux(layer.main.planes > layer.shortcut.planes, layer.main.planes, layer.shortcut.planes) - 1
            m.d.sync += [plane.eq(top), first.eq(1), double.eq(0)]
            m.d.sync += [bases[0].eq(layer.main.top), bases[1].eq(layer.shortcut.top)]
            start_plane(top, weights)

        command = self.blocks.payload
        next_weights = group_weights + Mux(tiled, 0, layer.group_blocks)
        with m.If(send):
            m.d.sync += [
                self.blocks.valid.eq(1),
                self.weights.valid.eq(1),
                self.weights.payload.eq(weight),
                command.address.eq(Mux(shortcut, bases[1], bases[0]) + group_words),
                command.dy.eq(Mux(wide, row - 1, 0)),
                command.shortcut.eq(shortcut),
                command.count.eq(count),
                command.restart.eq(restart),
                command.first.eq(first),
                command.double.eq(double),
                command.end.eq(tile_end),
                command.bank.eq(bank),
            ]
            m.d.sync += [first.eq(0), double.eq(0), weight.eq(weight + 1), row.eq(row + 1)]
            with m.If(last_row):
                step = sum(Mux(wide & (tap > 0), 0, source.group_step) for tap in range(TAPS))
                m.d.sync += [row.eq(0), group.eq(group + advance), group_words.eq(group_words + step)]
            with m.If(source_end):
                m.d.sync += [group.eq(0), group_words.eq(0), shortcut.eq(0)]
            with m.If(plane_end):
                m.d.sync += [plane.eq(plane - 1), double.eq(1)]
                for base, where in zip(bases, (layer.main, layer.shortcut), strict=True):
                    with m.If(plane < where.planes):
                        m.d.sync += base.eq(base - where.plane_step)
                start_plane((plane - 1)[:4], group_weights)
            with m.If(tile_end):
                m.d.sync += [restart.eq(~tiled), bank.eq(~bank), remaining.eq(remaining - count)]
                start_tile(next_weights)
            with m.If(group_end):
                m.d.sync += [remaining.eq(layer.positions), left.eq(left - config.outputs)]
                m.d.sync += group_weights.eq(next_weights)
                with m.If(left <= config.outputs):
                    m.d.sync += running.eq(0)
        with m.If(self.begins):
            m.d.sync += [
                left.eq(layer.channels),
                remaining.eq(layer.positions),
                row.eq(0),
                group.eq(0),
                group_words.eq(0),
                group_weights.eq(layer.weights),
                restart.eq(1),
            ]
            start_tile(layer.weights)
