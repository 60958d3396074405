"""Bytes over a serial line: 8 data bits, lowest first, no parity, one stop bit."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .interfaces import text_byte


class UartReceiver(wiring.Component):
    """Takes bytes from the line, each bit sampled once, in its middle.

    A start bit that is over by its middle was none. A byte without a stop bit is an ``error``, and the line has to
    be idle before the next one. Bytes may follow one another without a pause from a clock 2 % off.

    Parameters
    ----------
    divisor : clock cycles of a bit, 4 or more

    Members
    -------
    line : In(1), in step with the clock
    o : Out(stream(text_byte)); a byte not taken within nine bits is lost
    """

    def __init__(self, divisor):
        self.divisor = divisor
        super().__init__({"line": In(1, init=1), "o": Out(stream.Signature(text_byte))})

    def elaborate(self, platform):
        m = Module()
        # The line's fall is seen up to a cycle late, so half a cycle less than half a bit leads to the middle.
        half = (self.divisor - 1) // 2
        timer = Signal(range(1 - self.divisor, 1))
        bits, left = Signal(8), Signal(range(9))
        sample = timer >= 0
        m.d.sync += timer.eq(timer + 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("Idle"):
                m.d.sync += timer.eq(1 - half)
                with m.If(~self.line):
                    m.next = "Start"
            with m.State("Start"):
                m.d.sync += left.eq(8)
                with m.If(sample):
                    m.d.sync += timer.eq(1 - self.divisor)
                    m.next = "Bits"
                    with m.If(self.line):
                        m.next = "Idle"
            with m.State("Bits"):
                with m.If(sample):
                    m.d.sync += [timer.eq(1 - self.divisor), left.eq(left - 1)]
                    with m.If(left != 0):
                        m.d.sync += bits.eq(Cat(bits[1:], self.line))
                    with m.Else():
                        m.d.sync += [
                            self.o.valid.eq(1),
                            self.o.payload.byte.eq(bits),
                            self.o.payload.error.eq(~self.line),
                        ]
                        # From a fast clock the next start bit may begin only a cycle later.
                        m.next = "Idle"
                        with m.If(~self.line):
                            m.next = "Release"
            with m.State("Release"):
                with m.If(self.line):
                    m.next = "Idle"
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes over the line, without a pause between them.

    Parameters
    ----------
    divisor : clock cycles of a bit

    Members
    -------
    i : In(stream(8 bits))
    line : Out(1)
    busy : Out(1), the line's last stop bit is not over
    """

    def __init__(self, divisor):
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "line": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(1 - self.divisor, 1))
        bits, left = Signal(9, init=-1), Signal(range(11))
        over = timer >= 0
        m.d.comb += [self.line.eq(bits[0]), self.busy.eq(left != 0)]
        m.d.comb += self.i.ready.eq(~self.busy | ((left == 1) & over))
        m.d.sync += timer.eq(timer + 1)
        with m.If(over & self.busy):
            m.d.sync += [bits.eq(Cat(bits[1:], 1)), left.eq(left - 1), timer.eq(1 - self.divisor)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [bits.eq(Cat(0, self.i.payload)), left.eq(10), timer.eq(1 - self.divisor)]
        return m
