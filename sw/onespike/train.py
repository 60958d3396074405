"""Quantisation-aware training: one recipe, resumable, on a CPU or on a GPU where there is one.

The last ``VALIDATION`` training images are held out: models are chosen on them, the test set is read
once, at the end, through the integer model.
"""

import json
import os
import pickle
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .data import load
from .errors import ModelError
from .images import patch
from .model.integer import IntegerNetwork
from .model.network import SpikingNetwork
from .network import NetworkSpec

VALIDATION = 2000


@dataclass(frozen=True)
class Recipe:
    """What a run depends on; stored in the checkpoint and in the model card.

    ``rate`` is the peak of a one-cycle schedule; ``shift`` the pixels by which training
    images are moved at most; ``jpeg`` the share of training images taken from a
    JPEG-75 copy of the set (the test pixels at hand went through one such generation); ``carry_from``
    the share of the epochs after which the windows' carries are switched on (a step without them
    takes half the time, and their learnt gains start small anyway); ``stop_after``
    ends the run before its schedule does (0: never), for a second stage that begins with the weights of
    the checkpoint ``start``.
    """

    network: str = "arty-cifar10"
    dataset: str = "cifar10"
    epochs: int = 120
    batch: int = 128
    rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.0
    smoothing: float = 0.1
    shift: int = 4
    jpeg: float = 0.5
    surrogate: str = "s3nn"
    carry_from: float = 0.8
    stop_after: int = 0
    start: str = ""
    seed: int = 1


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


def augment(images, rng, pad):
    """Random shift by up to ``pad`` pixels (edges filled with black) and mirror; uint8 (n, C, H, W)."""
    n, c, h, w = images.shape
    padded = np.zeros((n, c, h + 2 * pad, w + 2 * pad), np.uint8)
    padded[:, :, pad:-pad, pad:-pad] = images
    out = np.empty_like(images)
    shifts, mirror = rng.integers(0, 2 * pad + 1, (n, 2)), rng.random(n) < 0.5
    for i, (y, x) in enumerate(shifts):
        view = padded[i, :, y : y + h, x : x + w]
        out[i] = view[:, :, ::-1] if mirror[i] else view
    return out


def accuracy(model, images, labels, batch=500):
    """Share of right predictions of the integer PyTorch network, in per cent."""
    network = IntegerNetwork(model)
    right = 0
    for start in range(0, len(images), batch):
        scores = network(torch.from_numpy(images[start : start + batch]))
        right += int((scores.argmax(1).numpy() == labels[start : start + batch]).sum())
    return 100 * right / len(images)


@torch.no_grad()
def float_accuracy(net, images, labels, batch=500):
    """The same of the float network: weights as trained, BatchNorm and potentials not rounded to integers."""
    net.eval()
    right = 0
    for start in range(0, len(images), batch):
        logits = net(torch.from_numpy(images[start : start + batch]).float())
        right += int((logits.argmax(1).numpy() == labels[start : start + batch]).sum())
    return 100 * right / len(images)


