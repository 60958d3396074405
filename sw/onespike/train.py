"""Quantisation-aware training: one recipe, resumable, on a CPU or on a GPU where there is one.

The last ``VALIDATION`` training images are held out: models are chosen on them, the test set is read
once, at the end, through the integer model.
"""

import copy
import fcntl
import functools
import json
import math
import os
import pickle
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from .data import load
from .errors import ModelError, OutputError
from .model.integer import IntegerNetwork
from .model.network import SpikingNetwork
from .network import DEFAULT, NetworkSpec
from .training.feed import Feed, arrange, steps_of
from .training.loop import Loop, one_cycle
from .training.teacher import Teacher, distillation

VALIDATION = 2000
LOOKS = 25
"""Epochs of a run on a GPU after which the held-out images are looked at."""
TEACHER_RATE, TEACHER_DECAY, TEACHER_BATCH = 2e-3, 0.05, 512


@dataclass(frozen=True)
class Recipe:
    """What a run depends on; stored in the checkpoint and in the model card.

    ``rate`` is the peak of a one-cycle schedule; ``shift`` the pixels by which training
    images are moved at most; ``jpeg`` the share of training images taken from a
    JPEG-75 copy of the set (the test pixels at hand went through one such generation); ``mix`` the share of
    training images blended with another (``Feed``); ``carry_from``
    the share of the epochs after which the windows' carries are switched on (a step without them
    takes half the time, and their learnt gains start small anyway); ``smoothness`` the weight of the penalty on
    learnt tables; ``distill`` the share of the loss that a teacher's answers have, softened by ``temperature``; the
    teacher is trained for ``teacher_epochs``, on images drawn like the run's, where its file beside the run's folder is
    missing; ``repeat`` the epochs after which the draws of images begin again, so that the teacher is asked about each
    of them once (on a CPU its answers take longer than the network's step; 0: never); ``stop_after``
    ends the run before its schedule does (0: never), for a second stage that begins with the weights of
    the checkpoint ``start``.
    """

    network: str = DEFAULT
    dataset: str = "cifar10"
    epochs: int = 120
    batch: int = 128
    rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.0
    smoothing: float = 0.1
    shift: int = 4
    mirror: float = 0.5
    jpeg: float = 0.5
    mix: float = 0.0
    surrogate: str = "s3nn"
    carry_from: float = 0.8
    smoothness: float = 1e-4
    distill: float = 0.0
    temperature: float = 3.0
    teacher_epochs: int = 24
    repeat: int = 0
    stop_after: int = 0
    start: str = ""
    seed: int = 1

    def __post_init__(self):
        require(self, ("epochs", "batch", "teacher_epochs"), lambda value: value >= 1, "at least 1")
        require(self, ("rate", "temperature"), lambda value: value > 0, "above 0")
        require(self, ("weight_decay", "smoothness", "shift", "repeat", "stop_after"), lambda value: value >= 0, "at least 0")
        shares = ("warm_up", "smoothing", "mirror", "jpeg", "mix", "carry_from", "distill")
        require(self, shares, lambda value: 0 <= value <= 1, "0 to 1")
        require(self, ("stop_after",), lambda value: value <= self.epochs, f"at most the {self.epochs} epochs")
        require(self, ("repeat",), lambda value: self.distill or not value, "0 where no teacher answers (distill is 0)")
        require(self, ("seed",), lambda value: 0 <= value < 2**32, "0 to 4294967295")


def require(recipe, names, holds, what):
    """Raise ``ModelError`` for the first of the settings ``names`` whose value does not hold."""
    for name in names:
        if not holds(getattr(recipe, name)):
            raise ModelError(f"recipe: {name} must be {what}, not {getattr(recipe, name)}; give another value")


def jpeg_copy(images, quality=75):
    """Every image after one JPEG generation (4:2:0), uint8 (n, 3, H, W)."""
    import io

    from PIL import Image

    out = np.empty_like(images)
    for index, image in enumerate(images.transpose(0, 2, 3, 1)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=2)
        out[index] = np.asarray(Image.open(file)).transpose(2, 0, 1)
    return out


