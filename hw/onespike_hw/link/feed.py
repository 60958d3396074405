"""Payloads of the packet memory to the core."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import PIXEL_BITS
from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import FEEDS, Feed, Sink

from .interfaces import ReadPort

_FEED = Feed.as_shape()


class FeedEngine(wiring.Component):
    """Works through a queue of feeds: bytes as pixels, lowest first, or words as program.

    A feed of no bytes is done at once; one of a program that ends inside a word sends that word whole;
    addresses go on at the memory's start. A feed that comes while the queue is full is lost.
    With the rise of ``core_reset`` everything queued so far is abandoned: its slots are released, nothing is
    counted. Feeds that come while it is high wait for its end.

    Members
    -------
    feed : In(Feed), feed_write : In(1), feeds_done : Out(16): registers
    core_reset : In(1), high for at least 32 cycles
    read : Out(ReadPort)
    pixels : Out(stream(8)); program : Out(stream(32)): both withdraw their transfer when the core is reset
    release : Out(stream(slot)), of a feed that is over

    Throughput: a byte per cycle, or a word in two.
    """

    def __init__(self):
        super().__init__(
            {
                "feed": In(Feed),
                "feed_write": In(1),
                "feeds_done": Out(16),
                "core_reset": In(1),
                "read": Out(ReadPort()),
                "pixels": Out(stream.Signature(PIXEL_BITS)),
                "program": Out(stream.Signature(WORD_BITS)),
                "release": Out(stream.Signature(_FEED["slot"].shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Every feed is marked with the period between two core resets that it belongs to.
        period, was_reset = Signal(), Signal()
        m.d.sync += was_reset.eq(self.core_reset)
        new_period = period ^ (self.core_reset & ~was_reset)
        m.d.sync += period.eq(new_period)
        entry = data.StructLayout({"feed": Feed, "period": 1})
        m.submodules.queue = queue = fifo.SyncFIFO(width=entry.size, depth=FEEDS)
        given, current = Signal(entry), data.View(entry, queue.r_data)
        feed = current.feed
        m.d.comb += [
            given.feed.eq(self.feed),
            given.period.eq(new_period),
            queue.w_data.eq(given),
            queue.w_en.eq(self.feed_write),
        ]
        stale = current.period != new_period

        # Words: memory -> back -> front -> core, so that the memory is read while the front is sent.
        # Both count from 0: a comparison with the feed takes less than ways in for its values.
        words_read, bytes_sent = Signal(_FEED["word"].shape), Signal(_FEED["length"].width + 1)  # with those at hand
        lane = Signal(2)
        front, front_full = Signal(WORD_BITS), Signal()
        back, back_full = Signal(WORD_BITS), Signal()
        begin, arriving, running, moves, sent = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(back_full & (~front_full | sent)),
            self.read.address.eq(feed.word + words_read),
            self.read.request.eq(running & ~arriving & (~back_full | moves)),
        ]
        m.d.sync += arriving.eq(self.read.grant)
        with m.If(self.read.grant):
            m.d.sync += words_read.eq(words_read + 1)
        with m.If(sent):
            m.d.sync += front_full.eq(0)
        with m.If(moves):
            m.d.sync += [front.eq(back), front_full.eq(1), back_full.eq(0)]
            with m.If(feed.zero):
                m.d.sync += front.eq(0)
        with m.If(arriving):
            m.d.sync += [back.eq(self.read.data), back_full.eq(1)]

        program = feed.sink == Sink.PROGRAM
        byte_sent, word_sent, last = Signal(), Signal(), Signal()
        m.d.comb += [
            self.pixels.payload.eq(front.word_select(lane, PIXEL_BITS)),
            self.pixels.valid.eq(running & front_full & ~program),
            self.program.payload.eq(front),
            self.program.valid.eq(running & front_full & program),
            byte_sent.eq(self.pixels.valid & self.pixels.ready),
            word_sent.eq(self.program.valid & self.program.ready),
            sent.eq(word_sent | (byte_sent & (lane == 3))),
            last.eq(bytes_sent >= feed.length),
            self.release.payload.eq(feed.slot),
        ]
        with m.If(begin | byte_sent | word_sent):
            m.d.sync += bytes_sent.eq(bytes_sent + Mux(program, WORD_BITS // 8, 1))
        with m.If(byte_sent):
            m.d.sync += lane.eq(lane + 1)

        with m.FSM():
            with m.State("Idle"):
                with m.If(queue.r_rdy):
                    with m.If(stale):
                        m.next = "Release"
                    with m.Elif(~self.core_reset):
                        m.d.comb += begin.eq(1)
                        m.next = "Run"
                        with m.If(feed.length == 0):
                            m.next = "Release"
            with m.State("Run"):
                m.d.comb += running.eq(1)
                with m.If(stale | ((byte_sent | word_sent) & last)):
                    m.next = "Release"
            with m.State("Release"):
                m.d.comb += self.release.valid.eq(1)
                m.d.sync += [words_read.eq(0), bytes_sent.eq(0), lane.eq(0), front_full.eq(0), back_full.eq(0)]
                with m.If(self.release.ready):
                    m.d.comb += queue.r_en.eq(1)
                    m.d.sync += self.feeds_done.eq(self.feeds_done + 1)
                    m.next = "Idle"
        with m.If(self.core_reset):
            m.d.sync += self.feeds_done.eq(0)
        return m
