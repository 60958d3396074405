"""A plain network trained in snnTorch, with one time step, to the core: train, quantise, compile, compare.

    python sw/examples/snntorch_to_core.py --dataset fashion --out build/plain.npz

Says how often the core's integers and the real-valued network predict the same class. Without the data set it runs
on images made by formula and says so.
"""

import argparse
import sys
from dataclasses import replace

import numpy as np
import snntorch
import torch
import torch.nn.functional as F
from snntorch import surrogate, utils
from torch import nn

from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.data import Dataset, load
from onespike.errors import DataError, OnespikeError
from onespike.exchange import from_modules, quantise_plain
from onespike.golden import decide, run
from onespike.images import patch

SIDE, PATCH, CLASSES = 32, 2, 10
"""The core halves even sides only, so images of 28 pixels get a border; pixels of a patch become channels."""


def plain_network(channels):
    """Four spiking convolutions and a classifier, for patched images (4, 16, 16) of 0..1."""

    def spiking(inputs, outputs, stride):
        # One time step from rest: the leak never shows, and the neuron must forget before the next batch.
        neuron = snntorch.Leaky(beta=0.9, spike_grad=surrogate.fast_sigmoid(slope=5), init_hidden=True)
        return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), neuron

    wide = 2 * channels
    layers = (
        *spiking(PATCH**2, channels, 1),
        *spiking(channels, wide, 2),
        *spiking(wide, wide, 2),
        *spiking(wide, wide, 1),
    )
    classifier = nn.Linear(wide, CLASSES)
    nn.init.normal_(classifier.weight, std=3.0)  # rates differ little between images: small weights learn slowly
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)


def scores(network, images):
    """Class scores (n, classes) of patched images uint8 (n, 4, 16, 16)."""
    utils.reset(network)
    return network(torch.from_numpy(images).float() / 255)


def train(network, images, labels, epochs, batch=64):
    """Cross entropy, Adam, a rate that falls to zero."""
    optimiser = torch.optim.Adam(network.parameters(), 5e-3, weight_decay=1e-4)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    network.train()
    for epoch in range(epochs):
        total, order = 0.0, torch.randperm(len(images)).numpy()
        for start in range(0, len(images) // batch * batch, batch):
            rows = order[start : start + batch]
            loss = F.cross_entropy(scores(network, images[rows]), torch.from_numpy(labels[rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * batch
        print(f"epoch {epoch + 1}: loss {total / len(images):.3f}", flush=True)
    network.eval()


def formula_set(count, seed):
    """(images uint8 (count, 1, 32, 32), labels): gratings, one direction a class, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    angle = np.pi * labels / CLASSES
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    wave = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    images = 127 + 90 * np.sin(1.2 * wave + rng.uniform(0, 6.3, (count, 1, 1))) + rng.normal(0, 20, wave.shape)
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


def data(name, folder):
    """The data set with patched images, or one made by formula where it is missing."""
    try:
        found = load(name, folder)
    except DataError as error:
        print(f"{error}\nNO DATA: images made by formula instead", file=sys.stderr)
        found = Dataset("formula", *formula_set(8000, 0), *formula_set(1000, 1), test_pixels="exact")
    return replace(found, train_images=arranged(found.train_images), test_images=arranged(found.test_images))


def arranged(images):
    """Patched images uint8 (n, 4, 16, 16) of (n, 1, h, w), with a black border up to 32 pixels."""
    border = (SIDE - images.shape[-1]) // 2
    return patch(np.pad(images, ((0, 0), (0, 0), (border, border), (border, border))), PATCH)


def to_core(args):
    """The whole way; returns the report as a dictionary."""
    torch.manual_seed(args.seed)
    found = data(args.dataset, args.data)
    network = plain_network(args.channels)
    train(network, found.train_images[: args.images], found.train_labels[: args.images], args.epochs)
    images, labels = found.test_images[: args.test], found.test_labels[: args.test]

    plain = from_modules(network, images.shape[1:], name=f"plain-{found.name}", patch=PATCH)
    model = quantise_plain(plain, found.train_images[: args.calibrate] if args.calibrate else None)
    program = compile(model, preset(args.config)).program
    with torch.no_grad():
        real = np.concatenate([scores(network, part).argmax(1) for part in np.array_split(images, -(-len(images) // 250))])
    core = decide(run(program, images))
    if args.out:
        model.save(args.out)
    return {
        "data": found.name,
        "images": len(images),
        "agree": int((real == core).sum()),
        "top1_real": 100 * float((real == labels).mean()),
        "top1_core": 100 * float((core == labels).mean()),
    }


def main(argv=None):
    """Parse, run, print; returns the report."""
    parser = argparse.ArgumentParser(description="A plain network trained in snnTorch, to the core.")
    parser.add_argument("--dataset", choices=("mnist", "fashion"), default="mnist")
    parser.add_argument("--data", help="folder that holds the data set")
    parser.add_argument("--config", default="arty-a7-35t", help="core configuration")
    parser.add_argument("--channels", type=int, default=16, help="channels of the first layer; the others have twice as many")
    parser.add_argument("--images", type=int, default=10_000, help="training images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--test", type=int, default=2000, help="test images")
    parser.add_argument("--calibrate", type=int, default=500, help="training images to move the thresholds with; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", help="trained model to write (.npz)")
    report = to_core(parser.parse_args(argv))
    print(
        f"{report['agree']} of {report['images']} {report['data']} test images get the same class from the core as from "
        f"snnTorch; top-1 {report['top1_core']:.2f} % in the core's integers, {report['top1_real']:.2f} % in real numbers"
    )
    return report


if __name__ == "__main__":
    try:
        main()
    except OnespikeError as error:
        sys.exit(f"{error}")
