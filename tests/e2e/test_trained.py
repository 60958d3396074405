"""The committed networks: within the limits they promise, and bit-exact on the board's core."""

import numpy as np
import pytest

from onespike.cli import model_path
from onespike.compiler import compile
from onespike.contract.arith import TOP_LEVEL
from onespike.contract.config import preset
from onespike.contract.isa import Carry, Windows
from onespike.images import procedural
from onespike.network import DEFAULT, REFERENCE, NetworkSpec
from onespike.quantised import QuantisedModel
from onespike_sim.verify import compare


def trained(name):
    return QuantisedModel.load(model_path(name))


@pytest.mark.parametrize(("name", "most_sop"), [(DEFAULT, 60_000_000), (REFERENCE, 40_000_000)])
def test_promises(name, most_sop):
    model = trained(name)
    assert model_path(name).stat().st_size < 1_000_000
    assert NetworkSpec.load(name) == model.spec
    compiled = compile(model, preset("arty-a7-35t"))
    assert compiled.report.weights <= 280_000 and compiled.report.dense_sop <= most_sop
    assert all(abs(layer.weight.astype(int)).max() <= 7 for layer in model.layers)
    assert {"test", "test_pixels", "validation", "recipe", "minutes"} <= set(model.card)


def test_the_default_is_the_more_accurate_one():
    best, reference = trained(DEFAULT), trained(REFERENCE)
    assert best.card["test"] > reference.card["test"] and best.card["test_images"] == reference.card["test_images"] == 10_000
    assert all(layer.levels == TOP_LEVEL for layer in best.spec.layers)


def test_the_reference_carries():
    model = trained(REFERENCE)
    omega = [layer for layer in model.spec.layers if layer.carry is Carry.OMEGA]
    assert [layer.windows for layer in omega] == [Windows.N, Windows.D, Windows.N]
    assert all(layer.table.any() for layer in model.layers if layer.table is not None)


@pytest.mark.parametrize("name", [DEFAULT, REFERENCE])
def test_bit_exact_on_images_by_formula(name):
    """Two images in a row, every outer stream pausing at random."""
    model = trained(name)
    program = compile(model, preset("arty-a7-35t")).program
    verdict = compare(program, model.spec.arrange(procedural(2, model.spec.image)), stall=20, name="trained")
    assert not verdict.mismatched.any()
    assert len(np.unique(verdict.scores)) > 5
