"""Who owns the slots of the packet memory."""

from amaranth.hdl import Array, Assert, Assume, Cover, Elaboratable, Module, Signal
from amaranth.lib import enum

from onespike.contract.soc import SLOTS
from onespike_hw.link.slots import SlotPool

from ..properties import follows_rules, free_inputs, opened


class Owner(enum.Enum, shape=2):
    """Where a slot is."""

    POOL = 0
    RECEIVER = 1
    QUEUE = 2
    FIRMWARE = 3


class Pool(Elaboratable):
    """Every slot has one owner at any time, and comes back.

    A slot that is given out was the pool's; a slot that is the pool's, and in use, makes the pool ``available``, so
    none is lost. Every received frame is told to the firmware once, and the queue of them never overruns. Assumed of
    the receivers, as the proof of ``FrameReceiver`` asserts it: each tells one outcome for each frame that it began,
    with the slot that it took; never do two take at once. Assumed of firmware and feeds: they give back slots that
    they own, each once.
    """

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = SlotPool()
        inner = opened(dut)
        queue, storage = inner.queue, opened(inner.queue).storage
        free_inputs(m, dut)
        owners = [Signal(Owner, name=f"owner{n}") for n in range(SLOTS)]
        places = [Signal(3, name=f"place{n}") for n in range(SLOTS)]  # in the queue's memory
        owner_of = Array([*owners, Owner.POOL])

        # What the pool is told, and what follows from it for slot n: (event, slot, new owner).
        m.d.comb += Assume(~(dut.uart_take & dut.udp_take))
        follows_rules(m, dut.release, "release")
        freed, released = dut.rx_free_write, dut.release.valid & dut.release.ready
        popped = dut.rx_next_pop & dut.rx_next.valid
        events = [(popped, dut.rx_next.slot, Owner.FIRMWARE), (freed, dut.rx_free, Owner.POOL)]
        events += [(released, dut.release.payload, Owner.POOL)]
        m.d.comb += [
            Assume(~freed | (dut.rx_free >= SLOTS) | (owner_of[dut.rx_free] == Owner.FIRMWARE)),
            Assume(
                ~dut.release.valid | (dut.release.payload >= SLOTS) | (owner_of[dut.release.payload] == Owner.FIRMWARE)
            ),
            Assume(~(freed & dut.release.valid) | (dut.rx_free != dut.release.payload)),
        ]
        received, holders = [], []
        for link in ("uart", "udp"):
            told, take = getattr(dut, link), getattr(dut, f"{link}_take")
            follows_rules(m, told, link)
            busy, owns, slot = Signal(name=f"{link}_busy"), Signal(name=f"{link}_owns"), Signal(3, name=f"{link}_has")
            result, leaves = told.payload, told.valid & told.ready
            with m.If(leaves):
                m.d.sync += [busy.eq(0), owns.eq(0)]
            with m.If(take):
                m.d.sync += [busy.eq(1), owns.eq(dut.available), slot.eq(dut.free)]
            m.d.comb += [
                Assume(~take | ~busy),
                Assume(~told.valid | (busy & (result.owned == owns) & (~owns | (result.slot == slot)))),
                Assume(~told.valid | ~result.received | result.owned),
                Assert(~take | ~dut.available | (owner_of[dut.free] == Owner.POOL)),
                Assert(~owns | (busy & (owner_of[slot] == Owner.RECEIVER))),
            ]
            kept = leaves & result.received
            received.append(kept)
            holders.append((owns, slot))
            events += [
                (take & dut.available, dut.free, Owner.RECEIVER),
                (kept, result.slot, Owner.QUEUE),
                (leaves & result.owned & ~result.received, result.slot, Owner.POOL),
            ]
        for n, (owner, place) in enumerate(zip(owners, places, strict=True)):
            for event, slot, after in events:
                with m.If(event & (slot == n)):
                    m.d.sync += owner.eq(after)
            for kept, link in zip(received, (dut.uart, dut.udp), strict=True):
                with m.If(kept & (link.payload.slot == n)):
                    m.d.sync += place.eq(storage.write_ports[0].addr)

        queued = sum(owner == Owner.QUEUE for owner in owners)
        usable = [inner.use[n] & (owner == Owner.POOL) for n, owner in enumerate(owners)]
        m.d.comb += [
            Assert(~queue.w_en | queue.w_rdy),
            Assert(~dut.rx_next.valid | (owner_of[dut.rx_next.slot] == Owner.QUEUE)),
            Assert(dut.available == (sum(usable) != 0)),
            # What the induction needs.
            Assert(~(holders[0][0] & holders[1][0]) | (holders[0][1] != holders[1][1])),
            Assert(
                (queue.level == queued) & (storage.write_ports[0].addr == (storage.read_ports[0].addr + queued)[:3])
            ),
        ]
        first = storage.read_ports[0].addr
        for n, (owner, place) in enumerate(zip(owners, places, strict=True)):
            look = storage.read_port(domain="comb")
            m.d.comb += [
                look.addr.eq(place),
                Assert((owner != Owner.QUEUE) | ((look.data == n) & ((place - first)[:3] < queued))),
                Assert(inner.free[n] == (owner == Owner.POOL)),
            ]
        m.d.comb += [
            Cover(queued == SLOTS),
            Cover(dut.rx_next.valid & popped & (dut.rx_next.slot == 2) & (owners[0] == Owner.FIRMWARE)),
            Cover(released & (owners[0] == Owner.FIRMWARE) & (dut.release.payload == 0)),
        ]
        return m
