"""A data set by formula, for runs that must not need one: noisy stripes in four directions, which is the class."""

import numpy as np

TRAIN, TEST, CLASSES, SHAPE = 3000, 500, 4, (3, 16, 16)


def draw():
    """(Training images, labels, test images, labels); always the same."""
    rng = np.random.default_rng(0)
    return (*_some(rng, TRAIN), *_some(rng, TEST))


def _some(rng, count):
    labels = rng.integers(0, CLASSES, count)
    y, x = np.mgrid[0 : SHAPE[1], 0 : SHAPE[2]]
    angle = np.pi / CLASSES * labels[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    waves = 127.5 + 80 * np.sin(0.9 * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    noise = rng.normal(0, 30, (count, *SHAPE))
    return np.clip(waves[:, None] + noise, 0, 255).astype(np.uint8), labels.astype(np.int64)
