"""The UDP stack of the Ethernet port: LiteEth (MAC, ARP, ICMP echo, IPv4, UDP), generated as Verilog.

Only its user port and the MII signals come out. Its clock domains get their resets from outside, and the PHY is left
as its strap pins set it up, so neither cells of a vendor nor a bidirectional pin are needed.
"""

import re

from onespike.contract.frames import UDP_PORT
from onespike.errors import ToolError

NAME = "udp_core"
"""Name of the Verilog module."""
ECHO_BYTES = 128
"""Most bytes of a ping that is answered, its identifier and number not counted."""
ARP_SPEED = 10
"""LiteEth asks eight times for an address, 100 ms apart, before it drops a datagram, and asks anew after a second.
Times of a tenth of that keep a peer that is gone from holding up the sender."""


def udp_core_verilog(mac, ip, clock_hz):
    """Verilog text of module ``NAME`` with MAC address ``mac`` and IPv4 address ``ip``, both as text; always the same.

    Datagrams to other addresses or ports are dropped. Ports, streams as valid, ready, last, data and what is constant
    during a datagram: ``rx_*`` received payload with ``error`` at its last byte, ``tx_*`` payload to send,
    ``*_address`` and ``*_port`` of the peer; clocks and resets of the domains sys, eth_rx and eth_tx; MII.
    Raises ``ToolError`` without LiteEth.
    """
    try:
        from litex.gen.fhdl import verilog
    except ImportError:
        raise ToolError("LiteEth is not installed; 'pip install liteeth litex' provides it") from None
    core, ports = _core(int(mac.replace(":", ""), 16), ip, clock_hz)
    text = str(verilog.convert(core, ports, name=NAME))
    # The text before the module holds the date.
    found = re.search(rf"^module {NAME} \(.*^endmodule$", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise ToolError(f"LiteEth's text holds no whole module {NAME!r}; install the version that pyproject.toml names")
    return found[0] + "\n"


def _core(mac, ip, clock_hz):
    """(Migen module, its ports)."""
    from liteeth.common import eth_phy_description
    from liteeth.core import LiteEthUDPIPCore
    from liteeth.phy.mii import LiteEthPHYMIIRX, LiteEthPHYMIITX
    from litex.soc.interconnect import stream
    from migen import ClockDomain, ClockDomainsRenamer, If, Memory, Module, Record, Signal

    pads = Record([("rx_data", 4), ("rx_dv", 1), ("tx_data", 4), ("tx_en", 1)], name="mii")

    class Phy(Module):
        """LiteEth's MII transceiver."""

        dw = 8

        def __init__(self):
            self.submodules.tx = ClockDomainsRenamer("eth_tx")(LiteEthPHYMIITX(pads))
            self.submodules.rx = ClockDomainsRenamer("eth_rx")(LiteEthPHYMIIRX(pads))
            self.sink, self.source = self.tx.sink, stream.Endpoint(eth_phy_description(8))
            self.comb += [
                self.rx.source.connect(self.source, omit={"last_be"}),
                # Without it the checker of the frame's CRC finds no frame wrong.
                self.source.last_be.eq(self.rx.source.last),
            ]

    top = Module()
    domains = [ClockDomain(name) for name in ("sys", "eth_rx", "eth_tx")]
    top.clock_domains += domains
    top.submodules.phy = phy = Phy()
    top.submodules.core = core = LiteEthUDPIPCore(
        phy,
        mac,
        ip,
        clock_hz // ARP_SPEED,
        icmp_fifo_depth=ECHO_BYTES,
        with_ip_broadcast=False,
        tx_cdc_buffered=False,
        rx_cdc_buffered=False,
    )
    # LiteEth believes the length that a ping tells: one that brings more would fill the buffer and block all that comes
    # in for good. What is beyond the buffer is cut off.
    echo, count = core.icmp.echo, Signal(max=ECHO_BYTES + 1)
    echo.sync += If(
        echo.sink.valid & echo.sink.ready,
        If(echo.sink.last, count.eq(0)).Elif(count != ECHO_BYTES, count.eq(count + 1)),
    )
    echo.comb += [
        If(count == ECHO_BYTES - 1, echo.buffer.sink.last.eq(1)),
        If(count == ECHO_BYTES, echo.buffer.sink.valid.eq(0), echo.sink.ready.eq(1)),
    ]

    # LiteEth begins a header's checksum anew after what it sent, but not after what it dropped: the next datagram's
    # would be wrong.
    sender = core.ip.tx
    dropped = sender.packetizer.source
    sender.comb += If(
        sender.fsm.ongoing("DROP") & dropped.valid & dropped.last & dropped.ready, sender.checksum.reset.eq(1)
    )
    # LiteEth finds an entry of its ARP cache and then answers with the address in the first one: two hosts would get
    # each other's frames.
    cache, found = core.arp.table.cache, Signal()
    (entries,) = (special for special in cache._fragment.specials if isinstance(special, Memory))
    (lookup,) = (read for read in entries.ports if read.async_read)
    cache.sync += found.eq(lookup.adr)
    cache.comb += lookup.adr.eq(found)  # where its states give no other
    user = core.udp.crossbar.get_port(UDP_PORT)
    ports = {*(signal for domain in domains for signal in (domain.clk, domain.rst)), *pads.flatten()}

    def port(name, width=1):
        signal = Signal(width, name=name)
        ports.add(signal)
        return signal

    received, sent = user.source, user.sink
    top.comb += [
        *(port(f"rx_{name}").eq(getattr(received, name)) for name in ("valid", "last", "error")),
        port("rx_data", 8).eq(received.data),
        port("rx_address", 32).eq(received.ip_address),
        port("rx_port", 16).eq(received.src_port),
        received.ready.eq(port("rx_ready")),
        *(getattr(sent, name).eq(port(f"tx_{name}")) for name in ("valid", "last")),
        sent.last_be.eq(1),
        sent.data.eq(port("tx_data", 8)),
        sent.length.eq(port("tx_length", 16)),
        sent.ip_address.eq(port("tx_address", 32)),
        sent.dst_port.eq(port("tx_port", 16)),
        sent.src_port.eq(UDP_PORT),
        port("tx_ready").eq(sent.ready),
    ]
    return top, ports
