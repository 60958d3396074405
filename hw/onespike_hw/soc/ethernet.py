"""The Ethernet port: MII on one side, datagrams to and from the board's UDP port on the other."""

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from ..link.interfaces import datagram_in, datagram_out
from .udp_core import NAME

MII = {
    "rx_clk": In(1),
    "rx_data": In(4),
    "rx_dv": In(1),
    "tx_clk": In(1),
    "tx_data": Out(4),
    "tx_en": Out(1),
}
"""Pins of a 100 Mbit/s PHY, seen from the FPGA; the clocks are 25 MHz, of nibbles the low one comes first. What is
damaged is known by its checksum, collisions there are none, and strap pins set the PHY up: so no pins for these."""


class Ethernet(wiring.Component):
    """ARP, echo and UDP. A reset in mid frame cuts the frame off.

    Members
    -------
    ``MII``
    rx : Out(stream(datagram_in)), never to be stalled for longer than a few bytes take on the wire: there is no buffer
    tx : In(stream(datagram_out)), at least a byte every 8 cycles once a datagram has begun; taken and dropped where
    no peer answers
    """

    def __init__(self):
        super().__init__(
            {**MII, "rx": Out(stream.Signature(datagram_in)), "tx": In(stream.Signature(datagram_out))}
        )

    def elaborate(self, platform):
        m = Module()
        rx, tx = self.rx, self.tx
        for name, clock in (("eth_rx", self.rx_clk), ("eth_tx", self.tx_clk)):
            m.domains += ClockDomain(name)
            m.d.comb += ClockSignal(name).eq(clock)
            m.submodules[f"{name}_reset"] = ResetSynchronizer(ResetSignal(), domain=name)
        m.submodules.core = Instance(
            NAME,
            i_sys_clk=ClockSignal(),
            i_sys_rst=ResetSignal(),
            i_eth_rx_clk=ClockSignal("eth_rx"),
            i_eth_rx_rst=ResetSignal("eth_rx"),
            i_eth_tx_clk=ClockSignal("eth_tx"),
            i_eth_tx_rst=ResetSignal("eth_tx"),
            i_mii_rx_data=self.rx_data,
            i_mii_rx_dv=self.rx_dv,
            o_mii_tx_data=self.tx_data,
            o_mii_tx_en=self.tx_en,
            o_rx_valid=rx.valid,
            i_rx_ready=rx.ready,
            **{f"o_rx_{name}": rx.payload[name] for name, _ in datagram_in},
            i_tx_valid=tx.valid,
            o_tx_ready=tx.ready,
            **{f"i_tx_{name}": tx.payload[name] for name, _ in datagram_out},
        )
        return m
