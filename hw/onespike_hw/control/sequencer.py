"""Runs a program: fetches one descriptor per layer and issues its weight blocks in order."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import isa

from ..interfaces import block_command


def layer_write(config):
    """Layout of a write to the descriptor memory, in program words."""
    return data.StructLayout({"address": range(config.layers * isa.LAYER_WORDS), "word": unsigned(isa.WORD_BITS)})


class Sequencer(wiring.Component):
    """From an image in the spike memory to the end of its last layer.

    Loop order: output group, tile, bit plane (most significant first), source (main, shortcut),
    kernel row, kernel column, input group. Weight words lie in the same order; every plane and every
    tile reads its group's again.

    Members
    -------
    layer_write : In(stream), descriptors from the loader, always ready
    layers : In, number of layers of the program
    start : In(1), pulse: an image lies in the spike memory
    group_done : In(1), pulse: the last neuron of an output group left the chain
    idle : In(1), the condenser holds nothing
    release : In(1), pulse: an accumulator bank was drained
    layer : Out(Layer), the layer that runs; stable while it does
    index : Out, its number
    restart : Out(1), pulse before a layer
    busy : Out(1), a layer runs
    done : Out(1), pulse after an image's last layer
    blocks : Out(stream(block_command)); weights : Out(stream), first word of the block's weights
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "layer_write": In(stream.Signature(layer_write(config), always_ready=True)),
                "layers": In(8),
                "start": In(1),
                "group_done": In(1),
                "idle": In(1),
                "release": In(1),
                "layer": Out(isa.Layer),
                "index": Out(8),
                "restart": Out(1),
                "busy": Out(1),
                "done": Out(1),
                "blocks": Out(stream.Signature(block_command(config))),
                "weights": Out(stream.Signature(range(config.weight_words))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self.config, self.layer
        m.submodules.descriptors = store = memory.Memory(
            shape=isa.WORD_BITS, depth=config.layers * isa.LAYER_WORDS, init=[]
        )
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.en.eq(self.layer_write.valid),
            write.addr.eq(self.layer_write.payload.address),
            write.data.eq(self.layer_write.payload.word),
        ]
        fetched = Signal(isa.LAYER_WORDS * isa.WORD_BITS)
        words = Signal(range(isa.LAYER_WORDS + 1))
        address = Signal(range(config.layers * isa.LAYER_WORDS))
        m.d.comb += [layer.eq(fetched), read.addr.eq(address)]

        banks = Signal(2, init=2)
        opens_tile = Signal()
        m.d.sync += banks.eq(banks + self.release - opens_tile)
        undrained, drained = Signal(layer.channels.shape()), Signal()
        with m.If(self.group_done):
            m.d.sync += [undrained.eq(undrained - config.outputs), drained.eq(undrained <= config.outputs)]

        issued = self._blocks(m, opens_tile, banks != 0)
        with m.FSM():
            with m.State("Wait for an image"):
                m.d.sync += [self.index.eq(0), address.eq(0), words.eq(0)]
                with m.If(self.start):
                    m.next = "Fetch"
            with m.State("Fetch"):
                # The memory answers a cycle later: the first word seen is stale and shifts out.
                m.d.sync += [fetched.eq(Cat(fetched[isa.WORD_BITS :], read.data)), words.eq(words + 1)]
                with m.If(words != isa.LAYER_WORDS):
                    m.d.sync += address.eq(address + 1)
                with m.Else():
                    m.next = "Restart"
            with m.State("Restart"):
                m.d.comb += self.restart.eq(1)
                m.d.sync += [undrained.eq(layer.channels), drained.eq(0)]
                m.next = "Run"
            with m.State("Run"):
                m.d.comb += self.busy.eq(1)
                with m.If(issued & drained & self.idle):
                    m.d.sync += [self.index.eq(self.index + 1), words.eq(0)]
                    m.next = "Fetch"
                    with m.If(self.index == self.layers - 1):
                        m.d.comb += self.done.eq(1)
                        m.next = "Wait for an image"
        return m

    def _blocks(self, m, opens_tile, bank_free):
        """The loops over a layer's blocks; returns a signal: all blocks were issued."""
        config, layer = self.config, self.layer
        running, issued = Signal(), Signal()
        left = Signal(layer.channels.shape())  # output channels from this group on
        positions, remaining, count = Signal(12), Signal(12), Signal(range(config.tile + 1))
        plane, shortcut = Signal(4), Signal()
        row, column, group = Signal(2), Signal(2), Signal(6)
        group_offset = Signal(16)
        bases = [Signal(16, name="main_base"), Signal(16, name="shortcut_base")]
        group_weights, weight = Signal(20), Signal(20)
        restart, first, double, bank = Signal(), Signal(), Signal(), Signal()

        source = Signal(isa.Source)
        m.d.comb += source.eq(Mux(shortcut, layer.shortcut.as_value(), layer.main.as_value()))
        top_plane = Mux(layer.main.planes > layer.shortcut.planes, layer.main.planes, layer.shortcut.planes) - 1
        m.d.comb += count.eq(Mux(remaining > config.tile, config.tile, remaining))

        wide = source.kernel == 3
        dy, dx = Signal(signed(2)), Signal(signed(2))
        m.d.comb += [dy.eq(Mux(wide, row - 1, 0)), dx.eq(Mux(wide, column - 1, 0))]
        last_group = group == source.groups - 1
        last_column = (column == 2) | ~wide
        last_row = (row == 2) | ~wide
        source_end = last_group & last_column & last_row
        plane_end = source_end & (shortcut | (plane >= layer.shortcut.planes))
        tile_end = plane_end & (plane == 0)
        next_weights = group_weights + Mux(remaining == count, layer.group_weights, 0)
        layer_end = tile_end & (remaining == count) & (left <= config.outputs)

        send = Signal()
        free = [(~port.valid | port.ready) for port in (self.blocks, self.weights)]
        m.d.comb += [
            send.eq(running & free[0] & free[1] & (~first | bank_free)),
            opens_tile.eq(send & first),
        ]
        for port in (self.blocks, self.weights):
            with m.If(port.ready):
                m.d.sync += port.valid.eq(0)

        command = self.blocks.payload
        with m.If(send):
            base = Mux(shortcut, bases[1], bases[0])
            up_down = Mux(dy == 0, 0, Mux(dy < 0, -source.side, source.side))
            m.d.sync += [
                self.blocks.valid.eq(1),
                self.weights.valid.eq(1),
                self.weights.payload.eq(weight),
                command.address.eq(base + group_offset + up_down + dx),
                command.dy.eq(dy),
                command.dx.eq(dx),
                command.shortcut.eq(shortcut),
                command.count.eq(count),
                command.restart.eq(restart),
                command.first.eq(first),
                command.double.eq(double),
                command.end.eq(tile_end),
                command.bank.eq(bank),
            ]
            m.d.sync += [first.eq(0), double.eq(0), weight.eq(weight + config.outputs)]
            m.d.sync += [group.eq(group + 1), group_offset.eq(group_offset + source.group_step)]
            with m.If(last_group):
                m.d.sync += [group.eq(0), group_offset.eq(0), column.eq(column + 1)]
                with m.If(last_column):
                    m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.If(source_end):
                m.d.sync += [row.eq(0), shortcut.eq(1)]
            with m.If(plane_end):
                m.d.sync += [plane.eq(plane - 1), double.eq(1)]
                for base, where in zip(bases, (layer.main, layer.shortcut), strict=True):
                    with m.If(plane < where.planes):
                        m.d.sync += base.eq(base - where.plane_step)
                self._plane_start(m, plane - 1, group_weights, shortcut, weight)
            with m.If(tile_end):
                m.d.sync += [restart.eq(0), bank.eq(~bank), remaining.eq(remaining - count)]
                with m.If(remaining == count):
                    m.d.sync += [remaining.eq(positions), restart.eq(1), left.eq(left - config.outputs)]
                    m.d.sync += group_weights.eq(next_weights)
                self._tile_start(m, top_plane, next_weights, plane, shortcut, weight, bases, first, double)
            with m.If(layer_end):
                m.d.sync += [running.eq(0), issued.eq(1)]

        squared = layer.scan_side * layer.scan_side
        with m.If(self.restart):
            m.d.sync += [
                running.eq(1),
                issued.eq(0),
                left.eq(layer.channels),
                positions.eq(squared),
                remaining.eq(squared),
                row.eq(0),
                column.eq(0),
                group.eq(0),
                group_offset.eq(0),
                group_weights.eq(layer.weights),
                restart.eq(1),
            ]
            self._tile_start(m, top_plane, layer.weights, plane, shortcut, weight, bases, first, double)
        return issued

    def _tile_start(self, m, top_plane, group_weights, plane, shortcut, weight, bases, first, double):
        layer = self.layer
        m.d.sync += [
            plane.eq(top_plane),
            first.eq(1),
            double.eq(0),
            bases[0].eq(layer.main.top),
            bases[1].eq(layer.shortcut.top),
        ]
        self._plane_start(m, top_plane, group_weights, shortcut, weight)

    def _plane_start(self, m, plane, group_weights, shortcut, weight):
        """A plane begins with the main source, or with the shortcut where only that has the plane."""
        only_shortcut = plane >= self.layer.main.planes
        m.d.sync += [
            shortcut.eq(only_shortcut),
            weight.eq(group_weights + Mux(only_shortcut, self.layer.shortcut_weights, 0)),
        ]
