"""The compiler's schedule against the simulated core, cycle counts only."""

import numpy as np

from onespike.compiler import compile
from onespike.compiler.schedule import predict
from onespike.contract.config import preset
from onespike.random_networks import draw
from onespike_sim.verify import compare

SEEDS = (0, 2, 4, 5, 6, 7, 8, 9, 11, 12)
"""Random networks of three to five layers, that of scores included; 4 is the worst of the first twenty such."""
IMAGES = 3


def test_schedule_of_random_networks():
    """Latency within 5 % (mean 2 %); cycles per image within 20 % (mean 4 %), and so the layers' shares of them.

    Over twenty networks the latency was off by 1.3 % in the mean and 3.9 % at worst, the cycles by 2.1 % and
    18 %: an image that arrives while the neurons write spike words waits for them, which is not predicted.
    """
    config = preset("tiny")
    latency, cycles, layers = [], [], []
    for seed in SEEDS:
        model, images = draw(seed, config)
        images = np.concatenate([images] * IMAGES)[:IMAGES]
        compiled = compile(model, config)
        program = compiled.program
        plan = predict(program.layers, config, compiled.report.image_cycles, IMAGES)
        run = compare(program, model.spec.arrange(images), name="schedule").run
        assert len(program.layers) >= 3
        latency.append(abs(plan.latency / run.latency - 1))
        cycles.append(abs(plan.cycles / run.cycles - 1))
        # From the first layer of the second image to that of the third: all layers of a steady state.
        steps = run.layer_cycles[IMAGES - 2]
        layers.append(np.abs(np.subtract(plan.layer_cycles, steps)).sum() / steps.sum())
    assert np.mean(latency) < 0.02 and max(latency) < 0.05, latency
    assert np.mean(cycles) < 0.04 and max(cycles) < 0.20, cycles
    assert np.mean(layers) < 0.05 and max(layers) < 0.20, layers
