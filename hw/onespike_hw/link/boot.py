"""The boot record of the flash (``contract.boot``), played to the firmware as a host on the UART would send it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import boot, soc

from .interfaces import frame_part

FLASH = {"flash_cs_n": Out(1, init=1), "flash_clk": Out(1), "flash_copi": Out(1), "flash_cipo": In(1, init=1)}
"""Pins of a serial flash, seen from the gateware; ``flash_cipo`` is asynchronous."""
READ = 0x03
"""The flash's command: read from the 24-bit address that follows, for as long as the clock goes on."""
BIT_CYCLES = 4
"""Clock cycles of a bit on a board."""
WAKE_BITS = 8
"""Clock pulses before the flash is selected: where its clock pin belongs to the configuration, the first ones after that
do not reach the pin (UG470, STARTUPE2: three)."""


def _swapped(value):
    """The bytes of ``value`` in the other order: the flash sends the highest bit of a byte first."""
    return Cat(*(value.word_select(n, 8) for n in reversed(range(len(value) // 8))))


class FlashBoot(wiring.Component):
    """Reads the record from the flash and hands out its frames, one after the other.

    A frame begins when the one before has left its slot, so the firmware never has two of them. That needs no more than
    a firmware that frees what it receives: other hosts cannot keep it from going on.

    The flash runs in mode 0. It changes its output after the clock's fall; what the pin shows a cycle before the next
    fall is the bit. So there are ``divisor - 1`` cycles for the clock's way out, the flash, and the way back.

    Parameters
    ----------
    address : of the record's first byte in the flash
    divisor : clock cycles of a bit, even, 4 or more

    Members
    -------
    start : In(1), pulse: frames can be received; only the first counts
    back : In(1), pulse: the slot of the last frame is free again; earliest with its end
    o : Out(stream(frame_part)), each ``end`` with a byte
    playing : Out(1), from reset until the last end was taken
    flash_* : as of ``FLASH``

    Throughput: a byte in ``8 * divisor + 1`` cycles, and those for which it waits.
    """

    def __init__(self, address, divisor=BIT_CYCLES):
        self.address, self.divisor = address, divisor
        super().__init__(
            {
                "start": In(1),
                "back": In(1),
                "o": Out(stream.Signature(frame_part)),
                "playing": Out(1, init=1),
                **FLASH,
            }
        )

    def elaborate(self, platform):
        m = Module()
        # One register: the command goes out at its upper end while what comes fills it from below.
        bits = Signal(32, init=READ << 24 | self.address)
        left = Signal(range(2 * len(bits) + 1))  # bits still to shift
        half = Signal(range(self.divisor // 2))
        came = Signal(init=1)  # steady when it is taken; without a flash, ``bits`` is a second flip-flop behind it
        shifted = left == 0
        m.d.sync += came.eq(self.flash_cipo)
        m.d.comb += self.flash_copi.eq(bits[-1])
        with m.If(~shifted):
            m.d.sync += half.eq(half + 1)
            with m.If(half == self.divisor // 2 - 1):
                m.d.sync += [half.eq(0), self.flash_clk.eq(~self.flash_clk)]
                with m.If(self.flash_clk):
                    m.d.sync += left.eq(left - 1)
                    with m.If(~self.flash_cs_n):
                        m.d.sync += bits.eq(Cat(came, bits[:-1]))

        # Bytes up to the frame's end, from below zero: one adder, minus the length is its complement, plus one.
        length = _swapped(bits[: 8 * soc.BOOT_LENGTH_BYTES])
        place, begin, advance = Signal(range(boot.LONGEST)), Signal(), Signal()
        with m.If(begin | advance):
            m.d.sync += place.eq(Mux(begin, ~length, place) + 1)
        # A one on its way down marks the first byte at the top, and at the bottom that of the session's number.
        mark, opened = Signal(boot.SESSION_AT + 1), Signal()
        alone = Signal(init=1)  # no frame of the record has a slot
        with m.If(begin):
            m.d.sync += mark.eq(1 << boot.SESSION_AT)
        with m.Elif(advance):
            m.d.sync += mark.eq(mark >> 1)
        with m.If(self.back):
            m.d.sync += alone.eq(1)
        m.d.comb += [
            self.o.payload.byte.eq(bits[:8]),
            self.o.payload.present.eq(1),
            self.o.payload.session.eq(mark[0] & opened),
            self.o.payload.end.eq(place.all()),
        ]
        with m.FSM():
            with m.State("Wait"):
                with m.If(self.start):
                    m.d.sync += left.eq(WAKE_BITS)
                    m.next = "Wake"
            with m.State("Wake"):
                with m.If(shifted):
                    m.d.sync += [self.flash_cs_n.eq(0), left.eq(len(bits) + 8 * boot.CONTRACT_BYTES)]
                    m.next = "Contract"
            with m.State("Contract"):
                with m.If(shifted):
                    m.next = "Over"
                    with m.If(_swapped(bits) == soc.contract_id()):
                        m.d.sync += left.eq(len(length))
                        m.next = "Length"
            with m.State("Length"):
                with m.If(shifted):
                    m.d.comb += begin.eq(1)
                    m.next = "Over"
                    with m.If((length != 0) & (length <= boot.LONGEST)):
                        m.d.sync += left.eq(8)
                        m.next = "Byte"
            with m.State("Byte"):
                m.d.comb += [
                    self.o.valid.eq(shifted & (alone | ~mark[-1])),
                    advance.eq(self.o.valid & self.o.ready),
                ]
                with m.If(advance):
                    m.d.sync += left.eq(8)
                    with m.If(mark[-1] & ~self.o.payload.end):  # a single byte is no frame: its slot is back already
                        m.d.sync += alone.eq(0)
                    with m.If(self.o.payload.end):
                        m.d.sync += [opened.eq(1), left.eq(len(length))]
                        m.next = "Length"
            with m.State("Over"):
                m.d.sync += [self.flash_cs_n.eq(1), self.playing.eq(0)]
        return m
