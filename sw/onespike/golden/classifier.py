"""Scores out: the last layer's sums over the whole map, plus the bias."""

import numpy as np

from .layers import block_weights, exact_product


def score(program, layer, levels, top):
    """int64 (n, classes) of levels (channels, n, side, side)."""
    source = layer["main"]
    weights = block_weights(program, layer["weights"], layer, source["kernel"], source["groups"])[:, :, 0, 0]
    counts = levels.sum((2, 3), dtype=np.float64)
    bias = program.bias[layer["parameters"] :][: layer["channels"]]
    return exact_product(weights[: layer["channels"]], counts, top * (2 * layer["half"]) ** 2).T + bias


def decide(scores):
    """Predicted class per image; of equal scores the lowest class wins."""
    return scores.argmax(1)
