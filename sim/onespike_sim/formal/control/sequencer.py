"""The sequencer's commands: no bank is filled before it was drained."""

from dataclasses import replace

from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal

from onespike.contract.config import preset
from onespike.contract.isa import Op
from onespike_hw.control.sequencer import Sequencer

from ..properties import before, free_inputs, keeps_rules, opened

CONFIG = replace(preset("tiny"), layers=1)
BANKS = 2


class Commands(Elaboratable):
    """Commands and weight numbers obey the stream rules and come in pairs, whoever takes them first.

    A block that ends a tile, which alone writes results, goes out only when its bank is drained: banks in turn, never a
    third while two are not released. The tiles of an output group cover its positions once: a tile has at least one and
    no more than fit the accumulators, but scores are summed up in one; the first tile begins anew, the others go on
    where the one before ended. All blocks of a tile say the same of it. Assumed of the program: layers have
    positions. Assumed of the drain: it releases no bank that was not filled.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = Sequencer(CONFIG)
        inner = opened(dut, "_blocks")
        blocks = inner._blocks
        free_inputs(m, dut)
        for name in ("blocks", "weights"):
            keeps_rules(m, getattr(dut, name), name)
        block, layer = dut.blocks.payload, dut.layer

        # A command is judged when it is sent, into the registers in front of both streams.
        sent = before(m, blocks.send, "sent")
        filled, bank, left, begins = Signal(range(BANKS + 2)), Signal(), Signal(layer.positions.shape()), Signal(init=1)
        ends = sent & block.end
        m.d.sync += filled.eq(filled + ends - dut.release)
        with m.If(dut.begins):
            m.d.sync += [left.eq(layer.positions), begins.eq(1)]
        with m.If(ends):
            m.d.sync += [bank.eq(~bank), begins.eq(left == block.count)]
            m.d.sync += left.eq(Mux(left == block.count, layer.positions, left - block.count))
        left_now = Mux(ends, Mux(left == block.count, layer.positions, left - block.count), left)
        runs = inner.running & ~dut.begins
        most = Mux(layer.op == Op.SCORE, left, CONFIG.tile)
        m.d.comb += [
            Assume(~dut.release | (filled != 0)),
            Assume(~dut.begins | (layer.positions != 0)),
            Assert(~sent | (dut.blocks.valid & dut.weights.valid)),
            Assert(~ends | (filled < BANKS)),
            Assert(~sent | (block.bank == bank)),
            Assert(~sent | ((block.count != 0) & (block.count == Mux(left > most, most, left)))),
            Assert(~sent | (block.restart == begins)),
            # What the induction needs.
            Assert(blocks.banks == BANKS - filled - ends),
            Assert(blocks.bank == (bank ^ ends)),
            Assert(filled <= BANKS),
            Assert(~runs | ((blocks.remaining == left_now) & (left_now != 0))),
            Assert(~runs | (layer.positions != 0)),
            Assert(~runs | (blocks.restart == Mux(ends, left == block.count, begins))),
            Assert(~sent | ((left != 0) & (block.count <= left))),
        ]
        m.d.comb += [
            Cover(ends & (filled == 1) & ~block.restart),
            Cover(dut.release & (filled == 2)),
            Cover(dut.blocks.valid & ~dut.weights.valid & (layer.op == Op.SCORE)),
        ]
        return m
