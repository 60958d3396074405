"""The recurrent block in PyTorch against the golden model, its file, its description, its training."""

import numpy as np
import pytest
import torch

from onespike.cli import model_path
from onespike.commands_recurrent import BLOCK, RECIPE
from onespike.compiler import compile
from onespike.contract import recurrent as definition
from onespike.contract.config import preset
from onespike.contract.isa import Carry, Windows
from onespike.contract.recurrent import Cell
from onespike.errors import ModelError, NetworkError
from onespike.golden.recurrent import block_scores, run_block, run_recurrent
from onespike.images import patch, procedural
from onespike.model.recurrent import RecurrentNetwork
from onespike.network import LayerSpec, NetworkSpec
from onespike.recurrent import BlockSpec, RecurrentModel, load_description, pad_images
from onespike.train_recurrent import Recipe, Trainer
from onespike_sim.recurrent import NAMES

from ..support.recurrent import random_model, random_spikes

SHAPES = [(cell, windows, carry) for cell in Cell for windows in (Windows.N, Windows.D) for carry in definition.CARRIES]
FRONT = NetworkSpec("front", (1, 8, 8), 4, (LayerSpec("stem", 12),))


@pytest.mark.parametrize(("cell", "windows", "carry"), SHAPES)
def test_pytorch_is_the_golden_model(cell, windows, carry):
    """Potentials, spikes and scores; weights large enough that gates and states reach their ends."""
    torch.manual_seed(3)
    net = RecurrentNetwork(FRONT, BlockSpec(cell, 7, windows, carry)).eval()
    with torch.no_grad():
        for parameter in net.block.parameters():
            parameter.normal_(0, 2)
    model = net.export()
    spikes = random_spikes(model, 6)
    trace = run_block(model, spikes)
    with torch.no_grad():
        potentials = net.block.double().potentials(torch.from_numpy(spikes).double())
        fired = net.block(torch.from_numpy(spikes).double())
        logits = net.classifier(fired)
    for real, whole in zip(potentials, trace.potentials, strict=True):
        np.testing.assert_array_equal(real.numpy() * 2 ** (definition.K + 1), whole)
    np.testing.assert_array_equal(fired.numpy(), trace.spikes)
    assert 0 < trace.spikes.mean() < 1
    scores = block_scores(model, trace.spikes)
    np.testing.assert_array_equal(logits.argmax(1).numpy(), scores.argmax(1))


def test_float32_is_exact_for_weights_as_they_are_trained():
    """Training runs in float32; its sums are whole multiples of 2**-19 below 16, which 24 bits hold."""
    torch.manual_seed(4)
    net = RecurrentNetwork(FRONT, BlockSpec(Cell.LSTM, 16)).eval()
    spikes = random_spikes(net.export(), 20)
    with torch.no_grad():
        fired = net.block(torch.from_numpy(spikes).float())
    np.testing.assert_array_equal(fired.numpy(), run_block(net.export(), spikes).spikes)


def test_directions_mirror_each_other():
    """With the same weights the backward half of a turned window is the forward half, turned back."""
    model = random_model(BlockSpec(Cell.GRU, 5))
    for array in (model.drive, model.weight, model.bias):
        array[1] = array[0]
    spikes = random_spikes(model, 4)[2:]
    window, turned = (run_block(model, maps).h for maps in (spikes, spikes[:, :, ::-1, ::-1]))
    np.testing.assert_array_equal(window[0][:, :5], turned[3][:, 5:, ::-1, ::-1])


@pytest.mark.parametrize("cell", Cell)
def test_every_parameter_learns(cell):
    net = RecurrentNetwork(FRONT, BlockSpec(cell, 8, Windows.D, Carry.OMEGA))
    net(torch.randint(0, 256, (16, 1, 8, 8)).float()).square().sum().backward()
    for name, parameter in net.named_parameters():
        if name != "front.classifier.weight":
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_file_is_the_model(tmp_path):
    model = random_model(BlockSpec(Cell.LSTM, 4, Windows.D, Carry.OMEGA))
    model.card["test"] = 97.5
    model.save(tmp_path / "model.npz")
    again = RecurrentModel.load(tmp_path / "model.npz")
    assert (again.spec, again.card, again.front.spec) == (model.spec, model.card, model.front.spec)
    assert again.blob() == model.blob()
    whole = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-100])
    with pytest.raises(ModelError, match=r"cut\.npz is not a whole model file"):
        RecurrentModel.load(tmp_path / "cut.npz")
    with pytest.raises(ModelError, match="no trained model at"):
        RecurrentModel.load(tmp_path / "none.npz")


