"""Control and status registers of the system round the core, built from the contract's table."""

from amaranth.hdl import C, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import REGISTERS

ADDRESS_BITS = max(offset for offset, _, _ in REGISTERS.values()).bit_length()


class CsrBus(wiring.Signature):
    """One access per cycle, seen from the register file; the answer to ``read`` comes a cycle later and stays.

    Members
    -------
    address : In, word offset
    read : In(1), read ``data`` from ``address``
    data : Out(32), answer
    write : In(1), write ``value`` to ``address``
    value : In(32)
    """

    def __init__(self):
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "read": In(1),
                "data": Out(WORD_BITS),
                "write": In(1),
                "value": In(WORD_BITS),
            }
        )


class CsrFile(wiring.Component):
    """Reads, writes and pops of every register in ``REGISTERS``.

    Members, by the register's name in lower case
    ---------------------------------------------
    bus : CsrBus
    name : In(32) for a register that is read, its value; Out(32) for one that is written, what is written to it
    name_pop : Out(1), pulse: the value was read, take it (access p)
    name_write : Out(1), pulse: ``name`` is written (access w)

    An offset that no register has reads as zero; a write to one that cannot be written does nothing.
    """

    def __init__(self):
        ports = {}
        for name, (_, access, _) in REGISTERS.items():
            port = name.lower()
            ports[port] = Out(WORD_BITS) if access == "w" else In(WORD_BITS)
            if access != "r":
                ports[f"{port}_{'write' if access == 'w' else 'pop'}"] = Out(1)
        super().__init__({"bus": Out(CsrBus()), **ports})

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        values = [C(0, WORD_BITS)] * (1 << ADDRESS_BITS)
        for name, (offset, access, _) in REGISTERS.items():
            port, here = getattr(self, name.lower()), bus.address == offset
            if access == "w":
                m.d.comb += getattr(self, f"{name.lower()}_write").eq(bus.write & here)
            else:
                values[offset] = port
            if access == "p":
                m.d.comb += getattr(self, f"{name.lower()}_pop").eq(bus.read & here)
        # A tree by the bits of the address is a third smaller than what synthesis makes of a choice by its values.
        for bit in bus.address:
            values = [Mux(bit, odd, even) for even, odd in zip(values[::2], values[1::2], strict=True)]
        with m.If(bus.read):
            m.d.sync += bus.data.eq(values[0])
        for name, (_, access, _) in REGISTERS.items():
            if access == "w":
                m.d.comb += getattr(self, name.lower()).eq(bus.value)
        return m
