"""The feed engine: payloads of the packet memory to the core."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import PACKET_WORDS, Sink
from onespike_hw.link.feed import FeedEngine

from ..properties import QueueInOrder, before, free_inputs, keeps_rules, opened


class Feeds(Elaboratable):
    """Every feed that the queue takes is released once, in order; before that its bytes go to its sink, and to no
    other.

    Byte n that is sent of a feed, any n, is byte n of its place in the packet memory, or zero if the feed says so. A
    feed that is not abandoned by a reset of the core has sent its length when it is released, to the byte or, for the
    program, to the word. Transfers wait unchanged, but for pixels and program words at a reset of the core. Watched
    is any word of the memory. Assumed: the memory grants only what is asked for, answers a cycle later, and does not
    change.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = FeedEngine()
        inner = opened(dut)
        free_inputs(m, dut)
        resets = Signal()
        m.d.comb += resets.eq(dut.core_reset & ~before(m, dut.core_reset, "was_reset"))
        abandons = before(m, resets, "abandons")
        for name in ("pixels", "program"):
            keeps_rules(m, getattr(dut, name), name, unless=abandons)
        keeps_rules(m, dut.release, "release")
        queue, feed = inner.queue, inner.feed
        order = QueueInOrder(m, queue)

        # The memory: the watched word, and anything elsewhere.
        address, content = AnyConst(range(PACKET_WORDS)), AnyConst(WORD_BITS)
        answers = before(m, dut.read.grant & (dut.read.address == address), "answers")
        m.d.comb += [Assume(~dut.read.grant | dut.read.request), Assume(~answers | (dut.read.data == content))]

        # How much of the oldest feed was sent: bytes, or words of the program.
        sent = Signal(len(feed.length) + 1)
        pixel, word = dut.pixels.valid & dut.pixels.ready, dut.program.valid & dut.program.ready
        released = dut.release.valid & dut.release.ready
        with m.If(pixel | word):
            m.d.sync += sent.eq(sent + 1)
        with m.If(released):
            m.d.sync += sent.eq(0)
        abandoned = Signal()
        with m.If(queue.r_rdy & inner.stale):
            m.d.sync += abandoned.eq(1)
        with m.If(released):
            m.d.sync += abandoned.eq(0)
        program = feed.sink == Sink.PROGRAM
        whole = Signal(len(feed.word))  # words that were sent to their end
        m.d.comb += whole.eq(Mux(program, sent, sent >> 2))
        given, here = Mux(feed.zero, 0, content), (feed.word + whole)[: len(feed.word)] == address
        needed = Mux(program, (feed.length + 3) >> 2, feed.length)
        m.d.comb += [
            Assert(~dut.release.valid | (queue.r_rdy & (dut.release.payload == feed.slot))),
            Assert(released == (queue.r_en & queue.r_rdy)),
            Assert(~dut.pixels.valid | (queue.r_rdy & ~program)),
            Assert(~dut.program.valid | (queue.r_rdy & program)),
            Assert(~(dut.pixels.valid & here) | (dut.pixels.payload == given.word_select(sent[:2], 8))),
            Assert(~(dut.program.valid & here) | (dut.program.payload == given)),
            Assert(~released | abandoned | (sent == needed)),
            Assert(sent <= needed),
        ]

        # What the induction needs: the words at hand follow those that were sent.
        idle, runs, over = (inner.ongoing(state) for state in ("Idle", "Run", "Release"))
        second = (feed.word + whole + inner.front_full)[: len(feed.word)] == address
        asked = whole + inner.front_full + inner.back_full
        m.d.comb += [
            Assert(idle | runs | over),
            Assert(idle | queue.r_rdy),
            Assert(~idle | ((sent == 0) & ~inner.front_full & ~inner.back_full & ~inner.arriving)),
            Assert(~idle | ((inner.words_read == 0) & (inner.bytes_sent == 0) & (inner.lane == 0))),
            Assert(~runs | (sent < needed)),
            Assert(~runs | (inner.bytes_sent == Mux(program, (sent + 1) << 2, sent + 1))),
            Assert(~runs | (inner.words_read == (asked + inner.arriving)[: len(inner.words_read)])),
            Assert(~runs | (inner.lane == Mux(program, 0, sent[:2]))),
            Assert(~(runs & (inner.lane != 0)) | inner.front_full),
            Assert(~(runs & inner.arriving & inner.back_full)),
            Assert(~(runs & inner.front_full & here) | (inner.front == given)),
            Assert(~(runs & inner.back_full & second) | (inner.back == content)),
            Assert(~(runs & inner.arriving & (((feed.word + asked)[: len(feed.word)]) == address)) | answers),
            Assert(~over | abandoned | (sent == needed)),
        ]
        m.d.comb += [
            Cover(released & ~abandoned & (sent == 5) & ~program & order.seen),
            Cover(released & ~abandoned & (sent == 2) & program & (feed.length == 7)),
            Cover(released & abandoned & (sent == 3)),
        ]
        return m
