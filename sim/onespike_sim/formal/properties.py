"""What proofs are made of: free inputs, the rules of streams, and a transfer that is followed from end to end."""

import sys
from types import SimpleNamespace

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Mux, Shape, Signal, Value
from amaranth.lib.wiring import In

from onespike_hw.vendor import Target


def free(m, shape, name):
    """A signal of ``shape`` that may have any value in any cycle."""
    signal = Signal(shape, name=name)
    m.d.comb += Value.cast(signal).eq(AnySeq(Shape.cast(shape).width))
    return signal


def free_inputs(m, unit, but=()):
    """Let every input of ``unit`` be anything, but for members of the names ``but``."""
    for path, member, value in unit.signature.flatten(unit):
        if member.flow is In and path[0] not in but and isinstance(Value.cast(value), Signal):
            m.d.comb += Value.cast(value).eq(AnySeq(len(Value.cast(value))))


def before(m, value, name, init=0):
    """``value`` of the cycle before; ``init`` in the first."""
    signal = Signal(len(Value.cast(value)), name=name, init=init)
    m.d.sync += signal.eq(value)
    return signal


def _broken(m, port, name):
    """Whether ``port`` withdraws or changes a transfer that was not taken."""
    payload = Value.cast(port.payload)
    stalled = before(m, port.valid & ~port.ready, f"{name}_stalled")
    return stalled & (~port.valid | (payload != before(m, payload, f"{name}_before")))


def keeps_rules(m, port, name="o", unless=0):
    """Assert the stream rules at an output: once valid, a transfer stays and stays the same ``unless`` it may not."""
    m.d.comb += Assert(~_broken(m, port, name) | unless)


def follows_rules(m, port, name="i"):
    """Assume the stream rules at an input."""
    m.d.comb += Assume(~_broken(m, port, name))


class InOrder:
    """Follows one transfer, any one, on its way through a unit in which at most ``most`` are on their way.

    Asserts that nothing leaves that did not enter, that no more than ``most`` are inside, and that the n-th that leaves
    is the n-th that entered: so none is lost, doubled, overtaken or changed. ``enters``, ``leaves``: 1-bit values, in
    the same cycle as their data; one that enters may leave in the same cycle only if ``through``.

    Attributes: ``inside``, how many are on their way; ``follows``, one of them, ``watched``, is followed, and so many
    are ``ahead`` of it; ``seen``, it has left.
    """

    def __init__(self, m, most, enters, value, leaves, result, name="order", through=False):
        self.inside = inside = Signal(range(most + 2), name=f"{name}_inside")
        self.seen = seen = Signal(name=f"{name}_seen")
        self.ahead = ahead = Signal.like(inside, name=f"{name}_ahead")
        self.follows = follows = Signal(name=f"{name}_follows")
        self.watched = watched = Signal(len(Value.cast(value)), name=f"{name}_watched")
        starts, mine, there = (Signal(name=f"{name}_{what}") for what in ("starts", "mine", "there"))
        passes = enters & through
        m.d.comb += [
            starts.eq(enters & ~follows & ~seen & free(m, 1, f"{name}_chosen")),
            there.eq((follows & (ahead == 0)) | (starts & through & (inside == 0))),
            mine.eq(leaves & there),
            Assert(~leaves | (inside != 0) | passes),
            Assert((inside <= most) & (~follows | (ahead < inside))),
            Assert(~mine | (Value.cast(result) == Mux(follows, watched, value))),
        ]
        m.d.sync += [
            inside.eq(inside + enters - leaves),
            follows.eq((follows | starts) & ~mine),
            seen.eq(seen | mine),
            ahead.eq(Mux(follows, ahead, inside) - leaves),
        ]
        with m.If(starts):
            m.d.sync += watched.eq(value)


def opened(unit, *methods):
    """Elaborate ``unit`` now and return the local variables of its ``elaborate`` by name.

    Under the name of each of ``methods`` stand those of its last call; ``ongoing(state)`` is whether the unit's state
    machine is in the state. An induction needs invariants, and they speak of registers that no port shows. The unit
    itself stays as it is.
    """
    names = {getattr(type(unit), name).__code__: name for name in ("elaborate", *methods)}
    found = {}

    def look(frame, event, _):
        if event == "return" and frame.f_code in names:
            found[names[frame.f_code]] = SimpleNamespace(**frame.f_locals)

    profile = sys.getprofile()
    sys.setprofile(look)
    try:
        module = unit.elaborate(Target())
    finally:
        sys.setprofile(profile)
    unit.elaborate = lambda platform: module

    def ongoing(state):
        machine = module._generated["fsm"]  # only the block that defines the states may call its own ``ongoing``
        return machine._data["signal"] == machine.encoding[state]

    inner = found.pop("elaborate")
    return SimpleNamespace(**vars(inner), **found, ongoing=ongoing)


class QueueInOrder(InOrder):
    """``InOrder`` for a ``SyncFIFO`` of a depth that is a power of two, with what makes it inductive.

    Entries that find the queue full are not taken, as its contract says.
    """

    def __init__(self, m, queue, name="queue"):
        storage = opened(queue).storage
        enters, leaves = queue.w_en & queue.w_rdy, queue.r_en & queue.r_rdy
        super().__init__(m, queue.depth, enters, queue.w_data, leaves, queue.r_data, name)
        (write,), (read,) = storage.write_ports, storage.read_ports
        look = storage.read_port(domain="comb")
        m.d.comb += [
            look.addr.eq(read.addr + self.ahead),
            Assert(queue.level == self.inside),
            Assert(write.addr == (read.addr + queue.level)[: len(read.addr)]),
            Assert(~self.follows | (look.data == self.watched)),
        ]
