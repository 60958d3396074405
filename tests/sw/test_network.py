"""Descriptions and trained model files: what is inconsistent or damaged is named."""

import json

import numpy as np
import pytest

from onespike.contract.config import preset
from onespike.errors import ModelError, NetworkError
from onespike.network import NetworkSpec
from onespike.quantised import QuantisedModel
from onespike.random_networks import draw

BASE = {"name": "n", "image": [3, 16, 16], "classes": 2, "layers": [{"name": "a", "channels": 4}]}


def changed(**top):
    return BASE | top


def layers(*entries):
    return changed(layers=[{"name": f"l{n}", "channels": 4} | entry for n, entry in enumerate(entries)])


CASES = [
    ({"name": "n"}, "incomplete or malformed"),
    (changed(colour=1), "unknown setting 'colour'"),
    (changed(image=[3, 16, 12]), "must be square"),
    (changed(patch=3), "patch divide"),
    (changed(weight_bits=9), "weight_bits must be 2 to 8"),
    (changed(groups=3), "groups must be 4, or without time steps 2, not 3"),
    (changed(groups=2, steps=2), "groups must be 4"),
    (changed(labels=["a", "b", "c"]), "3 labels for 2 classes"),
    (changed(classes=1), "at least one layer and two classes"),
    (layers({"windows": "x"}), "layer 'l0': windows 'x' is not one of none, n, d"),
    (layers({"kernel": 5}), "layer 'l0': kernel must be 1 or 3"),
    (layers({"size": 5}), "malformed"),
    (layers({"name": "l0"}, {"name": "l0"}), "layer 'l0': the name is used twice"),
    (
        layers({"stride": 2}, {"stride": 2}, {"stride": 2, "windows": "d"}),
        "layer 'l2': output side 4/2 must be a multiple of 4",
    ),
    (layers({"carry": "leak"}), "layer 'l0': carry leak needs windows N or D"),
    (layers({"windows": "n", "carry": "omega"}), "layer 'l0': carry omega needs a layer before it"),
    (layers({"windows": "n"}, {"windows": "d", "carry": "mean"}), "layer 'l1': carry mean needs a layer before it"),
    (layers({"windows": "n", "condense": "msp"}), "layer 'l0': condense msp needs dilated"),
    (layers({"shortcut": "z"}), "layer 'l0': shortcut 'z' is not an earlier layer"),
    (layers({}, {"stride": 2}, {"stride": 2}, {"shortcut": "l0"}), "layer 'l3': shortcut 'l0' has side 16"),
]


@pytest.mark.parametrize(("plain", "reason"), CASES)
def test_contradictions(plain, reason):
    with pytest.raises(NetworkError) as caught:
        NetworkSpec.from_dict(plain)
    assert reason in str(caught.value)


def test_descriptions_round_trip():
    for seed in range(30):
        spec = draw(seed, preset("tiny"))[0].spec
        assert NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_files(tmp_path):
    assert NetworkSpec.load("arty-cifar10").classes == 10
    with pytest.raises(NetworkError, match=r"no network description 'other'; .*arty-cifar10"):
        NetworkSpec.load("other")
    (tmp_path / "x.toml").write_text("name = ")
    with pytest.raises(NetworkError, match=r"x.toml is not valid TOML"):
        NetworkSpec.load(tmp_path / "x.toml")


def saved(tmp_path, seed=1):
    model = draw(seed, preset("tiny"))[0]
    model.save(tmp_path / "m.npz")
    return model, tmp_path / "m.npz"


def test_model_file_round_trip(tmp_path):
    for seed in range(10):
        model, path = saved(tmp_path, seed)
        again = QuantisedModel.load(path)
        assert again.spec == model.spec
        for one, two in zip(model.layers, again.layers, strict=True):
            for name in ("weight", "shortcut", "scale", "bias", "table"):
                assert np.array_equal(getattr(one, name), getattr(two, name))
            assert one.shift == two.shift
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_damaged_model_files(tmp_path):
    with pytest.raises(ModelError, match="no trained model at"):
        QuantisedModel.load(tmp_path / "absent.npz")
    _, path = saved(tmp_path)
    raw = path.read_bytes()
    for bad in (raw[: len(raw) // 2], b"nonsense", b""):
        path.write_bytes(bad)
        with pytest.raises(ModelError, match=r"m.npz is not a whole model file"):
            QuantisedModel.load(path)
    np.savez(path, header=np.array(json.dumps({"format": 99})))
    with pytest.raises(ModelError, match="has model format 99"):
        QuantisedModel.load(path)
    np.savez(path, header=np.array([object()]))
    with pytest.raises(ModelError, match="not a whole model file"):
        QuantisedModel.load(path)


def test_impossible_values():
    model = draw(1, preset("tiny"))[0]
    layer = model.layers[0]
    cases = [
        ("weight", layer.weight + np.nan, "hold NaN or infinity"),
        ("weight", layer.weight.astype(float), "must be integers"),
        ("weight", layer.weight[1:], "have shape"),
        ("weight", layer.weight.astype(np.int64) + 100, "allowed are"),
        ("scale", layer.scale + 2**16, "allowed are"),
        ("shift", 16, "shift 16 is outside"),
        ("table", np.zeros(512, np.int64), "an Omega table belongs to"),
        ("shortcut", np.zeros((1, 1, 1, 1), np.int8), "shortcut weights and description disagree"),
    ]
    for name, value, reason in cases:
        good = getattr(layer, name)
        setattr(layer, name, value)
        with pytest.raises(ModelError, match=reason):
            model.check()
        setattr(layer, name, good)
    model.check()
    with pytest.raises(ModelError, match=r"model holds 0 layers"):
        QuantisedModel(model.spec, [], model.weight, model.bias)
    with pytest.raises(ModelError, match=r"classifier: weights have shape"):
        QuantisedModel(model.spec, model.layers, model.weight[1:], model.bias)
