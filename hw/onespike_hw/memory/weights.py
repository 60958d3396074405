"""The weight memory: all weights of a program, read a block at a time."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..interfaces import weight_word


def weight_write(config):
    """Layout of a write to the weight memory."""
    return data.StructLayout({"address": range(config.weight_words), "word": unsigned(config.weight_word_bits)})


class WeightMemory(wiring.Component):
    """Fetches ``outputs`` consecutive words per command.

    Members
    -------
    write : In(stream(weight_write)), always ready
    i : In(stream), first word of a block
    o : Out(stream(weight_word)), output channel 0 first

    Throughput: one word per cycle, across commands too.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "write": In(stream.Signature(weight_write(config), always_ready=True)),
                "i": In(stream.Signature(range(config.weight_words))),
                "o": Out(stream.Signature(weight_word(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        store = memory.Memory(shape=unsigned(config.weight_word_bits), depth=config.weight_words, init=[])
        m.submodules.store = store
        write, read = store.write_port(), store.read_port()
        number = Signal(range(config.outputs))
        advance = ~self.o.valid | self.o.ready
        m.d.comb += [
            write.addr.eq(self.write.payload.address),
            write.data.eq(self.write.payload.word),
            write.en.eq(self.write.valid),
            read.addr.eq(self.i.payload + number),
            read.en.eq(advance),
            self.o.payload.eq(read.data),
            self.i.ready.eq(advance & (number == config.outputs - 1)),
        ]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += number.eq(number + 1)
                with m.If(self.i.ready):
                    m.d.sync += number.eq(0)
        return m