class Trainer:
    """One training run in a folder: ``checkpoint.pt``, ``log.jsonl``, at the end ``model.npz``."""

    def __init__(self, recipe, folder, data_root=None, resume=False):
        self.recipe, self.folder = recipe, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(recipe.seed)
        self.spec = NetworkSpec.load(recipe.network)
        self.data = load(recipe.dataset, data_root)
        self.data.require(self.spec.image, self.spec.classes)
        self.net = SpikingNetwork(self.spec, recipe.surrogate)
        self.net.to(self.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (stubs lack it)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), recipe.rate, weight_decay=recipe.weight_decay)
        self.train_count = len(self.data.train_images) - VALIDATION
        self.steps = self.train_count // recipe.batch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            recipe.rate,
            total_steps=recipe.epochs * self.steps + 1,
            pct_start=recipe.warm_up,
            cycle_momentum=False,
        )
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

    def read(self, path):
        """A checkpoint's contents (no pickled code is run)."""
        try:
            return torch.load(path, weights_only=True, map_location=self.device)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"cannot read the checkpoint {path} ({reason}); name another or train anew") from None

    def begin_with(self, path):
        """Take over the weights of an earlier stage's checkpoint."""
        state = self.read(path)
        try:
            self.net.load_state_dict(state["net"])
        except RuntimeError:
            raise ModelError(f"{path} belongs to another network; name a checkpoint of {self.spec.name}") from None
        self.seconds = state["seconds"]
        self.earlier = [*state.get("earlier", []), state["recipe"]]

    def restore(self):
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = self.read(path)
        if state["recipe"] != asdict(self.recipe):
            raise ModelError(f"{path} was written by another recipe; give the same options or name another --out")
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.seconds = state["epoch"], state["seconds"]

    def save(self):
        state = {
            "recipe": asdict(self.recipe),
            "earlier": self.earlier,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "seconds": self.seconds,
        }
        temporary = self.folder / "checkpoint.tmp"
        torch.save(state, temporary)
        os.replace(temporary, self.folder / "checkpoint.pt")

    def exported(self):
        """The integers of the network as it stands."""
        return self.net.to("cpu").export()

    def run_epoch(self, sources):
        """Train once over the data; returns (mean loss, training accuracy in per cent)."""
        recipe, labels = self.recipe, self.data.train_labels
        rng = np.random.default_rng((recipe.seed, self.epoch))
        order = rng.permutation(self.train_count)
        self.net.train().to(self.device)
        self.net.set_carrying(self.epoch >= recipe.carry_from * recipe.epochs)
        loss_sum = right = 0.0
        start = time.perf_counter()
        for step in range(self.steps):
            index = np.sort(order[step * recipe.batch : (step + 1) * recipe.batch])
            taken = np.where(
                (rng.random(len(index)) < recipe.jpeg)[:, None, None, None], sources[1][index], sources[0][index]
            )
            x = torch.from_numpy(patch(augment(taken, rng, recipe.shift), self.spec.patch))
            x = x.to(self.device).float().contiguous(memory_format=torch.channels_last)
            y = torch.from_numpy(labels[index]).to(self.device)
            with torch.autocast(self.device, torch.bfloat16):
                logits = self.net(x).float()
            loss = F.cross_entropy(logits, y, label_smoothing=recipe.smoothing)
            if not torch.isfinite(loss):
                raise ModelError(f"epoch {self.epoch}: the loss is not finite; lower --rate and start again")
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            loss_sum += loss.item()
            right += (logits.argmax(1) == y).sum().item()
            if sys.stderr.isatty() or step + 1 == self.steps:
                self.progress(step + 1, time.perf_counter() - start, loss_sum / (step + 1))
        self.seconds += time.perf_counter() - start
        return loss_sum / self.steps, 100 * right / (self.steps * recipe.batch)

    def progress(self, step, seconds, loss):
        speed = step * self.recipe.batch / seconds
        left = (self.recipe.epochs - self.epoch) * self.steps - step
        minutes = left * self.recipe.batch / speed / 60
        end = "\r" if sys.stderr.isatty() and step < self.steps else "\n"
        line = f"epoch {self.epoch + 1}/{self.recipe.epochs}  loss {loss:.3f}  {speed:.0f} images/s  {minutes:.0f} min left"
        print(line, end=end, file=sys.stderr, flush=True)

    def run(self):
        """Train to the end; returns the ``QuantisedModel`` with its card."""
        data, recipe = self.data, self.recipe
        sources = data.train_images, jpeg_copy(data.train_images) if recipe.jpeg else data.train_images
        held = patch(data.train_images[self.train_count :], self.spec.patch)
        while self.epoch < (recipe.stop_after or recipe.epochs):
            loss, train = self.run_epoch(sources)
            self.epoch += 1
            model = self.exported()
            entry = {
                "epoch": self.epoch,
                "loss": round(loss, 4),
                "train": round(train, 2),
                "seconds": round(self.seconds),
            }
            entry["validation"] = accuracy(model, held, data.train_labels[self.train_count :])
            entry["gains"] = [round(gain, 3) for gain in self.net.gains()]
            with open(self.folder / "log.jsonl", "a") as log:
                log.write(json.dumps(entry) + "\n")
            self.save()
        model = self.exported()
        test = patch(data.test_images, self.spec.patch)
        model.card = {
            "recipe": asdict(recipe),
            "earlier_stages": self.earlier,
            "minutes": round(self.seconds / 60, 1),
            "device": self.device,
            "validation": accuracy(model, held, data.train_labels[self.train_count :]),
            "test": accuracy(model, test, data.test_labels),
            "float_test": float_accuracy(self.net, test, data.test_labels),
            "test_pixels": data.test_pixels,
            "test_images": len(data.test_images),
        }
        model.save(self.folder / "model.npz")
        return model
