"""The packet memory: receive slots and the firmware's part, one write port, one read port, shared."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import PACKET_WORDS

from .interfaces import ReadPort, packet_address, word_write


class PacketMemory(wiring.Component):
    """Lets receivers and CPU write, and feed, sender and CPU read; each side takes one access per cycle.

    Who comes first in this list goes first. Nobody starves: receivers bring a word every four bytes at most,
    the feed engine reads in every second cycle at most and the sender in every fourth.

    Members
    -------
    uart, udp : In(stream(word_write))
    feed, send : In(ReadPort)
    cpu_address : In, word; cpu_request : In(1), held until ``cpu_ack`` together with all that follows
    cpu_write : In(1); cpu_select : In(4), bytes to write; cpu_data_in : In(32)
    cpu_ack : Out(1), one cycle, in which ``cpu_data_out`` is what was read
    """

    def __init__(self):
        super().__init__(
            {
                "uart": In(stream.Signature(word_write)),
                "udp": In(stream.Signature(word_write)),
                "feed": In(ReadPort()),
                "send": In(ReadPort()),
                "cpu_address": In(packet_address),
                "cpu_write": In(1),
                "cpu_select": In(WORD_BITS // 8),
                "cpu_data_in": In(WORD_BITS),
                "cpu_request": In(1),
                "cpu_data_out": Out(WORD_BITS),
                "cpu_ack": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(shape=unsigned(WORD_BITS), depth=PACKET_WORDS, init=[])
        write, read = store.write_port(granularity=8), store.read_port()
        asks, done = Signal(), Signal()
        m.d.comb += asks.eq(self.cpu_request & ~self.cpu_ack)  # in the cycle of its ack the request still stands
        m.d.sync += self.cpu_ack.eq(done)

        with m.If(self.uart.valid):
            m.d.comb += self.uart.ready.eq(1)
        with m.Elif(self.udp.valid):
            m.d.comb += self.udp.ready.eq(1)
        for received in (self.udp, self.uart):
            with m.If(received.ready):
                m.d.comb += [
                    write.addr.eq(received.payload.address),
                    write.data.eq(received.payload.data),
                    write.en.eq(-1),
                ]
        with m.If(~self.uart.valid & ~self.udp.valid):
            m.d.comb += [write.addr.eq(self.cpu_address), write.data.eq(self.cpu_data_in)]
            with m.If(asks & self.cpu_write):
                m.d.comb += [write.en.eq(self.cpu_select), done.eq(1)]

        m.d.comb += [
            read.addr.eq(self.cpu_address),
            read.en.eq(self.feed.request | self.send.request | (asks & ~self.cpu_write)),
            self.cpu_data_out.eq(read.data),
            self.feed.data.eq(read.data),
            self.send.data.eq(read.data),
        ]
        with m.If(self.feed.request):
            m.d.comb += [read.addr.eq(self.feed.address), self.feed.grant.eq(1)]
        with m.Elif(self.send.request):
            m.d.comb += [read.addr.eq(self.send.address), self.send.grant.eq(1)]
        with m.Elif(asks & ~self.cpu_write):
            m.d.comb += done.eq(1)
        return m
