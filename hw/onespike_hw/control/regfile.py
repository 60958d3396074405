"""The core's registers on a simple bus, built from the contract's table."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.regs import REGISTERS

WIDTH = 32
ADDRESS_BITS = max(offset for offset, _, _ in REGISTERS.values()).bit_length()


class RegisterBus(wiring.Signature):
    """One access per cycle, seen from the register file; the answer to ``address`` comes a cycle later.

    Members
    -------
    address : In, word offset
    data : Out(32), answer
    write : In(1), write ``value`` to ``address``
    value : In(32)
    """

    def __init__(self):
        super().__init__({"address": In(ADDRESS_BITS), "data": Out(WIDTH), "write": In(1), "value": In(WIDTH)})


class RegisterFile(wiring.Component):
    """Reads and writes of every register in ``REGISTERS``.

    Members
    -------
    bus : RegisterBus
    name in lower case : In(32) for a readable register, its value; Out(1) for a writable one, a pulse in the
    cycle after the write

    An offset that no register has reads as zero; a write to one that cannot be written does nothing.
    """

    def __init__(self):
        ports = {name.lower(): In(WIDTH) if access == "r" else Out(1) for name, (_, access, _) in REGISTERS.items()}
        super().__init__({"bus": Out(RegisterBus()), **ports})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.bus.data.eq(0)
        # The pulse of RESET reaches far: it starts from a register.
        m.d.sync += [
            getattr(self, name.lower()).eq(self.bus.write & (self.bus.address == offset))
            for name, (offset, access, _) in REGISTERS.items()
            if access == "w"
        ]
        for name, (offset, access, _) in REGISTERS.items():
            port = getattr(self, name.lower())
            with m.If(self.bus.address == offset):
                if access == "r":
                    m.d.sync += self.bus.data.eq(port)
        return m
