"""What an operation costs: the one table of assumptions, 45 nm at 0.9 V, picojoules."""

from typing import NamedTuple

HOROWITZ = "Horowitz, ISSCC 2014"


class Assumption(NamedTuple):
    """An operation costs ``pj`` picojoules; ``source`` says who measured or estimated it."""

    what: str
    pj: float
    source: str


class Rule(NamedTuple):
    """What is assumed where there is no number, and why that is done."""

    what: str
    source: str


FLOAT_ADD = Assumption("float32 add; an accumulate (AC) of the papers", 0.9, HOROWITZ)
FLOAT_MULTIPLY = Assumption("float32 multiply", 3.7, HOROWITZ)
FLOAT_MAC = Assumption("float32 multiply-accumulate (MAC) of the papers", 4.6, "the two above, added")
INT32_ADD = Assumption("int32 add", 0.1, HOROWITZ)
INT32_MULTIPLY = Assumption("int32 multiply", 3.1, HOROWITZ)
INT8_ADD = Assumption("int8 add", 0.03, HOROWITZ)
INT8_MULTIPLY = Assumption("int8 multiply", 0.2, HOROWITZ)
SRAM_READ = Assumption("64 bits read from an SRAM of 8 kB (32 bits: 5 pJ)", 10.0, HOROWITZ)
SRAM_READ_BITS = 64

NUMBERS = (
    FLOAT_ADD, FLOAT_MULTIPLY, FLOAT_MAC, INT32_ADD, INT32_MULTIPLY, INT8_ADD, INT8_MULTIPLY, SRAM_READ,
)  # fmt: skip
RULES = (
    Rule("integer add of other widths: linear in its bits, through int8 and int32", "interpolation"),
    Rule(
        "integer multiply of m by n bits: linear in m n (quadratic in the bits), through int8 and int32",
        "interpolation",
    ),
    Rule("memory of other widths: by the bit; a write costs a read", "simplification"),
    Rule("every memory is one of 8 kB, however large or small", "simplification; Horowitz has 20 pJ for 32 kB"),
    Rule("a comparison is an add", "simplification"),
    Rule("an add whose spike is 0 costs nothing; one whose weight is 0 costs an add", "gated adders"),
    Rule("the 8-bit ANN carries out every MAC: zeros of its activations are not skipped", "simplification"),
    Rule("not counted: control, addresses, clock, leakage, registers, condensing, links, CPU", "left out"),
)


def add_pj(bits):
    """Picojoules of an integer add of ``bits`` bits."""
    slope = (INT32_ADD.pj - INT8_ADD.pj) / (32 - 8)
    return INT8_ADD.pj + slope * (bits - 8)


def multiply_pj(m, n):
    """Picojoules of an integer multiply of ``m`` by ``n`` bits."""
    slope = (INT32_MULTIPLY.pj - INT8_MULTIPLY.pj) / (32 * 32 - 8 * 8)
    return INT8_MULTIPLY.pj + slope * (m * n - 8 * 8)


def memory_pj(bits):
    """Picojoules of ``bits`` bits that are read from or written to an on-chip memory."""
    return SRAM_READ.pj / SRAM_READ_BITS * bits


def markdown():
    """The table of assumptions for the documents."""
    lines = ["| assumption | pJ | source |", "| --- | --- | --- |"]
    lines += [f"| {number.what} | {number.pj:g} | {number.source} |" for number in NUMBERS]
    return "\n".join(lines + [f"| {rule.what} | | {rule.source} |" for rule in RULES])
