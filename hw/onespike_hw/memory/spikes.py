"""The spike memory: words of all four quadrants, in banks that three neighbours never share."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import BANKS, TAPS, WINDOWS

from ..interfaces import spike_read, spike_words, spike_write, tile_tag


class SpikeMemory(wiring.Component):
    """Spike words of all maps of an image.

    Members
    -------
    write : In(stream(spike_write)), always ready
    i : In(stream(spike_read)); o : Out(stream(spike_words)), ``latency`` cycles later; both always ready

    Throughput: one position per cycle.
    """

    latency = 3

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "write": In(stream.Signature(spike_write(config), always_ready=True)),
                "i": In(stream.Signature(spike_read(config), always_ready=True)),
                "o": Out(stream.Signature(spike_words(config), always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, asked = self.config, self.i.payload
        bank_bits = (BANKS - 1).bit_length()

        word = data.ArrayLayout(unsigned(config.word), WINDOWS)
        banks = []
        for bank in range(BANKS):
            store = memory.Memory(shape=word, depth=-(-config.spike_words // BANKS), init=[])
            m.submodules[f"bank{bank}"] = store
            write, read = store.write_port(granularity=1), store.read_port()
            address = Signal.like(read.addr, name=f"address{bank}")
            for tap in reversed(range(TAPS)):
                with m.If(asked.tap[tap] & (asked.address[tap][:bank_bits] == bank)):
                    m.d.comb += address.eq(asked.address[tap] >> bank_bits)
            chosen = self.write.payload.address[:bank_bits] == bank
            m.d.comb += [
                write.addr.eq(self.write.payload.address >> bank_bits),
                write.data.eq(self.write.payload.words),
                write.en.eq(Mux(self.write.valid & chosen, self.write.payload.mask, 0)),
                read.addr.eq(address),
            ]
            banks.append(read.data)

        # Three stages: banks are read, taps found, quadrants given to their windows.
        valid = Signal(2)
        fetched, tapped = (Signal(spike_read(config), name=name) for name in ("fetched", "tapped"))
        words = Signal(data.ArrayLayout(word, TAPS))
        m.d.sync += [valid.eq(Cat(self.i.valid, valid[0])), fetched.eq(asked), tapped.eq(fetched)]
        for tap in range(TAPS):
            with m.Switch(fetched.address[tap][:bank_bits]):
                for bank in range(BANKS):
                    with m.Case(bank):
                        m.d.sync += words[tap].eq(banks[bank])
        m.d.sync += self.o.valid.eq(valid[1])
        m.d.sync += [self.o.payload[name].eq(tapped[name]) for name in tile_tag(config)]
        for tap in range(TAPS):
            rows = [Signal(data.ArrayLayout(unsigned(config.word), 2), name=f"row{tap}_{y}") for y in range(2)]
            for y in range(2):
                for x in range(2):
                    same, other = words[tap][2 * y + x], words[tap][2 * (1 - y) + x]
                    m.d.comb += rows[y][x].eq(Mux(tapped.inside_y[y], Mux(tapped.swap_y, other, same), 0))
            for y in range(2):
                for x in range(2):
                    place = self.o.payload.words[2 * y + x].word_select(tap, config.word)
                    swapped = Mux(tapped.swap_x[tap], rows[y][1 - x], rows[y][x])
                    m.d.sync += place.eq(Mux(tapped.inside_x[tap][x], swapped, 0))
        return m
