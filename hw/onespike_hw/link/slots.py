"""Who owns the slots of the packet memory, and what became of the frames."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import SLOTS, Received

from .interfaces import outcome, slot_number


class SlotPool(wiring.Component):
    """Gives free slots to the receivers and takes them back from everybody; queues and counts their frames.

    Members
    -------
    available : Out(1), a slot is free and may be used; free : Out, its number
    uart_take, udp_take : In(1), pulse: a receiver takes it; never both
    uart_slot, udp_slot : In, slots that the receivers have; uart_allowed, udp_allowed : Out(1), they may be used
    uart_back : Out(1), pulse: ``uart_slot`` is free again
    uart, udp : In(stream(outcome)), the frames of the receivers
    release : In(stream(slot number)), of a feed; ``SLOTS`` or more is none
    rx_next, rx_next_pop, rx_free, rx_free_write, rx_use, rx_use_write, rx_frames, rx_damaged, rx_dropped : registers
    """

    def __init__(self):
        super().__init__(
            {
                "available": Out(1),
                "free": Out(slot_number),
                "uart_back": Out(1),
                **{f"{link}_take": In(1) for link in ("uart", "udp")},
                **{f"{link}_slot": In(slot_number) for link in ("uart", "udp")},
                **{f"{link}_allowed": Out(1) for link in ("uart", "udp")},
                **{link: In(stream.Signature(outcome)) for link in ("uart", "udp")},
                "release": In(stream.Signature(Received.as_shape()["slot"].shape)),
                "rx_next": Out(Received),
                "rx_next_pop": In(1),
                "rx_free": In(Received.as_shape()["slot"].shape),
                "rx_free_write": In(1),
                "rx_use": In(unsigned(SLOTS)),
                "rx_use_write": In(1),
                **{f"rx_{what}": Out(unsigned(WORD_BITS)) for what in ("frames", "damaged", "dropped")},
            }
        )

    def elaborate(self, platform):
        m = Module()
        free, use = Signal(SLOTS, init=-1), Signal(SLOTS, init=-1)
        with m.If(self.rx_use_write):
            m.d.sync += use.eq(self.rx_use)
        usable = free & use
        m.d.comb += [
            self.available.eq(usable.any()),
            self.uart_allowed.eq(use.bit_select(self.uart_slot, 1)),
            self.udp_allowed.eq(use.bit_select(self.udp_slot, 1)),
        ]
        for slot in reversed(range(SLOTS)):
            with m.If(usable[slot]):
                m.d.comb += self.free.eq(slot)

        # One slot comes back per cycle: the CPU cannot wait, feeds and receivers can.
        back, slot = Signal(), Signal(self.rx_free.shape())
        here = Signal(outcome)
        m.d.comb += here.eq(self.udp.payload)
        with m.If(self.uart.valid):
            m.d.comb += here.eq(self.uart.payload)
        taken = Signal()
        with m.If(self.rx_free_write):
            m.d.comb += [back.eq(1), slot.eq(self.rx_free)]
        with m.Elif(self.release.valid):
            m.d.comb += [back.eq(1), slot.eq(self.release.payload), self.release.ready.eq(1)]
        with m.Else():
            m.d.comb += [
                self.uart.ready.eq(self.uart.valid),
                self.udp.ready.eq(~self.uart.valid),
                taken.eq(self.uart.valid | self.udp.valid),
                back.eq(taken & here.owned & ~here.received),
                slot.eq(here.slot),
            ]
        m.d.comb += self.uart_back.eq(back & (slot == self.uart_slot))
        for n in range(SLOTS):
            with m.If((self.uart_take | self.udp_take) & usable[n] & (self.free == n)):
                m.d.sync += free[n].eq(0)
            with m.If(back & (slot == n)):
                m.d.sync += free[n].eq(1)

        # Every frame in the queue has a slot of its own, so there is always room.
        m.submodules.queue = queue = fifo.SyncFIFO(width=len(here.slot), depth=1 << len(here.slot))
        m.d.comb += [
            queue.w_data.eq(here.slot),
            queue.w_en.eq(taken & here.received),
            queue.r_en.eq(self.rx_next_pop),
            self.rx_next.slot.eq(queue.r_data),
            self.rx_next.valid.eq(queue.r_rdy),
        ]
        for count, event in (
            (self.rx_frames, here.received),
            (self.rx_damaged, here.damaged),
            (self.rx_dropped, here.dropped),
        ):
            with m.If(taken & event):
                m.d.sync += count.eq(count + 1)
        return m
