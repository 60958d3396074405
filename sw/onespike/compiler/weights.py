"""Weights in the order in which the core loads them."""

import numpy as np

from ..contract.config import TAPS


def blocks(weight, config):
    """Weight blocks of one source, int64 (output groups, blocks, outputs, lanes).

    ``weight``: (outputs, inputs, kernel, kernel). A 3x3 kernel takes a block per channel word and kernel
    row, its lanes are the row's three taps times the word's channels; a 1x1 kernel takes three channel
    words per block. What lies beyond the real channels is 0.
    """
    outputs, inputs, kernel, _ = weight.shape
    words = -(-inputs // config.word)
    if kernel == 1:
        words += -words % TAPS
    output_groups = -(-outputs // config.outputs)
    padded = np.zeros((output_groups * config.outputs, words * config.word, kernel, kernel), np.int64)
    padded[:outputs, :inputs] = weight
    if kernel == 1:
        parts = padded.reshape(output_groups, config.outputs, -1, config.lanes)
        return parts.transpose(0, 2, 1, 3)
    parts = padded.reshape(output_groups, config.outputs, words, config.word, kernel, kernel)
    return parts.transpose(0, 2, 4, 1, 5, 3).reshape(output_groups, -1, config.outputs, config.lanes)


def encode(model, config):
    """All weight blocks, int64 (blocks, outputs, lanes): layer by layer, output group by output group."""
    parts = []
    for layer in model.layers:
        group = blocks(layer.weight, config)
        if layer.shortcut is not None:
            group = np.concatenate([blocks(layer.shortcut, config), group], axis=1)
        parts.append(group.reshape(-1, config.outputs, config.lanes))
    parts.append(blocks(model.weight[:, :, None, None], config).reshape(-1, config.outputs, config.lanes))
    return np.concatenate(parts)
