"""The weight memory."""

from dataclasses import replace

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cover, Elaboratable, Module, Signal

from onespike.contract.config import GROUP, preset
from onespike_hw.engine.da import DaArray
from onespike_hw.memory.weights import WeightMemory

from ..properties import before, follows_rules, free_inputs, keeps_rules, opened

CONFIG = replace(preset("tiny"), outputs=4, neurons=1, word=4, blocks=4)


class Blocks(Elaboratable):
    """For each block asked for come the words of its group in the array's order, each once, as they are in memory.

    Watched is one word of the memory, any one: what was written last is what is sent. Nothing changes a word that waits
    to be taken. Assumed of the loader: the memory is not written while blocks are asked for.
    """

    def elaborate(self, platform):
        m = Module()
        order = DaArray.order
        m.submodules.dut = dut = WeightMemory(CONFIG, order)
        inner = opened(dut)
        free_inputs(m, dut)
        follows_rules(m, dut.i)
        keeps_rules(m, dut.o)

        # What the memory holds at the watched address.
        (write,) = inner.store.write_ports
        look = inner.store.read_port(domain="comb")
        address, held = AnyConst(len(write.addr)), Signal(CONFIG.weight_word_bits)
        with m.If(dut.write.valid & (dut.write.payload.address == address)):
            m.d.sync += held.eq(dut.write.payload.word)
        m.d.comb += look.addr.eq(address)

        # Which word was read, and how many of the block have been.
        number = Signal(range(len(order)))
        advance = ~dut.o.valid | dut.o.ready
        reads = advance & dut.i.valid
        is_last = number == len(order) - 1
        shown, at, stale = Signal(), Signal(len(write.addr)), Signal(CONFIG.weight_word_bits)
        with m.If(reads):
            m.d.sync += number.eq(number + 1)
            with m.If(is_last):
                m.d.sync += number.eq(0)
        wanted = Signal(range(GROUP))
        with m.Switch(number):
            for n, word in enumerate(order):
                with m.Case(n):
                    m.d.comb += wanted.eq(word)
        with m.If(advance):
            m.d.sync += [shown.eq(dut.i.valid), at.eq(dut.i.payload * GROUP + wanted), stale.eq(held)]
        m.d.comb += [
            Assert(dut.o.valid == shown),
            Assert((dut.i.valid & dut.i.ready) == (reads & is_last)),
            Assert(~shown | (at != address) | (dut.o.payload.as_value() == stale)),
            Assert((inner.number == number) & (look.data == held)),
        ]
        m.d.comb += [
            Cover(shown & (at == address) & (held != 0) & dut.o.ready),
            Cover(before(m, dut.o.valid & ~dut.o.ready, "waited") & dut.o.ready & (dut.o.payload.as_value() != 0)),
        ]
        return m
