"""A network from another framework in the simulated core: every spike and every score, bit for bit."""

import numpy as np
import snntorch
import torch
from torch import nn

from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.exchange import from_modules, nir_export, nir_import, quantise_plain
from onespike_sim.verify import compare


def test_an_imported_network_runs_bit_exactly(rng):
    """snnTorch's modules, through a NIR graph, on the tiny core."""
    torch.manual_seed(5)

    def neuron():
        return snntorch.Leaky(0.9, threshold=0.2, init_hidden=True)

    network = nn.Sequential(
        *(nn.Conv2d(1, 10, 3, 1, 1), nn.BatchNorm2d(10), neuron()),
        *(nn.Conv2d(10, 14, 3, 2, 1), nn.BatchNorm2d(14), neuron()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(14, 4)),
    ).eval()
    images = rng.integers(0, 256, (2, 1, 8, 8)).astype(np.uint8)
    model = quantise_plain(from_modules(network, (1, 8, 8)))
    model = quantise_plain(nir_import(nir_export(model)))
    verdict = compare(compile(model, preset("tiny")).program, images, name="exchange")
    assert not verdict.mismatched.any()
    assert all(0 < levels.mean() < 1 for levels in verdict.trace.levels)
