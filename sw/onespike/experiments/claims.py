"""Which published claims held here: differences of means against the spread over seeds."""

import math
from typing import NamedTuple

from .published import CLAIMS, Claim

SEEDS = 3
"""Seeds that both rows need."""
LIMIT = 2.78
"""Standard errors that a difference must exceed: 95 % of Student's t with the four degrees of freedom of twice three seeds."""
HELD, NOT_HELD, UNDECIDED = "held", "not held", "undecided"


class Verdict(NamedTuple):
    """``difference`` of the means in points and its standard ``error``, ``None`` where there are too few seeds."""

    claim: Claim
    difference: float
    error: float | None
    seeds: tuple[int, int]
    verdict: str


def judge(claim, rows):
    """``Verdict`` on ``claim`` from summaries ``rows``; ``None`` where one of its rows has no result."""
    if claim.more not in rows or claim.less not in rows:
        return None
    pair = rows[claim.more], rows[claim.less]
    seeds = (len(pair[0].runs), len(pair[1].runs))
    difference = pair[0].mean() - pair[1].mean()
    spreads = [row.spread() for row in pair]
    if None in spreads:
        return Verdict(claim, difference, None, seeds, UNDECIDED)
    error = math.sqrt(sum(spread**2 / count for spread, count in zip(spreads, seeds, strict=True)))
    excess = difference - claim.margin
    decided = min(seeds) >= SEEDS and abs(excess) > LIMIT * error
    verdict = (HELD if excess > 0 else NOT_HELD) if decided else UNDECIDED
    return Verdict(claim, difference, error, seeds, verdict)


def verdicts(rows):
    """Verdicts on all claims that ``rows`` can tell."""
    found = [judge(claim, rows) for claim in CLAIMS]
    return [verdict for verdict in found if verdict is not None]


def markdown(found):
    """The table of ``verdicts`` for the document."""
    lines = ["| claim | published | more than | printed | here | verdict |", "| --- | --- | --- | --- | --- | --- |"]
    for claim, difference, error, seeds, verdict in found:
        printed = "" if claim.printed is None else f"{claim.printed:+.2f}"
        ours = f"{difference:+.2f}" + ("" if error is None else f" ± {error:.2f}")
        which = f"`{claim.more}` over `{claim.less}`"
        few = "" if min(seeds) >= SEEDS else f" ({seeds[0]} and {seeds[1]} seeds)"
        lines.append(f"| {claim.text} | {claim.source} | {which} | {printed} | {ours} | {verdict}{few} |")
    return "\n".join(lines)
