"""The weight memory: all weights of a program, read a block at a time."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import GROUP

from ..interfaces import weight_word


def weight_write(config):
    """Layout of a write to the weight memory."""
    return data.StructLayout({"address": range(config.weight_words), "word": unsigned(config.weight_word_bits)})


class WeightMemory(wiring.Component):
    """Sends the words of a block in the order that the array wants.

    Members
    -------
    write : In(stream(weight_write)), always ready
    i : In(stream), number of a block
    o : Out(stream(weight_word)), for each block the words ``order``

    Throughput: one word per cycle, across blocks too.
    """

    def __init__(self, config, order):
        self.config, self.order = config, order
        super().__init__(
            {
                "write": In(stream.Signature(weight_write(config), always_ready=True)),
                "i": In(stream.Signature(range(config.blocks))),
                "o": Out(stream.Signature(weight_word(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        store = memory.Memory(shape=unsigned(config.weight_word_bits), depth=config.weight_words, init=[])
        m.submodules.store = store
        write, read = store.write_port(), store.read_port()
        number, word = Signal(range(len(self.order))), Signal(range(GROUP))
        advance = ~self.o.valid | self.o.ready
        with m.Switch(number):
            for n, chosen in enumerate(self.order):
                with m.Case(n):
                    m.d.comb += word.eq(chosen)
        m.d.comb += [
            write.addr.eq(self.write.payload.address),
            write.data.eq(self.write.payload.word),
            write.en.eq(self.write.valid),
            read.addr.eq(self.i.payload * GROUP + word),
            read.en.eq(advance),
            self.o.payload.eq(read.data),
            self.i.ready.eq(advance & (number == len(self.order) - 1)),
        ]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += number.eq(number + 1)
                with m.If(self.i.ready):
                    m.d.sync += number.eq(0)
        return m
