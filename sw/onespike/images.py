"""Pixels as the core wants them: patches to channels, and images made by formula."""

import numpy as np


def patch(images, p):
    """Patches to channels: uint8 (n, C, H, W) -> (n, p*p*C, H/p, W/p), channel = (row*p + column)*C + colour."""
    n, c, h, w = images.shape
    split = images.reshape(n, c, h // p, p, w // p, p)
    return np.ascontiguousarray(split.transpose(0, 3, 5, 1, 2, 4)).reshape(n, p * p * c, h // p, w // p)


def arrange(images, p, steps=1, encoding="planes"):
    """Images uint8 (n, C, H, W) as the core takes them: encoded, patched, and with time steps one copy in each window.

    ``encoding`` planes leaves the pixels as they are; threshold makes them 0 or 255 by comparison with a half,
    bernoulli by one with random numbers (of a fixed seed, so that a run can be repeated).
    """
    if encoding == "threshold":
        images = np.where(images > 127, np.uint8(255), np.uint8(0))
    elif encoding == "bernoulli":
        drawn = np.random.default_rng(0).integers(0, 255, images.shape)
        images = np.where(images > drawn, np.uint8(255), np.uint8(0))
    patched = patch(images, p)
    return patched if steps == 1 else np.tile(patched, (1, 1, 2, 2))


def procedural(count, shape, seed=0):
    """Images by formula, uint8 (count, C, H, W): coloured waves with noise; for runs without data."""
    rng = np.random.default_rng(seed)
    c, h, w = shape
    y, x = np.mgrid[0:h, 0:w]
    images = np.empty((count, c, h, w), np.uint8)
    for image in images:
        for plane in image:
            fy, fx, phase = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), rng.uniform(0, 6.3)
            wave = 127.5 + 90 * np.sin(fy * y + fx * x + phase) + rng.normal(0, 12, (h, w))
            plane[...] = np.clip(wave, 0, 255)
    return images
