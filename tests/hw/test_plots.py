"""The roofline: which roof bounds a layer, and a file that stays the same."""

import pytest

from onespike_sim.plots import attainable, roofline

ROOFS = {"compute": 1000, "weight_bits_per_cycle": 100, "spike_bits_per_cycle": 50}


def layer(name, sop=1000, cycles=2, weight_bits=10, spike_bits=10):
    return {"name": name, "sop": sop, "cycles": cycles, "weight_bits": weight_bits, "spike_bits": spike_bits}


@pytest.mark.parametrize(
    ("point", "roof"),
    [(layer("array"), 1000), (layer("weights", weight_bits=400), 250), (layer("spikes", spike_bits=500), 100)],
)
def test_the_lowest_roof_counts(point, roof):
    assert attainable(point, **ROOFS) == roof


def test_the_same_figures_give_the_same_file(tmp_path):
    points = [layer("stem"), layer("conv <1>", cycles=4), layer("conv2", cycles=4, weight_bits=12)]
    for name in ("a.svg", "b.svg"):
        roofline(points, tmp_path / name, **ROOFS)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert "conv &lt;1&gt;  25 %" in text


def test_what_cannot_be_drawn_is_told(tmp_path):
    with pytest.raises(ValueError, match="'stem': weight_bits is 0"):
        roofline([layer("stem", weight_bits=0)], tmp_path / "x.svg", **ROOFS)
    with pytest.raises(ValueError, match="at least one layer"):
        roofline([], tmp_path / "x.svg", **ROOFS)
