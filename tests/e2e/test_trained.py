"""The committed network: within the limits it promises, and bit-exact on the board's core."""

import numpy as np
import pytest

from onespike.cli import model_path
from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.contract.isa import Carry, Windows
from onespike.images import procedural
from onespike.network import NetworkSpec
from onespike.quantised import QuantisedModel
from onespike_sim.verify import compare


@pytest.fixture(scope="module")
def model():
    return QuantisedModel.load(model_path("arty-cifar10"))


def test_promises(model):
    assert model_path("arty-cifar10").stat().st_size < 1_000_000
    assert NetworkSpec.load("arty-cifar10") == model.spec
    compiled = compile(model, preset("arty-a7-35t"))
    assert compiled.report.weights <= 280_000 and compiled.report.dense_sop <= 40_000_000
    assert all(abs(layer.weight.astype(int)).max() <= 7 for layer in model.layers)
    omega = [layer for layer in model.spec.layers if layer.carry is Carry.OMEGA]
    assert [layer.windows for layer in omega] == [Windows.N, Windows.D, Windows.N]
    assert all(layer.table.any() for layer in model.layers if layer.table is not None)
    assert {"test", "test_pixels", "validation", "recipe", "minutes"} <= set(model.card)


def test_bit_exact_on_images_by_formula(model):
    """Two images in a row, every outer stream pausing at random."""
    program = compile(model, preset("arty-a7-35t")).program
    verdict = compare(program, model.spec.arrange(procedural(2, model.spec.image)), stall=20, name="trained")
    assert not verdict.mismatched.any()
    assert len(np.unique(verdict.scores)) > 5
