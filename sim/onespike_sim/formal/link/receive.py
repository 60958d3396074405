"""The framer: frames of a link into slots."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Elaboratable, Module, Mux, Signal
from amaranth.lib import data

from onespike.contract.frames import CHECK_BYTES, FRAME_BYTES
from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import META_WORDS, SLOT_WORDS, SLOTS, Link, Meta
from onespike_hw.link.interfaces import peer
from onespike_hw.link.receive import SHORTEST, FrameReceiver

from ..properties import follows_rules, free_inputs, keeps_rules, opened

POLYNOMIAL = 0x04C11DB7
RESIDUE = 0xC704DD7B
"""What the register of CRC-32 (ISO-HDLC) holds behind a frame that ends with its CRC."""


def crc_after(register, bits):
    """The register of the CRC after ``bits``, bit by bit, the first one first."""
    for bit in bits:
        register = Cat(0, register[:-1]) ^ Mux(register[-1] ^ bit, POLYNOMIAL, 0)
    return register[:32]


class Framer(Elaboratable):
    """Whatever parts come: each frame begins once, is told once, and is written where it belongs or not at all.

    ``take`` comes once, with the first byte. An outcome comes exactly with the part that ends its frame, and is
    exactly one of received, damaged, dropped. Writes go into the frame's own slot, never without one and never once
    it was forbidden. Byte n of a received frame, any n, was written at byte n behind the slot's ``Meta``, once, and
    ``Meta`` tells the frame's length and sender. What is received has a length that frames have, no error, and its
    CRC, worked out here by the definition. Assumed: the pool names a slot that exists, a frame that ends without a
    byte had one before, and its sender stays the same.

    ``frame``: the bytes that come, so that a solver need not find a CRC to reach what ``Cover`` asks for; None for any.
    """

    def __init__(self, frame=None):
        self.frame = frame

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = FrameReceiver(Link.UDP)
        inner = opened(dut)
        free_inputs(m, dut)
        follows_rules(m, dut.i)
        keeps_rules(m, dut.o)
        keeps_rules(m, dut.write, "write")
        part, told, write = dut.i.payload, dut.o.payload, dut.write.payload
        taken, ends, wrote = Signal(), Signal(), Signal()
        state = {name: inner.ongoing(name) for name in ("Bytes", "Word", "Check", "Meta", "Outcome")}
        m.d.comb += [
            taken.eq(dut.i.valid & dut.i.ready),
            ends.eq(taken & part.end),
            wrote.eq(dut.write.valid & dut.write.ready),
        ]

        # The frame so far: bytes that were taken, whether it was begun, its slot, its sender.
        count, begun, owned, forbidden, slot = Signal(11), Signal(), Signal(), Signal(), Signal(range(SLOTS))
        sender, wrong = Signal(peer), Signal()
        with m.If(taken & part.present & ~count.all()):
            m.d.sync += count.eq(count + 1)
        with m.If(dut.take):
            m.d.sync += [begun.eq(1), owned.eq(dut.available), slot.eq(dut.free), sender.eq(dut.peer)]
        with m.If(owned & ~dut.allowed & state["Bytes"]):
            m.d.sync += forbidden.eq(1)
        with m.If(ends):
            m.d.sync += [count.eq(0), begun.eq(0), owned.eq(0), forbidden.eq(0)]
        writable = owned & ~forbidden
        m.d.comb += [
            Assume(dut.free < SLOTS),
            Assume(~dut.i.valid | part.present | part.end),
            Assume(~dut.i.valid | part.present | (count != 0)),
            Assume(~begun | (dut.peer.as_value() == sender.as_value())),
            wrong.eq(part.end & part.error),
        ]
        length = Signal(range(-CHECK_BYTES, 1 << len(count)))
        m.d.comb += length.eq(count + part.present - CHECK_BYTES)

        # The CRC takes each byte in the cycle in which the receiver is through with it.
        register, through = Signal(32, init=-1), inner.check.done
        with m.If(through):
            m.d.sync += register.eq(crc_after(register, part.byte))
        with m.If(ends):
            m.d.sync += register.eq(-1)

        # Byte ``watched`` of the frame: what it is, and whether it was written to its place.
        watched, value, stored, metas = AnyConst(len(count)), Signal(8), Signal(), Signal(META_WORDS)
        base, inside = Array([n * SLOT_WORDS for n in range(SLOTS)])[slot], Signal(range(SLOT_WORDS))
        m.d.comb += inside.eq(write.address - base)
        mine = inside == META_WORDS + (watched >> 2)
        with m.If(through & (count == watched)):
            m.d.sync += value.eq(Mux(part.session, dut.session, part.byte))
        with m.If(wrote & mine):
            m.d.sync += stored.eq(1)
        with m.If(wrote & (inside < META_WORDS)):
            m.d.sync += metas.eq(metas | (1 << inside))
        with m.If(ends):
            m.d.sync += [stored.eq(0), metas.eq(0)]
        meta = Signal(Meta)
        m.d.comb += [
            meta.length.eq(length),
            meta.link.eq(Link.UDP),
            meta.address.eq(sender.address),
            meta.port.eq(sender.port),
        ]

        received = ends & told.received
        m.d.comb += [
            Assert(~dut.take | (~begun & dut.i.valid & part.present & (count == 0))),
            Assert(~(taken & part.present) | begun | dut.take),
            Assert(ends == (dut.o.valid & dut.o.ready)),
            Assert(~ends | (told.received + told.damaged + told.dropped == 1)),
            Assert(~ends | ((told.owned == owned) & (~owned | (told.slot == slot)))),
            Assert(~received | (writable & (stored | (watched >= length)))),
            Assert(~received | metas.all()),
            Assert(~received | ((length >= SHORTEST) & (length <= FRAME_BYTES - CHECK_BYTES))),
            Assert(~received | ((register == RESIDUE) & ~wrong)),
            Assert(~dut.write.valid | (writable & (write.address >= base) & (write.address < base + SLOT_WORDS))),
            Assert(~(wrote & mine) | (~stored & (write.data.word_select(watched[:2], 8) == value))),
            *(
                Assert(~(wrote & (inside == n)) | (write.data == meta.as_value().word_select(n, WORD_BITS)))
                for n in range(META_WORDS)
            ),
        ]
        self._invariants(m, dut, inner, state, count, writable, begun, owned, forbidden, slot, register, length,
                         watched, value, stored, metas)  # fmt: skip
        if self.frame is not None:
            m.d.comb += Assume(~dut.i.valid | ~part.present | (part.byte == Array(self.frame)[count]))
        m.d.comb += [
            Cover(received & (length == 5)),
            Cover(ends & told.dropped & owned),
            Cover(ends & told.damaged & (count == 1)),
        ]
        return m

    def _invariants(self, m, dut, inner, state, count, writable, begun, owned, forbidden, slot, register, length,
                    watched, value, stored, metas):  # fmt: skip
        """What the induction needs: how the registers of the unit follow from the frame so far."""
        part, ending = dut.i.payload, Signal()
        kept, words = Signal(range(FRAME_BYTES + 1)), Signal(range(FRAME_BYTES // 4 + 1))
        m.d.comb += [
            ending.eq(state["Check"] | state["Meta"] | state["Outcome"]),
            kept.eq(Mux(count > FRAME_BYTES, FRAME_BYTES, count)),
            words.eq((kept >> 2) - state["Word"]),
        ]
        reached = kept + (ending & part.present & (kept != FRAME_BYTES))
        check = opened(inner.check)
        unit = opened(check.unit)
        current = state["Bytes"] | state["Word"]
        word = Signal(data.ArrayLayout(8, 4))
        m.d.comb += word.eq(inner.word)
        m.d.comb += [
            Assert(sum(state.values()) == 1),
            Assert(~ending | (dut.i.valid & part.end)),
            Assert(inner.first == ~begun),
            Assert(~state["Word"] | ((count != 0) & (count[:2] == 0) & (count <= FRAME_BYTES))),
            Assert((inner.owned == owned) & (inner.forbidden == forbidden) & (~owned | (dut.slot == slot))),
            Assert((slot < SLOTS) & (begun | ((count == 0) & ~owned & ~forbidden))),
            Assert(begun | (current & ~stored & (inner.place == META_WORDS) & ~inner.bad)),
            Assert(inner.length + CHECK_BYTES == reached),
            Assert((count + (ending & part.present) <= FRAME_BYTES) | inner.bad),
            Assert(~ending | ~part.error | inner.bad),
            Assert(~(state["Meta"] | state["Outcome"]) | inner.bad | ((register == RESIDUE) & (length >= SHORTEST))),
            Assert(~(current & writable) | (inner.place == META_WORDS + words)),
            Assert(~(state["Meta"] & writable & ~inner.bad) | (inner.place == inner.meta_word - 1)),
            Assert(~state["Meta"] | ((inner.meta_word > 0) & (inner.meta_word <= META_WORDS))),
            Assert(~current | (inner.meta_word == 0)),
            Assert(~writable | (stored == ((watched >> 2) < words))),
            Assert(~(current & (watched < kept) & ((watched >> 2) == words)) | (word[watched[:2]] == value)),
            Assert(~(current | state["Check"]) | (metas == 0)),
            Assert(~state["Meta"] | (metas == Mux(writable & ~inner.bad, (1 << (inner.meta_word - 1)[:2]) - 1, 0))),
            Assert(~(state["Outcome"] & writable & ~inner.bad) | metas.all()),
        ]
        for step in range(4):
            partial = crc_after(register, part.byte[: 2 * step])
            m.d.comb += Assert((check.step != step) | (unit.crc_reg == partial))
        m.d.comb += Assert((check.step == 0) | (dut.i.valid & part.present & state["Bytes"]))
