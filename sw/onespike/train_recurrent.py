"""Training of networks with a recurrent block: one short recipe, on a CPU or on a GPU where there is one.

As in ``train``, the last training images are held out, and the test set is read once, at the end, by the golden model.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from .compiler import compile
from .contract.config import preset
from .data import load
from .errors import ModelError, NetworkError
from .golden.recurrent import run_recurrent
from .images import patch
from .model.recurrent import RecurrentNetwork
from .recurrent import pad_images
from .training.feed import arrange

HELD = 2000
"""Training images held out."""
CORE = "arty-a7-35t"
"""Core that the front is compiled for: its spikes are the same on any."""


@dataclass(frozen=True)
class Recipe:
    """What a run depends on beside the networks; the defaults are those of a description's ``[recipe]`` table.

    ``rate`` is the peak of a one-cycle schedule; ``shift`` the pixels by which training images are moved at most.
    """

    dataset: str = "mnist"
    epochs: int = 12
    batch: int = 250
    rate: float = 4e-3
    shift: int = 2
    surrogate: str = "triangle"
    seed: int = 1


def shifted(images, reach, rng):
    """Images (n, C, H, W), each moved by up to ``reach`` pixels, edges filled with black; torch, on any device."""
    n, _, side, _ = images.shape
    padded = F.pad(images, (reach,) * 4)
    moved = torch.arange(side)[None, :, None] + torch.from_numpy(rng.integers(0, 2 * reach + 1, (n, 1, 2)))
    rows, columns = moved.to(images.device).unbind(-1)
    index = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def accuracy(model, images, labels):
    """Right predictions of the golden model in per cent; ``images`` in the front's size."""
    program = compile(model.front, preset(CORE)).program
    scores, _, _ = run_recurrent(model, program, patch(images, model.front.spec.patch))
    return 100 * float((scores.argmax(1) == labels).mean())


class Trainer:
    """One run: ``model`` after ``run`` is the ``RecurrentModel``, ``log`` an entry per epoch."""

    def __init__(self, front, block, recipe, data_root=None):
        self.front, self.block, self.recipe = front, block, recipe
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(1)  # the tensors of a step are small: a second thread waits more than it works
        data = load(recipe.dataset, data_root)
        side = front.image[1]
        if data.train_images.shape[1] != front.image[0] or data.train_images.shape[2] > side:
            raise NetworkError(f"{recipe.dataset} does not fit images {front.image}; use another description")
        self.train, self.test = pad_images(data.train_images, side), pad_images(data.test_images, side)
        self.labels, self.test_labels = data.train_labels, data.test_labels
        self.net = RecurrentNetwork(front, block, recipe.surrogate).to(self.device)
        self.count = len(self.train) - HELD
        self.steps = self.count // recipe.batch
        self.forward: Any = self.net
        self.log, self.seconds = [], 0.0

    def run(self):
        """Train, export and measure; the ``RecurrentModel`` with its card."""
        recipe = self.recipe
        optimizer = torch.optim.AdamW(self.net.parameters(), recipe.rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.rate, total_steps=recipe.epochs * self.steps + 1, pct_start=0.15, cycle_momentum=False
        )
        images = torch.from_numpy(self.train[: self.count]).to(self.device)
        labels = torch.from_numpy(self.labels[: self.count]).to(self.device)
        self.record(images)
        for epoch in range(recipe.epochs):
            start = time.perf_counter()
            loss = self.run_epoch(epoch, images, labels, optimizer, schedule)
            self.seconds += time.perf_counter() - start
            self.log.append({"epoch": epoch + 1, "loss": round(loss, 4), "seconds": round(self.seconds)})
            print(json.dumps(self.log[-1]), file=sys.stderr, flush=True)
        return self.exported()

    def record(self, images):
        """Let a GPU play back one recorded forward and backward pass: thousands of small kernels, each soon done."""
        self.forward = self.net.train()
        if self.device == "cuda":
            sample = arrange(images[: self.recipe.batch], self.front)
            self.forward = torch.cuda.make_graphed_callables(self.net, (sample,))

    def run_epoch(self, epoch, images, labels, optimizer, schedule):
        """Train once over the images; the mean loss."""
        recipe, rng = self.recipe, np.random.default_rng((self.recipe.seed, epoch))
        order = torch.from_numpy(rng.permutation(self.count)).to(images.device)
        total = torch.zeros((), device=images.device)
        for step in range(self.steps):
            index = order[step * recipe.batch : (step + 1) * recipe.batch]
            logits = self.forward(arrange(shifted(images[index], recipe.shift, rng), self.front))
            loss = F.cross_entropy(logits, labels[index])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total += loss.detach()
        mean = float(total) / self.steps
        if not np.isfinite(mean):
            raise ModelError(f"epoch {epoch}: the loss is not finite; lower --rate and start again")
        return mean

    def exported(self):
        """The integers of the network as it stands, with accuracies of the golden model in the card."""
        model = self.net.to("cpu").eval().export()
        model.card = {
            "recipe": asdict(self.recipe),
            "minutes": round(self.seconds / 60, 1),
            "device": self.device,
            "held_out": accuracy(model, self.train[self.count :], self.labels[self.count :]),
            "test": accuracy(model, self.test, self.test_labels),
            "test_images": len(self.test),
        }
        return model
