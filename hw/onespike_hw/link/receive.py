"""Frames of one link into slots of the packet memory."""

from amaranth.hdl import Array, Module, Mux, ResetInserter, Shape, Signal
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import frames
from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import META_WORDS, SLOT_WORDS, Meta

from .interfaces import frame_part, outcome, peer, slot_number, word_write

SHORTEST = 4
"""Bytes of the shortest frame, without CRC."""


class FrameReceiver(wiring.Component):
    """Checks the frames of a link and writes them and their ``Meta`` into slots.

    A frame gets its slot with its first byte, or none. Without one it is checked all the same, and told as dropped if
    it was good; so is a frame whose slot is forbidden before its end. The end of a frame is only taken when its
    outcome is, so that no byte of the next one comes in between.

    Parameters
    ----------
    link : Link, for ``Meta``

    Members
    -------
    i : In(stream(frame_part)); peer : In(peer), sender of the frame, constant during it
    take : Out(1), pulse: a frame begins; if a slot is ``available``, it is the number ``free`` from now on
    available : In(1); free : In, number of a slot; wait : In(1), no frame may begin in this cycle
    slot : Out, that of the frame; allowed : In(1), it may be written
    write : Out(stream(word_write))
    o : Out(stream(outcome)), one per frame

    Throughput: four bytes in five cycles, if the memory is free.
    """

    def __init__(self, link):
        self.link = link
        super().__init__(
            {
                "i": In(stream.Signature(frame_part)),
                "peer": In(peer),
                "take": Out(1),
                "available": In(1),
                "free": In(slot_number),
                "wait": In(1),
                "slot": Out(slot_number),
                "allowed": In(1),
                "write": Out(stream.Signature(word_write)),
                "o": Out(stream.Signature(outcome)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        part, over = self.i.payload, Signal()
        owned, forbidden, bad = Signal(), Signal(), Signal()
        check = crc.catalog.CRC32_ISO_HDLC(data_width=8).create()
        m.submodules.crc = ResetInserter(over)(check)
        m.d.comb += check.data.eq(part.byte)

        # Bytes so far, without the CRC's four: a word that is not full at the end holds nothing but CRC.
        nothing, most = -frames.CHECK_BYTES, frames.FRAME_BYTES - frames.CHECK_BYTES
        length = Signal(range(nothing, most + 1), init=nothing)
        word = Signal(data.ArrayLayout(8, WORD_BITS // 8))
        lane, first, full = length[:2], length == nothing, length == most

        meta, meta_word, in_meta = Signal(Meta), Signal(range(META_WORDS)), Signal()
        base = Array([slot * SLOT_WORDS for slot in range(1 << Shape.cast(slot_number).width)])[self.slot]
        m.d.comb += [
            meta.length.eq(length),
            meta.link.eq(self.link),
            meta.address.eq(self.peer.address),
            meta.port.eq(self.peer.port),
            self.write.payload.address.eq(base + Mux(in_meta, meta_word, META_WORDS + length[2:])),
            self.write.payload.data.eq(Mux(in_meta, meta.as_value().word_select(meta_word, WORD_BITS), word)),
            self.o.payload.slot.eq(self.slot),
            self.o.payload.owned.eq(owned),
            self.o.payload.received.eq(~bad & owned & ~forbidden),
            self.o.payload.dropped.eq(~bad & ~(owned & ~forbidden)),
            self.o.payload.damaged.eq(bad),
        ]
        with m.FSM():
            with m.State("Bytes"):
                with m.If(owned & ~self.allowed):
                    m.d.sync += forbidden.eq(1)
                with m.If(self.i.valid & ~(first & self.wait)):
                    with m.If(part.present):
                        with m.If(full):
                            m.d.sync += bad.eq(1)
                        with m.Else():
                            m.d.comb += check.valid.eq(1)
                            m.d.sync += [length.eq(length + 1), word[lane].eq(part.byte)]
                        with m.If(first):
                            m.d.comb += self.take.eq(1)
                            m.d.sync += [self.slot.eq(self.free), owned.eq(self.available)]
                    with m.If(part.end):
                        with m.If(part.error):
                            m.d.sync += bad.eq(1)
                        m.next = "Check"
                    with m.Else():
                        m.d.comb += self.i.ready.eq(1)
                        with m.If(part.present & ~full & (lane == 3)):
                            m.next = "Word"
            with m.State("Word"):
                m.d.comb += self.write.valid.eq(owned & ~forbidden)
                with m.If(~self.write.valid | self.write.ready):
                    m.next = "Bytes"
            with m.State("Check"):
                with m.If((length < SHORTEST) | ~check.match_detected):
                    m.d.sync += bad.eq(1)
                m.next = "Meta"
            with m.State("Meta"):
                m.d.comb += [in_meta.eq(1), self.write.valid.eq(owned & ~forbidden & ~bad)]
                with m.If(self.write.valid & self.write.ready):
                    m.d.sync += meta_word.eq(meta_word + 1)
                with m.If(~self.write.valid | (self.write.ready & (meta_word == META_WORDS - 1))):
                    m.next = "Outcome"
            with m.State("Outcome"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.comb += [over.eq(1), self.i.ready.eq(1)]
                    m.d.sync += [
                        length.eq(nothing),
                        meta_word.eq(0),
                        owned.eq(0),
                        forbidden.eq(0),
                        bad.eq(0),
                    ]
                    m.next = "Bytes"
        return m
