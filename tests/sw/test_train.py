"""Training on a handful of random images: it learns them, resumes exactly, refuses what it must."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

import onespike.train as training
from onespike.contract.isa import Padding, Windows
from onespike.data import Dataset
from onespike.errors import DataError, ModelError, OutputError
from onespike.network import LayerSpec, NetworkSpec
from onespike.quantised import QuantisedModel
from onespike.train import Recipe, Trainer, jpeg_copy
from onespike.training.feed import Feed, arrange
from onespike.training.loop import Loop

NETWORK = """
name = "small"
image = [3, 8, 8]
classes = 2
[[layer]]
name = "a"
channels = 8
[[layer]]
name = "b"
channels = 8
windows = "n"
[[layer]]
name = "c"
channels = 8
windows = "n"
carry = "omega"
shortcut = "a"
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A recipe whose two classes are dark and bright images."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 160)
    images = (rng.integers(0, 100, (160, 3, 8, 8)) + 120 * labels[:, None, None, None]).astype(np.uint8)
    data = Dataset("cifar10", images[:128], labels[:128], images[128:], labels[128:], "exact")
    monkeypatch.setattr(training, "load", lambda name, root: data)
    monkeypatch.setattr(training, "VALIDATION", 32)
    monkeypatch.setattr(training, "TEACHER_BATCH", 32)
    training.images_of.cache_clear()
    (tmp_path / "small.toml").write_text(NETWORK)
    return Recipe(network=str(tmp_path / "small.toml"), epochs=6, batch=16, rate=1e-2, jpeg=0.5, carry_from=0.5)


def test_learns_and_leaves_a_card(small, tmp_path):
    model = Trainer(small, tmp_path / "run").run()
    assert model.card["test"] == 100 and model.card["validation"] == 100
    assert model.card["test_pixels"] == "exact" and model.card["recipe"]["seed"] == 1
    assert QuantisedModel.load(tmp_path / "run" / "model.npz").card == model.card
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in log] == list(range(1, 7))
    assert log[2]["gains"] == [0.1] and log[-1]["gains"] != [0.1]


@pytest.mark.parametrize("more", [{}, {"distill": 0.5, "teacher_epochs": 1, "repeat": 3, "mix": 0.5}])
def test_resumes_where_it_was_cut_off(more, small, tmp_path):
    small = dataclasses.replace(small, **more)
    whole = Trainer(small, tmp_path / "whole").run()
    cut = Trainer(small, tmp_path / "cut")
    save = cut.save

    def save_and_stop():
        save()
        if cut.epoch == 4:
            raise KeyboardInterrupt

    cut.save = save_and_stop
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    with pytest.raises(ModelError, match="add --resume"):
        Trainer(small, tmp_path / "cut")
    resumed = Trainer(small, tmp_path / "cut", resume=True)
    assert resumed.epoch == 4
    again = resumed.run()
    for one, two in zip(whole.layers, again.layers, strict=True):
        assert np.array_equal(one.weight, two.weight) and np.array_equal(one.scale, two.scale)
    with pytest.raises(ModelError, match="written by another recipe"):
        Trainer(Recipe(network=small.network, epochs=9), tmp_path / "cut", resume=True)


def test_a_checkpoint_of_before_a_setting_was_added_goes_on(small, tmp_path):
    trainer = Trainer(small, tmp_path / "run")
    trainer.run_epoch()
    trainer.save()
    path = tmp_path / "run" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    del state["recipe"]["mix"]  # its default
    torch.save(state, path)
    Trainer(small, tmp_path / "run", resume=True)
    torch.save({**state, "recipe": {**state["recipe"], "later": 1}}, path)
    with pytest.raises(ModelError, match="written by another recipe"):
        Trainer(small, tmp_path / "run", resume=True)


def test_the_optimiser_keeps_what_belongs_to_its_device():
    first, second = (torch.nn.Linear(2, 1) for _ in range(2))
    one, two = (
        Loop(net, lambda draw, net=net: (net(draw["x"]).square().sum(), torch.tensor(0)), 0.1, 0.0, "cpu")
        for net in (first, second)
    )
    one.epoch({"x": torch.ones(3, 4, 2)}, [0.1] * 3)
    state = copy.deepcopy(one.optimizer.state_dict())
    state["param_groups"] = [{**group, "capturable": True, "fused": True, "lr": torch.tensor(9.0)} for group in state["param_groups"]]
    second.load_state_dict(first.state_dict())
    two.resume(state)
    (group,) = two.optimizer.param_groups
    assert (group["capturable"], group["fused"], group["lr"]) == (False, False, 0.1)
    for loop in (one, two):
        loop.epoch({"x": torch.ones(1, 4, 2)}, [0.1])
    assert torch.equal(first.weight, second.weight)


