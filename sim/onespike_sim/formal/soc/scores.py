"""The queue of class scores between core and CPU."""

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Cover, Elaboratable, Module
from amaranth.lib import fifo

from onespike.contract.config import SCORE_BITS
from onespike.contract.soc import SCORE_DEPTH

from ..properties import QueueInOrder


class Scores(Elaboratable):
    """A queue of the size that the system has for scores: each that is taken can be read, once, in order, unchanged.

    It takes one while there is room and offers one while it holds any; so does every ``SyncFIFO`` of the gateware.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=SCORE_BITS, depth=SCORE_DEPTH)
        for name in ("w_en", "w_data", "r_en"):
            port = getattr(queue, name)
            m.d.comb += port.eq(AnySeq(len(port)))
        order = QueueInOrder(m, queue)
        m.d.comb += [
            Assert(queue.w_rdy == (order.inside != SCORE_DEPTH)),
            Assert(queue.r_rdy == (order.inside != 0)),
            Cover(order.seen & (order.inside == SCORE_DEPTH)),
        ]
        return m
