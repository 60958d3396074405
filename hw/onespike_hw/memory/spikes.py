"""The spike memory: four copies, so that the four windows read in the same cycle."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import WINDOWS

from ..interfaces import spike_read, spike_words, spike_write, tile_tag


class SpikeMemory(wiring.Component):
    """Spike words of all maps of an image.

    Members
    -------
    write : In(stream(spike_write)), always ready
    i : In(stream(spike_read)); o : Out(stream(spike_words)), one cycle later

    Throughput: one position per cycle.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "write": In(stream.Signature(spike_write(config), always_ready=True)),
                "i": In(stream.Signature(spike_read(config))),
                "o": Out(stream.Signature(spike_words(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, out = self.config, self.o.payload
        advance = ~self.o.valid | self.o.ready
        m.d.comb += self.i.ready.eq(advance)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(self.i.valid)
            m.d.sync += [out[name].eq(self.i.payload[name]) for name in tile_tag(config)]
        for w in range(WINDOWS):
            copy = memory.Memory(shape=unsigned(config.lanes), depth=config.spike_words, init=[])
            m.submodules[f"copy{w}"] = copy
            write, read = copy.write_port(granularity=config.outputs), copy.read_port()
            inside = Signal(name=f"inside{w}")
            m.d.comb += [
                write.addr.eq(self.write.payload.address),
                write.data.eq(self.write.payload.word),
                write.en.eq(Mux(self.write.valid, self.write.payload.mask, 0)),
                read.addr.eq(self.i.payload.address[w]),
                read.en.eq(advance),
                out.words[w].eq(Mux(inside, read.data, 0)),
            ]
            with m.If(advance):
                m.d.sync += inside.eq(self.i.payload.inside[w])
        return m
