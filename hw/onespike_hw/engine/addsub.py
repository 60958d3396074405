"""An adder that can subtract, at one LUT per bit."""

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal

from ..vendor import family

_CARRY = 4
"""Bits of a CARRY4."""


def added(m: Module, platform, a, b, adds):
    """``a + b``, or ``a - b`` where ``adds`` is 0; as wide as ``a``, wrapping.

    a - b is a + ~b + 1. On Xilinx 7 series as a carry chain spelt out: left to itself, synthesis may feed the
    chain with the inverted operand, which then costs a LUT of its own per bit.
    """
    if family(platform) != "xc7":
        return Mux(adds, a + b, a - b)[: len(a)].as_signed()
    width = len(a) + -len(a) % _CARRY
    propagate, total, carry = Signal(len(a)), Signal(width), Signal(width)
    m.d.comb += propagate.eq(Cat(a) ^ b.as_signed() ^ (~adds).replicate(len(a)))
    for low in range(0, width, _CARRY):
        bits = slice(low, low + _CARRY)
        m.submodules += Instance(
            "CARRY4",
            i_CI=carry[low - 1] if low else Const(0),
            i_CYINIT=Const(0) if low else ~adds,
            i_DI=_padded(a[bits]),
            i_S=_padded(propagate[bits]),
            o_O=total[bits],
            o_CO=carry[bits],
        )
    return total[: len(a)].as_signed()


def _padded(bits):
    return Cat(bits, Const(0, _CARRY - len(bits)))
