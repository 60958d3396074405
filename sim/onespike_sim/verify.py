"""Core against golden model: every layer's spikes and every score, bit for bit."""

from dataclasses import dataclass

import numpy as np

from onespike.compiler import compile
from onespike.contract.config import SCORE_BITS
from onespike.golden import Trace, run_traced, spike_words
from onespike.random_networks import draw

from .core_run import CoreRun, run_core
from .runner import SimulationError


@dataclass
class Verdict:
    """``mismatched`` bits (n,) per image over all layers and scores; ``layer_mismatched`` (n, layers);
    ``trace`` what the golden model's layers held."""

    run: CoreRun
    scores: np.ndarray
    mismatched: np.ndarray
    layer_mismatched: np.ndarray
    trace: Trace


def compare(program, images, **options):
    """Simulate ``program`` on patched ``images`` and compare with the golden model.

    A spike word that the core never wrote counts as wholly wrong, one outside the layer's map as one wrong bit.
    Raises ``SimulationError`` where the simulation does not finish.
    """
    scores, trace = run_traced(program, images)
    layers = len(program.layers)
    run = run_core(program.config, program.encode(), images, program.classes, layers, **options)
    if len(run.scores) != len(images):
        raise SimulationError(f"the core refused the program: status {run.status.name}; compile it for this core")
    wrong = np.zeros((len(images), layers), np.int64)
    for image in range(len(images)):
        for index, levels in enumerate(trace.levels):
            address, words = spike_words(program, program.layers[index], levels[image])
            written = run.memory[image][index][address]
            every = (1 << program.config.word) - 1
            wrong[image, index] = _ones(np.where(written < 0, every, written ^ words))
            stray = (run.memory[image][index] >= 0).any(1)
            stray[address] = False
            wrong[image, index] += stray.sum()
        differ = (run.scores[image] ^ scores[image]) & (1 << SCORE_BITS) - 1
        wrong[image, -1] = _ones(differ)
    return Verdict(run, scores, wrong.sum(1), wrong, trace)


def _ones(values):
    return int(np.bitwise_count(np.asarray(values, np.int64) & (2**63 - 1)).sum())


def fuzz(config, seeds, *, stall=25, report=None):
    """Random networks through the core; returns the seeds that failed. ``report`` is told each result."""
    failed = []
    for seed in seeds:
        model, images = draw(seed, config)
        pixels, options = model.spec.arrange(images), {"stall": stall if seed % 2 else 0, "seed": seed + 1}
        try:
            verdict = compare(compile(model, config).program, pixels, name=f"fuzz{seed % 8}", **options)
        except SimulationError as error:
            raise SimulationError(f"random network {seed}: {error}") from None
        if verdict.mismatched.any():
            failed.append(seed)
        if report:
            report(seed, model, verdict)
    return failed
