"""The CPU's two buses. Every access is answered: what lies nowhere reads as zero, and writes to it do nothing."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import CORE, CSR, PACKETS, RAM, ROM

from .cpu import ADDRESS_BITS, LINE_WORDS, FetchBus, WordBus
from .memory import BYTES, ReadPort

REGION_BITS = 4
"""Upper bits of an address, which choose a region."""
REGIONS = {"rom": ROM, "ram": RAM, "packets": PACKETS, "csr": CSR, "core": CORE}


def _chooses(address, base):
    """Whether a word's address lies in the region at ``base``."""
    return address[-REGION_BITS:] == base >> WORD_BITS - REGION_BITS


class Fetch(wiring.Component):
    """Instruction bus: lines of the cache from the ROM, a word per cycle. Elsewhere are zeros, no legal instruction.

    Members
    -------
    cpu : In(FetchBus)
    rom : In(ReadPort)
    """

    def __init__(self, rom_words):
        super().__init__({"cpu": In(FetchBus()), "rom": In(ReadPort(rom_words))})

    def elaborate(self, platform):
        m = Module()
        cpu, inside = self.cpu, Signal()
        place = cpu.address[: (LINE_WORDS - 1).bit_length()]
        # While a word is taken the next one is read already.
        following = Signal(place.shape())
        m.d.comb += [
            following.eq(place + cpu.ack),
            self.rom.address.eq(Cat(following, cpu.address[len(place) :])),
            cpu.data.eq(Mux(inside, self.rom.data, 0)),
        ]
        m.d.sync += [
            cpu.ack.eq(cpu.request & ~(cpu.ack & (place == LINE_WORDS - 1))),
            inside.eq(_chooses(cpu.address, ROM)),
        ]
        return m


class Region(wiring.Signature):
    """A region of the data bus, seen from the bus. Address and value to write are the bus's own.

    Members
    -------
    begin : Out(1), pulse: an access begins
    wait : Out(1), from the next cycle to ``ack``
    ack : In(1), the access is done; looked at while ``wait``
    data : In(32), meaningful with ``ack``
    """

    def __init__(self):
        super().__init__({"begin": Out(1), "wait": Out(1), "ack": In(1), "data": In(WORD_BITS)})


class DataBus(wiring.Component):
    """Data bus: two cycles per access, more where a region takes longer.

    Members
    -------
    cpu : In(WordBus)
    hang : In(1), no access begins
    address : Out, of a word inside its region; write : Out(1); select : Out(4), bytes to write; value : Out(32):
    of the access that is under way
    rom, ram, packets, csr, core : Out(Region)
    """

    def __init__(self):
        super().__init__(
            {
                "cpu": In(WordBus()),
                "hang": In(1),
                "address": Out(ADDRESS_BITS - REGION_BITS),
                "write": Out(1),
                "select": Out(BYTES),
                "value": Out(WORD_BITS),
                **{name: Out(Region()) for name in REGIONS},
            }
        )

    def elaborate(self, platform):
        m = Module()
        cpu = self.cpu
        begin, wait, region = Signal(), Signal(), Signal(REGION_BITS)
        m.d.comb += [
            self.address.eq(cpu.address),
            self.write.eq(cpu.write),
            self.select.eq(cpu.select),
            self.value.eq(cpu.value),
            begin.eq(cpu.request & ~wait & ~self.hang),
            cpu.ack.eq(wait),
        ]
        with m.If(begin):
            m.d.sync += [wait.eq(1), region.eq(cpu.address[-REGION_BITS:])]
        with m.Elif(cpu.ack):
            m.d.sync += wait.eq(0)
        with m.Switch(region):
            for name, base in REGIONS.items():
                port = getattr(self, name)
                m.d.comb += port.begin.eq(begin & _chooses(cpu.address, base))
                with m.Case(base >> WORD_BITS - REGION_BITS):
                    m.d.comb += [port.wait.eq(wait), cpu.ack.eq(wait & port.ack), cpu.data.eq(port.data)]
        return m