def accuracy(model, images, labels, device="cpu", batch=500):
    """Share of right predictions of the integer PyTorch network, in per cent."""
    network = IntegerNetwork(model, device)
    right = 0
    for start in range(0, len(images), batch):
        scores = network(torch.from_numpy(images[start : start + batch]))
        right += int((scores.argmax(1).cpu().numpy() == labels[start : start + batch]).sum())
    return 100 * right / len(images)


@torch.no_grad()
def float_accuracy(net, images, labels, device="cpu", batch=500):
    """The same of the float network: weights as trained, BatchNorm and potentials not rounded to integers."""
    net.eval()
    right = 0
    for start in range(0, len(images), batch):
        logits = net(torch.from_numpy(images[start : start + batch]).to(device).float())
        right += int((logits.argmax(1).cpu().numpy() == labels[start : start + batch]).sum())
    return 100 * right / len(images)


@functools.lru_cache(maxsize=4)
def images_of(dataset, root, jpeg):
    """(data set, its training images uint8 (1 or 2, n, C, H, W): as they are, and after one JPEG generation)."""
    data = load(dataset, root)
    sources = [data.train_images] + ([jpeg_copy(data.train_images)] if jpeg else [])
    return data, np.stack(sources)


class Trainer:
    """One training run in a folder: ``checkpoint.pt``, ``log.jsonl``, at the end ``model.npz``.

    ``spec``: the network, where it is not the one that ``recipe.network`` names; ``teachers``: the folder of
    the teachers' files (the one above the run's where it is None).
    """

    def __init__(self, recipe, folder, data_root=None, resume=False, spec=None, teachers=None):
        self.recipe, self.folder = recipe, Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder} ({error.strerror}); name another --out") from None
        torch.backends.cudnn.benchmark = True
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(recipe.seed)
        self.spec = spec or NetworkSpec.load(recipe.network)
        self.teachers = Path(teachers or self.folder.parent)
        self.data, sources = images_of(recipe.dataset, data_root, recipe.jpeg > 0)
        self.data.require(self.spec.image, self.spec.classes)
        self.net = SpikingNetwork(self.spec, recipe.surrogate)
        self.net.to(self.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (stubs lack it)
        self.train_count = len(self.data.train_images) - VALIDATION
        self.steps = self.train_count // recipe.batch
        self.loop = Loop(self.net, self.loss, recipe.rate, recipe.weight_decay, self.device)
        labels = torch.from_numpy(self.data.train_labels)
        self.feed = Feed(
            torch.from_numpy(sources), labels, recipe.jpeg, recipe.mirror, recipe.shift, self.device, recipe.mix
        )
        self.teacher = None
        self.answers = {}  # of the teacher, for each epoch that will be repeated
        self.epoch, self.seconds = 0, 0.0
        self.earlier = []  # recipes of the stages before this one
        if recipe.start:
            self.begin_with(Path(recipe.start))
        if resume:
            self.restore()
        elif (self.folder / "checkpoint.pt").exists():
            raise ModelError(
                f"{self.folder} holds an unfinished run; add --resume to continue it or name another --out"
            )

    def begin_with(self, path):
        """Take over the weights of an earlier stage's checkpoint."""
        state = read_checkpoint(path, self.device)
        try:
            self.net.load_state_dict(state["net"])
            self.seconds = state["seconds"]
            self.earlier = [*state.get("earlier", []), state["recipe"]]
        except (KeyError, TypeError, RuntimeError):
            raise ModelError(f"{path} belongs to another network; name a checkpoint of {self.spec.name}") from None

    def restore(self):
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = read_checkpoint(path, self.device)
        try:
            same = Recipe(**state["recipe"]) == self.recipe
        except TypeError:
            same = False
        if not same:
            raise ModelError(f"{path} was written by another recipe; give the same options or name another --out")
        self.net.load_state_dict(state["net"])
        self.loop.resume(state["optimizer"])
        self.epoch, self.seconds = state["epoch"], state["seconds"]

    def save(self):
        state = {
            "recipe": asdict(self.recipe),
            "earlier": self.earlier,
            "net": self.net.state_dict(),
            "optimizer": self.loop.optimizer.state_dict(),
            "epoch": self.epoch,
            "seconds": self.seconds,
        }
        _write(state, self.folder / "checkpoint.pt")

    def exported(self):
        """The integers of the network as it stands, or None where it has none."""
        if not self.net.exports:
            return None
        return copy.deepcopy(self.net).to("cpu").export()

    def loss(self, draw):
        """(loss, number of right answers) of one batch."""
        recipe = self.recipe
        images = self.feed.images(draw)
        x = arrange(images, self.spec).contiguous(memory_format=torch.channels_last)
        with autocast(self.device):
            logits = self.net(x).float()
        loss, right = self.feed.cross_entropy(logits, draw, recipe.smoothing)
        if self.teacher is not None:
            taught = draw["taught"] if recipe.repeat else ask(self.teacher, images)
            loss = (1 - recipe.distill) * loss + recipe.distill * distillation(logits, taught, recipe.temperature)
        if self.net.learns_tables:
            loss = loss + recipe.smoothness * self.net.roughness()
        return loss, right

    def draws(self):
        """What this epoch draws, with the teacher's answers where they are kept."""
        recipe = self.recipe
        number = self.epoch % recipe.repeat if recipe.repeat else self.epoch
        draws = self.feed.draw(self.train_count, recipe.batch, recipe.seed * 100_003 + number)
        if self.teacher is not None and recipe.repeat:
            if number not in self.answers:
                answers = [ask(self.teacher, self.feed.images(draw)) for draw in steps_of(draws)]
                self.answers[number] = torch.stack(answers)
            draws["taught"] = self.answers[number]
        return draws

    def run_epoch(self):
        """Train once over the data; returns (mean loss, training accuracy in per cent)."""
        recipe = self.recipe
        carrying = self.epoch >= recipe.carry_from * recipe.epochs
        if carrying != self.net.carrying:
            self.net.set_carrying(carrying)
            self.loop.changed()
        self.net.train()
        start = time.perf_counter()
        first, total = self.epoch * self.steps, recipe.epochs * self.steps
        rates = [one_cycle(first + i, total, recipe.rate, recipe.warm_up) for i in range(self.steps)]
        draws = self.draws()

        def after(step, loss_sum):
            if step == self.steps or (sys.stderr.isatty() and step % 10 == 0):
                self.progress(step, time.perf_counter() - start, loss_sum.item() / step)

        loss, right = self.loop.epoch(draws, rates, after)
        if not math.isfinite(loss):
            raise ModelError(f"epoch {self.epoch}: the loss is not finite; lower --rate and start again")
        self.seconds += time.perf_counter() - start
        return loss, 100 * right / (self.steps * recipe.batch)

    def progress(self, step, seconds, loss):
        speed = step * self.recipe.batch / seconds
        left = (self.recipe.epochs - self.epoch) * self.steps - step
        minutes = left * self.recipe.batch / speed / 60
        end = "\r" if sys.stderr.isatty() and step < self.steps else "\n"
        line = f"epoch {self.epoch + 1}/{self.recipe.epochs}  loss {loss:.3f}  {speed:.0f} images/s  {minutes:.0f} min left"
        print(line, end=end, file=sys.stderr, flush=True)

    def find_teacher(self):
        """Load or train the teacher, where one is asked for."""
        if self.recipe.distill:
            recipe = self.recipe
            drawn = f"jpeg{recipe.jpeg:g}-mirror{recipe.mirror:g}-shift{recipe.shift}-mix{recipe.mix:g}"
            path = self.teachers / f"teacher-{recipe.dataset}-{recipe.teacher_epochs}-{drawn}.pt"
            self.teacher = taught(self.feed, self.train_count, self.spec, recipe.teacher_epochs, path)

    def run(self):
        """Train to the end; returns the ``QuantisedModel`` with its card, or None where the network has no integers."""
        data, recipe = self.data, self.recipe
        self.find_teacher()
        held, held_labels = (
            self.spec.arrange(data.train_images[self.train_count :]),
            data.train_labels[self.train_count :],
        )
        last = recipe.stop_after or recipe.epochs
        # A GPU's epochs are short: most of them end without looking.
        every = 1 if self.device == "cpu" else max(1, last // LOOKS)
        while self.epoch < last:
            loss, train = self.run_epoch()
            self.epoch += 1
            if self.epoch % every and self.epoch < last:
                continue
            entry = {
                "epoch": self.epoch,
                "loss": round(loss, 4),
                "train": round(train, 2),
                "seconds": round(self.seconds),
            }
            entry["validation"] = self.score(self.exported(), held, held_labels)
            entry["gains"] = [round(gain, 3) for gain in self.net.gains()]
            with open(self.folder / "log.jsonl", "a") as log:
                log.write(json.dumps(entry) + "\n")
            self.save()
        test, model = self.spec.arrange(data.test_images), self.exported()
        card = {
            "recipe": asdict(recipe),
            "earlier_stages": self.earlier,
            "minutes": round(self.seconds / 60, 1),
            "device": self.device,
            "validation": self.score(model, held, held_labels),
            "test": self.score(model, test, data.test_labels),
            "float_test": float_accuracy(self.net, test, data.test_labels, self.device),
            "test_pixels": data.test_pixels,
            "test_images": len(data.test_images),
        }
        if model is not None:
            model.card = card
            model.save(self.folder / "model.npz")
        write_json(card, self.folder / "card.json")  # last: a run that has one is finished
        return model

    def score(self, model, images, labels):
        """Accuracy of ``model``, the integers, in per cent; of the floats where there are none."""
        if model is None:
            return float_accuracy(self.net, images, labels, self.device)
        return accuracy(model, images, labels, self.device)


def read_checkpoint(path, device):
    """The contents of the file ``path`` (no pickled code is run); raises ``ModelError`` where it cannot be read."""
    try:
        return torch.load(path, weights_only=True, map_location=device)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"cannot read the checkpoint {path} ({reason}); name another or train anew") from None


def autocast(device):
    """bfloat16 where it helps; nothing is cached, so that a step can be recorded."""
    return torch.autocast(device, torch.bfloat16, cache_enabled=False)


@torch.no_grad()
def ask(teacher, images):
    """The logits (batch, classes) of ``teacher`` for images uint8 (batch, C, H, W)."""
    with autocast(images.device.type):
        return teacher(images).float()


def taught(feed, count, spec, epochs, path):
    """The teacher in file ``path``; where it is missing it is trained on the first ``count`` images of ``feed``."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # runs side by side wait for the first one's teacher
        return _taught(feed, count, spec, epochs, path)


def _taught(feed, count, spec, epochs, path):
    teacher = Teacher(spec.image[0], spec.classes).to(feed.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (stubs lack it)
    if path.exists():
        teacher.load_state_dict(read_checkpoint(path, feed.device))
        return teacher.eval()

    def loss(draw):
        with autocast(feed.device):
            logits = teacher(feed.images(draw)).float()
        return feed.cross_entropy(logits, draw, 0.1)

    loop = Loop(teacher, loss, TEACHER_RATE, TEACHER_DECAY, feed.device)
    steps = count // TEACHER_BATCH
    for epoch in range(epochs):
        rates = [one_cycle(epoch * steps + i, epochs * steps, TEACHER_RATE, 0.2) for i in range(steps)]
        mean, right = loop.epoch(feed.draw(count, TEACHER_BATCH, epoch), rates)
        accuracy = 100 * right / (steps * TEACHER_BATCH)
        print(f"teacher epoch {epoch + 1}/{epochs}  loss {mean:.3f}  {accuracy:.1f} %", file=sys.stderr, flush=True)
    _write(teacher.state_dict(), path)
    return teacher.eval()


def write_json(content, path):
    """Write ``content`` under a temporary name, then rename it."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    os.replace(temporary, path)


def _write(state, path):
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)
