"""What a user types: one sentence and a status for every error, figures where it works."""

import json

import numpy as np
import pytest

import onespike.data as data
from onespike import cli
from onespike.contract.config import preset
from onespike.data import Dataset
from onespike.quantised import QuantisedModel
from onespike.random_networks import draw
from onespike_sim import __main__ as sim

TINY = preset("tiny")


@pytest.fixture
def model(tmp_path, monkeypatch, no_data):
    """A small model file in an empty working folder, no data anywhere."""
    monkeypatch.chdir(tmp_path)
    draw(1, TINY)[0].save(tmp_path / "small.npz")
    return tmp_path / "small.npz"


def test_compile(model, capsys):
    assert cli.main(["compile", str(model), "--config", "tiny", "--out", "p.1spk"]) == 0
    out = capsys.readouterr().out
    assert "classifier" in out and "spike words" in out and "wrote p.1spk" in out
    assert json.loads((model.parent / "build/reports/compile.json").read_text())["config"] == "tiny"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["compile", "absent.npz"], "no trained model at absent.npz"),
        (["compile", "cut.npz"], "cut.npz is not a whole model file"),
        (["compile", "small.npz", "--config", "nexys"], "no core configuration 'nexys'"),
        (["compile", "nan.npz", "--config", "tiny"], "hold NaN or infinity"),
        (["golden", "small.npz", "--config", "tiny"], "put cifar-10-binary.tar.gz into"),
        (["golden", "small.npz", "--config", "tiny", "--data", "absent"], "the data folder absent does not exist"),
        (["train", "--network", "absent"], "no network description 'absent'"),
    ],
)
def test_errors_are_one_sentence(model, capsys, arguments, reason):
    (model.parent / "cut.npz").write_bytes(model.read_bytes()[:100])
    with np.load(model) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content["0.scale"] = content["0.scale"].astype(float) + np.nan
    np.savez(model.parent / "nan.npz", **content)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("onespike: ") and reason in error and error.count("\n") == 1


def test_class_count_that_does_not_match(model, monkeypatch, capsys):
    classes = QuantisedModel.load(model).spec.classes
    images = np.zeros((4, *QuantisedModel.load(model).spec.image), np.uint8)
    labels = np.array([0, 1, 0, classes])
    monkeypatch.setattr(data, "load", lambda name, root: Dataset(name, images, labels, images, labels, "exact"))
    assert cli.main(["golden", str(model), "--config", "tiny"]) == 2
    assert f"labels up to {classes}" in capsys.readouterr().err


def test_golden(model, monkeypatch, capsys):
    images = draw(1, TINY)[1]
    labels = np.zeros(len(images), np.int64)
    monkeypatch.setattr(data, "load", lambda name, root: Dataset(name, images, labels, images, labels, "exact"))
    assert cli.main(["golden", str(model), "--config", "tiny"]) == 0
    assert "0 predictions and 0 scores differ" in capsys.readouterr().out


def test_sim_without_data_says_so_and_runs(model, capsys):
    assert sim.main(["run", str(model), "--config", "tiny", "--images", "2"]) == 0
    out = capsys.readouterr().out
    assert "ACCURACY IS NOT" in out and "0 mismatching bits" in out
    report = json.loads((model.parent / "build/reports/sim.json").read_text())
    wanted = {"images", "mismatched_bits", "top1", "cycles_per_image", "utilisation", "dense_sop_per_image"}
    wanted |= {"effective_sop_per_image", "peak_sop_per_cycle", "layers"}
    assert wanted <= set(report) and report["images"] == 2 and report["top1"] is None
    assert 0 < report["effective_sop_per_image"] <= report["dense_sop_per_image"]
    assert {"name", "cycles", "dense_sop"} <= set(report["layers"][0])


def test_mismatch_is_a_failure(model, monkeypatch, capsys):
    """A core that differs in one bit ends in a non-zero status."""
    honest = sim.compare

    def lying(*args, **options):
        verdict = honest(*args, **options)
        verdict.mismatched[0] += 1
        return verdict

    monkeypatch.setattr(sim, "compare", lying)
    assert sim.main(["run", str(model), "--config", "tiny", "--images", "1"]) == 1
    assert "differ in 1 bits" in capsys.readouterr().err


def test_emit_gate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["emit", "--check"]) == 2
    assert "run 'make gen'" in capsys.readouterr().err
    assert cli.main(["emit"]) == 0 and cli.main(["emit", "--check"]) == 0