def test_a_second_stage_begins_with_the_first(small, tmp_path):
    first = Trainer(small, tmp_path / "first")
    first.run()
    path = tmp_path / "first" / "checkpoint.pt"
    recipe = dataclasses.replace(small, start=str(path), epochs=1, rate=1e-9, carry_from=0.0)
    second = Trainer(recipe, tmp_path / "second").run()
    assert second.card["test"] == 100 and second.card["earlier_stages"][0]["epochs"] == 6
    for one, two in zip(first.exported().layers, second.layers, strict=True):
        assert np.array_equal(one.weight, two.weight)
    for bad in (tmp_path / "absent.pt", tmp_path / "first" / "log.jsonl"):
        with pytest.raises(ModelError, match="cannot read the checkpoint"):
            Trainer(dataclasses.replace(recipe, start=str(bad)), tmp_path / "third")
    for foreign in ({"weights": torch.zeros(1)}, {"net": first.net.state_dict()}):
        torch.save(foreign, tmp_path / "other.pt")
        with pytest.raises(ModelError, match="belongs to another network"):
            Trainer(dataclasses.replace(recipe, start=str(tmp_path / "other.pt")), tmp_path / "third")
    with pytest.raises(OutputError, match="cannot make the folder"):
        Trainer(small, tmp_path / "other.pt" / "run")


def test_runs_share_a_teacher(small, tmp_path):
    recipe = dataclasses.replace(small, distill=0.5, teacher_epochs=2)
    assert Trainer(recipe, tmp_path / "one", teachers=tmp_path).run().card["test"] == 100
    (teacher,) = tmp_path.glob("teacher-*.pt")
    assert teacher.name == "teacher-cifar10-2-jpeg0.5-mirror0.5-shift4-mix0.pt"
    trained = teacher.stat().st_mtime_ns
    second = Trainer(dataclasses.replace(recipe, seed=2), tmp_path / "two", teachers=tmp_path)
    assert second.run().card["test"] == 100 and teacher.stat().st_mtime_ns == trained
    assert not any(module.training for module in second.teacher.modules())
    Trainer(dataclasses.replace(recipe, mix=0.5), tmp_path / "three", teachers=tmp_path).find_teacher()
    assert len(list(tmp_path.glob("teacher-*.pt"))) == 2  # it sees other images
    teacher.write_bytes(b"cut off")
    with pytest.raises(ModelError, match="cannot read the checkpoint"):
        second.find_teacher()


def test_repeated_draws_ask_the_teacher_once(small, tmp_path):
    recipe = dataclasses.replace(small, distill=0.5, teacher_epochs=1, repeat=2, mix=0.5)
    trainer = Trainer(recipe, tmp_path / "run", teachers=tmp_path)
    trainer.find_teacher()
    asked, teacher = [], trainer.teacher

    def counting(images):
        asked.append(images.clone())
        return teacher(images)

    trainer.teacher = counting
    drawn = []
    for trainer.epoch in range(4):
        drawn.append(trainer.draws())
        trainer.run_epoch()
    assert len(asked) == 2 * trainer.steps
    for one, two in ((0, 2), (1, 3)):
        assert all(torch.equal(drawn[one][name], drawn[two][name]) for name in drawn[one])
    assert not torch.equal(drawn[0]["index"], drawn[1]["index"])
    last = {name: value[-1] for name, value in drawn[3].items()}
    assert torch.allclose(training.ask(teacher, trainer.feed.images(last)), last["taught"])


def test_images_that_do_not_match(small, tmp_path):
    (tmp_path / "other.toml").write_text(NETWORK.replace("8, 8]", "16, 16]"))
    with pytest.raises(DataError, match=r"the network takes \(3, 16, 16\)"):
        Trainer(dataclasses.replace(small, network=str(tmp_path / "other.toml")), tmp_path / "run")


def test_divergence_is_named(small, tmp_path):
    trainer = Trainer(small, tmp_path / "run")
    trainer.net.classifier.log_temperature.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="the loss is not finite"):
        trainer.run()


