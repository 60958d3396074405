"""Weights in the order in which the core loads them."""

import numpy as np


def blocks(weight, config):
    """Weight words of one source, int64 (output groups, words, lanes).

    ``weight``: (outputs, inputs, kernel, kernel). Words run kernel row, kernel column, input group,
    output channel of the group; what lies beyond the real channels is 0.
    """
    outputs, inputs, kernel, _ = weight.shape
    groups = -(-inputs // config.lanes)
    output_groups = -(-outputs // config.outputs)
    padded = np.zeros((output_groups * config.outputs, groups * config.lanes, kernel, kernel), np.int64)
    padded[:outputs, :inputs] = weight
    padded = padded.reshape(output_groups, config.outputs, groups, config.lanes, kernel, kernel)
    return padded.transpose(0, 4, 5, 2, 1, 3).reshape(output_groups, -1, config.lanes)


def encode(model, config):
    """All weight words, int64 (words, lanes): layer by layer, output group by output group."""
    parts = []
    for layer in model.layers:
        words = blocks(layer.weight, config)
        if layer.shortcut is not None:
            words = np.concatenate([words, blocks(layer.shortcut, config)], axis=1)
        parts.append(words.reshape(-1, config.lanes))
    parts.append(blocks(model.weight[:, :, None, None], config).reshape(-1, config.lanes))
    return np.concatenate(parts)
