"""Test assemblies of the link: units of several sizes side by side, units with the memory that they work on."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike_hw.link.packets import PacketMemory
from onespike_hw.link.send import Sender
from onespike_hw.link.uart import UartReceiver, UartTransmitter

DIVISORS = (4, 5, 10, 100)
"""Clock cycles of a bit of the UARTs that are tested."""
PATIENCE = 200
"""Clock cycles that a datagram may be blocked in the sender's bench."""


class Uarts(wiring.Component):
    """A receiver and a transmitter for each of ``DIVISORS``; ports ``receiver4__line`` and so on."""

    def __init__(self):
        self.units = {
            f"{kind.__name__.removeprefix('Uart').lower()}{divisor}": kind(divisor)
            for divisor in DIVISORS
            for kind in (UartReceiver, UartTransmitter)
        }
        super().__init__({name: Out(unit.signature) for name, unit in self.units.items()})

    def elaborate(self, platform):
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name] = unit
            wiring.connect(m, unit=unit, ports=wiring.flipped(getattr(self, name)))
        return m


class SenderAndMemory(wiring.Component):
    """The sender with the packet memory; ports of both that do not join them."""

    def __init__(self):
        self.sender, self.packets = Sender(PATIENCE), PacketMemory()
        self.members_of = {
            unit: {name: member for name, member in unit.signature.members.items() if name not in left_out}
            for unit, left_out in ((self.sender, ("read",)), (self.packets, ("feed", "send", "uart", "udp")))
        }
        super().__init__({name: member for members in self.members_of.values() for name, member in members.items()})

    def elaborate(self, platform):
        m = Module()
        m.submodules.sender, m.submodules.packets = self.sender, self.packets
        wiring.connect(m, self.sender.read, self.packets.send)
        for unit, members in self.members_of.items():
            for name, member in members.items():
                ours, theirs = getattr(self, name), getattr(unit, name)
                if member.is_signature:
                    wiring.connect(m, wiring.flipped(ours), theirs)
                else:
                    m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)
        return m