def test_augmentation_only_shifts_and_mirrors(rng):
    images = rng.integers(1, 256, (40, 3, 8, 8), dtype=np.uint8)
    feed = Feed(torch.from_numpy(np.stack([images, 255 - images])), torch.arange(40), 0.3, 0.5, 2, "cpu")
    draws = feed.draw(count=40, batch=10, seed=5)
    assert sorted(draws["index"].flatten().tolist()) == list(range(40))
    for step in range(4):
        draw = {name: value[step] for name, value in draws.items()}
        for n, after in enumerate(feed.images(draw).numpy()):
            before = images[draw["index"][n]]
            padded = np.pad(255 - before if draw["source"][n] else before, ((0, 0), (2, 2), (2, 2)))
            if draw["mirror"][n]:  # the mirror image is what is shifted
                padded = padded[:, :, ::-1]
                draw["right"][n] *= -1
            down, right = 2 + draw["down"][n], 2 + draw["right"][n]
            assert np.array_equal(after, padded[:, down : down + 8, right : right + 8])


def test_blended_images_have_both_labels(rng):
    images, labels = rng.integers(0, 256, (64, 3, 4, 4), dtype=np.uint8), torch.arange(64) % 5
    plain, mixed = (Feed(torch.from_numpy(images[None]), labels, 0.0, 0.5, 1, "cpu", mix) for mix in (0.0, 0.6))
    draws = {name: value[0] for name, value in mixed.draw(count=64, batch=64, seed=2).items()}
    alone = plain.draw(count=64, batch=64, seed=2)
    assert set(draws) - set(alone) == {"other"} and all(torch.equal(draws[name], value[0]) for name, value in alone.items())
    weight = draws["other"].double()[:, None, None, None]
    assert 0.3 < (weight > 0).double().mean() < 0.9 and weight.max() <= 0.5
    before = plain.images(draws).double()
    exact = (1 - weight) * before + weight * before.flip(0)
    after = mixed.images(draws)
    assert after.dtype is torch.uint8 and (after - exact).abs().max() < 0.5001

    logits, own = torch.randn(64, 5), labels[draws["index"]]
    one, other = (torch.nn.functional.one_hot(y, 5) for y in (own, own.flip(0)))
    for feed, target in ((plain, one), (mixed, torch.lerp(one.double(), other.double(), weight[:, 0, 0]))):
        loss, right = feed.cross_entropy(logits, draws, 0.1)
        assert torch.isclose(loss.double(), -((0.9 * target + 0.02) * logits.double().log_softmax(1)).sum(1).mean())
        assert right == (logits.argmax(1) == own).sum()


@pytest.mark.parametrize("encoding", ["planes", "threshold", "bernoulli"])
@pytest.mark.parametrize("steps", [1, 2])
def test_images_are_arranged_as_the_host_does(encoding, steps, rng):
    layer = LayerSpec("a", 4, windows=Windows.N, padding=Padding.WINDOW)
    spec = NetworkSpec("x", (3, 8, 8), 2, (layer,), patch=2, steps=steps, encoding=encoding)
    spec.check()
    images = rng.integers(0, 256, (500, 3, 8, 8), dtype=np.uint8)
    got, expected = arrange(torch.from_numpy(images), spec).numpy(), spec.arrange(images)
    assert got.shape == expected.shape == (500, *spec.input_shape)
    if encoding == "bernoulli":  # drawn, so alike only on average; black stays black
        assert set(np.unique(got)) == set(np.unique(expected)) == {0, 255}
        assert abs(got.mean() - expected.mean()) < 3  # six sigma of 96,000 draws
    else:
        assert np.array_equal(got, expected)


def test_jpeg_copy_is_close_and_changed(rng):
    smooth = np.add.outer(np.arange(32), np.arange(32)) * 4
    images = np.broadcast_to(smooth.astype(np.uint8), (2, 3, 32, 32)).copy()
    out = jpeg_copy(images)
    assert out.shape == images.shape and 0 < np.abs(out.astype(int) - images).mean() < 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"epochs": 0},
        {"distill": 2.0},
        {"mirror": -0.1},
        {"rate": 0.0},
        {"shift": -1},
        {"jpeg": float("nan")},
        {"mix": 1.1},
        {"repeat": -1},
        {"repeat": 3},
        {"stop_after": 121},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_a_recipe_that_cannot_be_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ModelError, match=f"recipe: {name} must be"):
        Recipe(**wrong)


def test_a_batch_of_more_images_than_there_are_is_refused():
    feed = Feed(torch.zeros(1, 8, 3, 4, 4, dtype=torch.uint8), torch.zeros(8), 0.0, 0.0, 0, "cpu")
    assert feed.draw(8, 8, 1)["index"].shape == (1, 8)
    with pytest.raises(ModelError, match="batch must be at most the 8 training images, not 9"):
        feed.draw(8, 9, 1)
