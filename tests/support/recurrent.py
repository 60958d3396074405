"""Networks with a recurrent block and random integers, for tests that need no training."""

from dataclasses import replace

import numpy as np

from onespike.contract import recurrent as definition
from onespike.model.recurrent import RecurrentNetwork
from onespike.network import LayerSpec, NetworkSpec
from onespike.recurrent import RecurrentModel


def random_model(block, inputs=6, side=4, classes=3, seed=0):
    """A ``RecurrentModel`` of ``block`` behind one layer of ``inputs`` channels.

    Weights of the block go to their limits; in half of them biases do too, so that tables end and ``c`` saturates.
    """
    rng = np.random.default_rng(seed)
    front = NetworkSpec("random", (1, side, side), classes, (LayerSpec("stem", inputs),))
    model: RecurrentModel = RecurrentNetwork(front, block).export()
    top = definition.WEIGHT_TOP
    bias_top = (1 << definition.BIAS_BITS - 1) - 1 if seed % 2 else 1 << definition.STATE_SHIFT
    return replace(
        model,
        drive=rng.integers(-top // 2, top // 2, model.drive.shape).astype(np.int8),
        weight=rng.integers(-top, top + 1, model.weight.shape).astype(np.int8),
        bias=rng.integers(-bias_top, bias_top + 1, model.bias.shape),
        class_weight=rng.integers(-8, 8, model.class_weight.shape).astype(np.int8),
        class_bias=rng.integers(-1000, 1000, model.class_bias.shape),
    )


def random_spikes(model, count, seed=0):
    """Spikes int64 (count, inputs, side, side); the first image has none and the second one has all."""
    rng = np.random.default_rng(seed)
    spikes = (rng.random((count, model.drive.shape[-1], model.side, model.side)) < 0.4).astype(np.int64)
    spikes[:1], spikes[1:2] = 0, 1
    return spikes
