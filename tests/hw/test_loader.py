"""The loader at board size, where a weight word takes several program words; how a failed bench is told."""

import pytest

from onespike.contract.config import preset
from onespike_hw.control.loader import Loader
from onespike_sim.runner import SimulationError, simulate

CONFIG = "arty-a7-35t"
NAME = f"unit-loader-{CONFIG}"


def test_loader_at_board_size():
    tests = simulate(Loader(preset(CONFIG)), "onespike_sim.units.test_loader", NAME, {"ONESPIKE_CONFIG": CONFIG})
    assert tests == 4


def test_a_failed_bench_names_test_reason_and_seed(monkeypatch):
    """A configuration that does not exist makes the bench fail by itself."""
    monkeypatch.setenv("ONESPIKE_SEED", "77")
    with pytest.raises(SimulationError, match=r"failed good_images: no core configuration 'absent'.*ONESPIKE_SEED=77"):
        simulate(Loader(preset(CONFIG)), "onespike_sim.units.test_loader", NAME, {"ONESPIKE_CONFIG": "absent"})
