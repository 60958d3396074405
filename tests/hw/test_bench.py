"""The bench's table, its picture, and what it says of a route that failed; commands that cannot be meant."""

import pytest

from onespike.cli import model_path
from onespike.compiler import compile
from onespike.contract.config import ARRAYS, preset
from onespike.errors import ToolError
from onespike.quantised import QuantisedModel
from onespike_sim import bench
from onespike_sim.__main__ import main


@pytest.fixture(scope="module")
def model():
    return QuantisedModel.load(model_path("arty-cifar10"))


def row(**other):
    cells = {
        "lut": 1,
        "lutram": 2,
        "srl": 3,
        "ff": 4,
        "bram": 0.5,
        "dsp": 6,
        "cell_ns": {"a": 1.0, "b": 2.5},
        "exceeded": [],
    }
    plain = {
        "array": "da", "lanes": 36, "outputs": 8, "peak_sop_per_cycle": 1152, "cycles_per_image": 100.0,
        "utilisation": 0.5, "frames_per_second": 10.0, "frames_per_klut": 1.0, "gsop_per_second": 1.0,
        "gsop_per_klut": 1.0, "xc7": cells | other.pop("cells", {}), "ecp5": {"lut": 7}, "ecp5_route": None,
        "mismatched_bits": 0,
    }  # fmt: skip
    return plain | other


def test_every_array_in_four_sizes(model):
    configs = bench.variants(model)
    assert preset(bench.BOARD) in configs and len({config.name for config in configs}) == len(configs)
    assert all(sum(config.array == array for config in configs) >= 4 for array in ARRAYS)


@pytest.mark.parametrize(
    ("other", "end"),
    [
        ({}, "  7     -"),
        ({"ecp5_route": {"fmax_mhz": 47.5}}, "  47.5"),
        ({"ecp5_route": {"fmax_mhz": None, "error": "too large"}}, "  none"),
        ({"cells": {"exceeded": [("dsp", 91, 90)]}}, "- *"),
        ({"mismatched_bits": 1}, "- WRONG"),
    ],
)
def test_a_row_tells_what_is_wrong_with_it(other, end):
    assert bench._table([row(**other)]).splitlines()[1].endswith(end)


def test_a_route_that_fails_leaves_its_reason(monkeypatch):
    def fails(*_, **__):
        raise ToolError("nextpnr could not route 'core'")

    monkeypatch.setattr(bench, "route_ecp5", fails)
    assert bench._routed("") == {"fmax_mhz": None, "error": "nextpnr could not route 'core'"}


def test_the_roofline_names_every_layer(model, tmp_path):
    board = preset(bench.BOARD)
    names = [entry.name for entry in compile(model, board).report.layers]
    measured = {"layers": [{"cycles": 5000.0} for _ in names]}
    bench.draw_roofline(model, board, measured, tmp_path / "new" / "roofline.svg")
    text = (tmp_path / "new" / "roofline.svg").read_text()
    assert all(name in text for name in names)


@pytest.mark.parametrize(
    "arguments",
    [["bench", "--jobs", "0"], ["explore", "--jobs", "-1"], ["explore", "--bits", "9"], ["bench", "none.npz"]],
)
def test_commands_that_cannot_be_meant(arguments, capsys):
    try:
        status = main(arguments)
    except SystemExit as stopped:  # argparse
        status = stopped.code
    assert status == 2
    assert capsys.readouterr().err.strip().splitlines()[-1]
