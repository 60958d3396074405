"""Training of networks with a recurrent block: one short recipe, on a CPU or on a GPU where there is one.

As in ``train``, the last training images are held out, and the test set is read once, at the end, by the golden model.
"""

import json
import math
import sys
import time
from dataclasses import asdict, dataclass

import torch

from .compiler import compile
from .contract.config import preset
from .data import load
from .errors import ModelError, NetworkError
from .golden.recurrent import run_recurrent
from .images import patch
from .model.recurrent import RecurrentNetwork
from .recurrent import pad_images
from .train import VALIDATION, require
from .training.feed import Feed, arrange
from .training.loop import Loop, one_cycle

WARM_UP = 0.15
"""Share of the steps in which the rate rises."""
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

    def __post_init__(self):
        require(self, ("epochs", "batch"), lambda value: value >= 1, "at least 1")
        require(self, ("rate",), lambda value: value > 0, "above 0")
        require(self, ("shift",), lambda value: value >= 0, "at least 0")


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
        self.net = RecurrentNetwork(front, block, recipe.surrogate)
        self.net.to(self.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (stubs lack it)
        self.count = len(self.train) - VALIDATION
        self.steps = self.count // recipe.batch
        self.loop = Loop(self.net, self.loss, recipe.rate, 0.0, self.device)
        images, labels = torch.from_numpy(self.train[None]), torch.from_numpy(self.labels)
        self.feed = Feed(images, labels, 0.0, 0.0, recipe.shift, self.device)
        self.log, self.seconds = [], 0.0

    def loss(self, draw):
        """(loss, number of right answers) of one batch."""
        x = arrange(self.feed.images(draw), self.front).contiguous(memory_format=torch.channels_last)
        return self.feed.cross_entropy(self.net(x), draw, 0.0)

    def run(self):
        """Train, export and measure; the ``RecurrentModel`` with its card."""
        recipe = self.recipe
        self.net.train()
        for epoch in range(recipe.epochs):
            start = time.perf_counter()
            first, total = epoch * self.steps, recipe.epochs * self.steps
            rates = [one_cycle(first + i, total, recipe.rate, WARM_UP) for i in range(self.steps)]
            loss, _ = self.loop.epoch(self.feed.draw(self.count, recipe.batch, recipe.seed * 100_003 + epoch), rates)
            if not math.isfinite(loss):
                raise ModelError(f"epoch {epoch}: the loss is not finite; lower --rate and start again")
            self.seconds += time.perf_counter() - start
            self.log.append({"epoch": epoch + 1, "loss": round(loss, 4), "seconds": round(self.seconds)})
            print(json.dumps(self.log[-1]), file=sys.stderr, flush=True)
        return self.exported()

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
