"""Frames of the packet memory to the UART or into datagrams."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import frames
from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import Link, Send

from .check import FrameCheck
from .cobs import FULL
from .datagrams import DatagramOutlet
from .interfaces import ReadPort, datagram_out, peer

_SEND = Send.as_shape()


class Sender(wiring.Component):
    """Sends a frame and its CRC: COBS-encoded between zero bytes on the UART, or as a datagram; or plain text.

    COBS puts the length of a block before it. The block lies in the packet memory, so it is read twice instead of
    kept: once to find its end (and the CRC), once to send it.

    A datagram whose way is blocked for ``patience`` cycles is given up (``DatagramOutlet``); as long as the way stays
    blocked further datagrams are lost, while the UART works.

    Parameters
    ----------
    patience : clock cycles

    Members
    -------
    send : In(Send), send_write : In(1), sending : Out(1): registers; a write while ``sending`` does nothing
    peer : In(peer), where a datagram goes, taken with ``send_write``
    read : Out(ReadPort)
    uart : Out(stream(8 bits)); uart_busy : In(1), some of it is still on the line
    udp : Out(stream(datagram_out))

    Throughput of a datagram: four bytes in 20 cycles, if the memory is free.
    """

    def __init__(self, patience):
        self.patience = patience
        super().__init__(
            {
                "send": In(Send),
                "send_write": In(1),
                "sending": Out(1),
                "peer": In(peer),
                "read": Out(ReadPort()),
                "uart": Out(stream.Signature(8)),
                "uart_busy": In(1),
                "udp": Out(stream.Signature(datagram_out)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        idle, begin = Signal(), Signal()
        m.submodules.outlet = outlet = DatagramOutlet(self.patience)
        m.submodules.check = check = FrameCheck()
        wiring.connect(m, outlet.o, wiring.flipped(self.udp))
        task, given = Signal(Send), self.send
        m.d.comb += [
            self.sending.eq(~idle),
            begin.eq(idle & self.send_write),
            outlet.peer.eq(self.peer),
            outlet.length.eq(given.length + frames.CHECK_BYTES),
        ]
        with m.If(begin):
            m.d.sync += task.eq(given)

        # The byte at ``position``: of the memory, then, ``behind`` its end, of the CRC.
        position = Signal(_SEND["length"].width + 1)
        behind = position - task.length
        in_check, at_end = (behind >= 0) & ~task.text, (behind >= 0) & (task.text | behind[2])
        word, word_there, arriving = Signal(WORD_BITS), Signal(), Signal()
        byte, there, wanted, advance = Signal(8), Signal(), Signal(), Signal()
        m.d.comb += [
            there.eq(~at_end & (in_check | word_there)),
            byte.eq(Mux(in_check, check.crc.word_select(behind[:2], 8), word.word_select(position[:2], 8))),
            check.clear.eq(begin),
            check.byte.eq(byte),
            self.read.address.eq(task.word + position[2:]),
            self.read.request.eq(wanted & ~at_end & ~in_check & ~word_there & ~arriving),
        ]
        m.d.sync += arriving.eq(self.read.grant)
        with m.If(arriving):
            m.d.sync += [word.eq(self.read.data), word_there.eq(1)]

        # A block is ``count`` bytes that are not zero; after it comes a zero, unless it is full or the frame's last.
        count, was_full = Signal(range(FULL)), Signal()
        full, rewind = count == FULL - 1, Signal()
        with m.If(advance | rewind):
            # One adder: minus the count is its complement, plus one.
            m.d.sync += position.eq(position + Mux(rewind, (~Cat(count, C(0))).as_signed(), 0) + 1)
        with m.If(rewind | (advance & (position[:2] == 3))):
            m.d.sync += word_there.eq(0)

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += idle.eq(1)
                with m.If(begin):
                    with m.If(given.text):
                        m.next = "Text"
                    with m.Elif(given.link == Link.UART):
                        m.next = "Open"
                    with m.Elif(outlet.idle):
                        m.d.comb += outlet.begin.eq(1)
                        m.next = "Datagram"
            with m.State("Text"):
                m.d.comb += [
                    wanted.eq(1),
                    self.uart.valid.eq(there),
                    self.uart.payload.eq(byte),
                    advance.eq(self.uart.valid & self.uart.ready),
                ]
                with m.If(at_end):
                    m.next = "Leave"
            with m.State("Datagram"):
                m.d.comb += [
                    wanted.eq(1),
                    check.valid.eq(there & ~in_check & outlet.i.ready),
                    outlet.i.valid.eq(there & (in_check | check.done)),
                    outlet.i.payload.eq(byte),
                    advance.eq(outlet.i.valid & outlet.i.ready),
                ]
                with m.If(outlet.idle | outlet.given_up):
                    m.next = "Leave"
            with m.State("Open"):
                m.d.comb += self.uart.valid.eq(1)
                with m.If(self.uart.ready):
                    m.next = "Look"
            with m.State("Look"):
                seen = there & ~full & (in_check | check.done)
                m.d.comb += [
                    wanted.eq(~full),
                    check.valid.eq(there & ~full & ~in_check),
                    advance.eq(seen & (byte != 0)),
                ]
                m.d.sync += was_full.eq(full)
                with m.If(advance):
                    m.d.sync += count.eq(count + 1)
                with m.If(full | at_end | (seen & (byte == 0))):
                    m.next = "Code"
            with m.State("Code"):
                m.d.comb += [
                    self.uart.valid.eq(1),
                    self.uart.payload.eq(count + 1),
                    rewind.eq(self.uart.ready),
                ]
                with m.If(self.uart.ready):
                    m.next = "Block"
            with m.State("Block"):
                m.d.comb += wanted.eq(count != 0)
                with m.If(count != 0):
                    m.d.comb += [
                        self.uart.valid.eq(there),
                        self.uart.payload.eq(byte),
                        advance.eq(self.uart.valid & self.uart.ready),
                    ]
                    with m.If(advance):
                        m.d.sync += count.eq(count - 1)
                with m.Elif(at_end):
                    m.next = "Close"
                with m.Else():
                    m.d.comb += advance.eq(~was_full)
                    m.next = "Look"
            with m.State("Close"):
                m.d.comb += self.uart.valid.eq(1)
                with m.If(self.uart.ready):
                    m.next = "Leave"
            with m.State("Leave"):
                m.d.sync += [position.eq(0), word_there.eq(0)]
                with m.If(~self.uart_busy):
                    m.next = "Idle"
        return m