def test_wrong_arrays_are_refused():
    model = random_model(BlockSpec(Cell.RNN, 4))
    model.weight = model.weight.astype(np.int64) + 200
    with pytest.raises(ModelError, match="recurrent weight goes beyond 127"):
        model.check()
    model.weight = model.weight[:, :, :3]
    with pytest.raises(ModelError, match="recurrent weight: int64"):
        model.check()


@pytest.mark.parametrize(
    ("block", "front", "text"),
    [
        ({"cell": "elman"}, {}, "cell 'elman' is not one of rnn, gru, lstm"),
        ({"hidden": 17}, {}, "hidden must be 1 to 16, not 17"),
        ({"carry": "mean"}, {}, "carry none, leak or omega"),
        ({"layers": 2}, {}, "malformed"),
        ({}, {"layers": (LayerSpec("wide", 65),)}, "layer 'wide' before it has 65 channels; at most 64"),
        ({}, {"image": (1, 12, 12)}, "side 12; at most 8"),
        ({}, {"k": 4}, "k = 4"),
    ],
)
def test_what_does_not_fit_is_told(block, front, text):
    settings = {"name": "x", "image": (1, 8, 8), "classes": 4, "layers": (LayerSpec("stem", 12),)} | front
    with pytest.raises(NetworkError, match=text):
        random_front = NetworkSpec(**settings)
        RecurrentNetwork(random_front, BlockSpec.from_dict(block)).export()


def test_descriptions(tmp_path):
    front, block, recipe = load_description("recurrent-mnist")
    assert front.geometry()[-1][3] == 8 and block.cell is Cell.LSTM
    assert BlockSpec.from_dict(block.to_dict()) == block
    assert set(recipe) <= set(RECIPE) == set(Recipe.__dataclass_fields__)
    assert set(BLOCK) | {"hidden"} == set(BlockSpec.__dataclass_fields__)
    with pytest.raises(NetworkError, match="'onespike train-recurrent' takes it"):
        NetworkSpec.load("recurrent-mnist")
    with pytest.raises(NetworkError, match=r"no \[recurrent\] table"):
        load_description("arty-cifar10")
    (tmp_path / "bad.toml").write_text("layer = [")
    with pytest.raises(NetworkError, match="not valid TOML"):
        load_description(tmp_path / "bad.toml")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"rate": 0.0}, {"shift": -1}])
def test_a_recipe_that_cannot_be_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ModelError, match=f"recipe: {name} must be"):
        Recipe(**wrong)


def test_a_short_training(monkeypatch):
    """It lowers the loss on images by formula, and its card holds the golden model's accuracy of the export."""
    from onespike.data import Dataset

    images, labels = procedural(2040, (1, 6, 6)), np.arange(2040) % 4
    images[labels == 1, :, :3] = 0
    images[labels == 2, :, 3:] = 0
    images[labels == 3] = 0
    data = Dataset("made", images, labels, images[:50], labels[:50], "exact")
    monkeypatch.setattr("onespike.train_recurrent.load", lambda name, root: data)
    trainer = Trainer(FRONT, BlockSpec(Cell.RNN, 4), Recipe(epochs=12, batch=20, rate=1e-2, shift=0))
    model = trainer.run()
    losses = [entry["loss"] for entry in trainer.log]
    assert losses[-1] < 0.8 * losses[0]
    pixels = patch(pad_images(data.test_images, 8), 1)
    scores, spikes, fired = run_recurrent(model, compile(model.front, preset("tiny")).program, pixels)
    assert model.card["test"] == pytest.approx(100 * (scores.argmax(1) == data.test_labels).mean())
    assert spikes.shape == (50, 12, 8, 8) and fired.shape == (50, 8, 8, 8)
    np.testing.assert_array_equal(block_scores(model, fired), scores)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_models(name):
    path = model_path(name)
    assert path.stat().st_size < 50_000
    model = RecurrentModel.load(path)
    front, block, _ = load_description("recurrent-mnist")
    assert model.front.spec == front and model.spec.cell.name.lower() == name.split("-")[-1]
    assert (model.spec.hidden, model.spec.windows, model.spec.carry) == (block.hidden, block.windows, block.carry)
    assert {"test", "held_out", "recipe", "minutes", "device"} <= set(model.card)
