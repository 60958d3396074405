"""Payloads of the streams between the units of the link engine, and the read port of its packet memory.

    UartReceiver -> CobsDecoder -> FrameReceiver -> word writes -> PacketMemory
    flash -> FlashBoot ----------> FrameReceiver of the UART
    datagrams of LiteEth --------> FrameReceiver -> outcomes ----> SlotPool -> RX_NEXT
    PacketMemory -> FeedEngine -> pixels, program words
    PacketMemory -> Sender -> UartTransmitter, or DatagramOutlet
"""

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import PACKET_WORDS, SLOTS

packet_address = range(PACKET_WORDS)
slot_number = range(SLOTS)
text_byte = data.StructLayout({"byte": unsigned(8), "error": unsigned(1)})
"""A byte of the UART; ``error``: its stop bit was missing."""
peer = data.StructLayout({"address": unsigned(32), "port": unsigned(16)})
"""The other end of a datagram: IPv4 address and UDP port."""
frame_part = data.StructLayout(
    {
        "byte": unsigned(8),
        "present": unsigned(1),
        "session": unsigned(1),
        "end": unsigned(1),
        "error": unsigned(1),
    }
)
"""The next ``byte`` of a frame if ``present``, its ``end``, or both; with ``end``, ``error``: it was framed wrongly.
``session``: the CRC is that of ``byte``, but the number of the session after this reset takes its place."""
datagram_in = data.StructLayout({"data": unsigned(8), "last": unsigned(1), "error": unsigned(1), **peer.members})
"""A byte of a received datagram; ``error`` counts with ``last``; address and port are those of its sender."""
datagram_out = data.StructLayout({"data": unsigned(8), "last": unsigned(1), "length": unsigned(16), **peer.members})
"""A byte of a datagram to send; the rest is constant in a datagram, ``length`` in bytes."""
word_write = data.StructLayout({"address": packet_address, "data": unsigned(WORD_BITS)})
"""A word for the packet memory."""
outcome = data.StructLayout(
    {"slot": slot_number, "owned": unsigned(1), "received": unsigned(1), "damaged": unsigned(1), "dropped": unsigned(1)}
)
"""What became of a frame: one of ``received``, ``damaged``, ``dropped``; ``owned``: ``slot`` was its slot."""


class ReadPort(wiring.Signature):
    """Reading the packet memory, seen from the reader.

    Members
    -------
    address : Out; request : Out(1), read it; may be withdrawn
    grant : In(1), it is being read: ``data`` is the word in the next cycle, and only then
    data : In(32)
    """

    def __init__(self):
        super().__init__(
            {"address": Out(packet_address), "request": Out(1), "grant": In(1), "data": In(WORD_BITS)}
        )
