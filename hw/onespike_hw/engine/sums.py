"""Adder trees in fabric, with registers where two levels of adders end."""

from amaranth.hdl import Signal

_PER_STAGE = 4
"""Terms that two levels of adders make one."""


def stages(terms):
    """Registers between ``terms`` values and their sum."""
    count = 0
    while terms > 1 or not count:
        terms, count = -(-terms // _PER_STAGE), count + 1
    return count


def summed(m, terms, name):
    """The sum of ``terms``, ``stages(len(terms))`` cycles later."""
    for stage in range(stages(len(terms))):
        totals = [_tree(terms[n : n + _PER_STAGE]) for n in range(0, len(terms), _PER_STAGE)]
        terms = [Signal(t.shape(), name=f"{name}_{stage}_{n}", reset_less=True) for n, t in enumerate(totals)]
        m.d.sync += [term.eq(total) for term, total in zip(terms, totals, strict=True)]
    return terms[0]


def _tree(terms):
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return _tree(terms[:middle]) + _tree(terms[middle:])
