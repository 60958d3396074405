"""The rivals' figures per 1,000 LUTs, against the arithmetic done by hand."""

import pytest

from onespike_sim.rivals import RIVALS, Certainty


def test_figures_per_klut():
    assert [rival.frames_per_klut and round(rival.frames_per_klut) for rival in RIVALS] == [
        25, 117, 20, 52, None, None, None,
    ]  # fmt: skip
    assert RIVALS[-1].gsop_per_klut == pytest.approx(19.2, abs=0.05)
    assert RIVALS[-2].gsop_per_second == pytest.approx(2764.8)
    assert RIVALS[-2].gsop_per_klut is None


def test_every_row_says_where_it_is_from():
    for rival in RIVALS:
        assert "/" in rival.source or rival.source.startswith("arXiv ")
        assert isinstance(rival.certainty, Certainty)
        assert rival.frames_per_second or rival.gsop_per_second
    assert len({(rival.system, rival.device) for rival in RIVALS}) == len(RIVALS)
