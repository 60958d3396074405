"""The CPU's memories: firmware, and its data."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS

BYTES = WORD_BITS // 8


class ReadPort(wiring.Signature):
    """Seen from the memory: the word at ``address`` (counted in words) is ``data`` a cycle later."""

    def __init__(self, depth):
        super().__init__({"address": In(range(depth)), "data": Out(WORD_BITS)})


class Rom(wiring.Component):
    """``firmware``, a sequence of 32-bit words, at address 0; zeros behind it up to ``depth`` words.

    Members
    -------
    instruction, constant : ReadPort, for the two buses of the CPU
    """

    def __init__(self, depth, firmware):
        self.depth, self.firmware = depth, firmware
        super().__init__({"instruction": Out(ReadPort(depth)), "constant": Out(ReadPort(depth))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=WORD_BITS, depth=self.depth, init=self.firmware)
        for port in (self.instruction, self.constant):
            read = words.read_port()
            m.d.comb += [read.addr.eq(port.address), port.data.eq(read.data)]
        return m


class Ram(wiring.Component):
    """``depth`` words.

    Members
    -------
    read : ReadPort, for the same address as writes
    select : In(4), bytes of ``value`` to write there
    value : In(32)
    """

    def __init__(self, depth):
        self.depth = depth
        super().__init__({"read": Out(ReadPort(depth)), "select": In(BYTES), "value": In(WORD_BITS)})

    def elaborate(self, platform):
        m = Module()
        shape = data.ArrayLayout(unsigned(8), BYTES)
        m.submodules.words = words = memory.Memory(shape=shape, depth=self.depth, init=[])
        read, write = words.read_port(), words.write_port(granularity=1)
        m.d.comb += [
            read.addr.eq(self.read.address),
            self.read.data.eq(read.data),
            write.addr.eq(self.read.address),
            write.data.eq(self.value),
            write.en.eq(self.select),
        ]
        return m
