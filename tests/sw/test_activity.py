"""Effective SOP: counted by hand where that is possible, bounded by dense SOP everywhere."""

import numpy as np

from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.golden import effective_sop, fired_spikes, run_traced, silent_beats
from onespike.network import LayerSpec

from .test_compiler import model_of

TINY = preset("tiny")


def test_worked_by_hand():
    """One white pixel in the corner of an 8x8 image, all weights 1: 3x3 to 4 channels, classifier."""
    model = model_of(LayerSpec("a", 4))
    model.layers[0].bias[:] = -2000  # silent
    pixels = np.zeros((1, 1, 8, 8), np.uint8)
    pixels[0, 0, 0, 0] = 255
    program = compile(model, TINY).program
    _, trace = run_traced(program, pixels)
    # Eight planes of one pixel that four 3x3 kernels reach, four channels each.
    assert effective_sop(program, pixels, trace) == 8 * 4 * 4
    # 16 positions, three kernel rows, eight planes; in each plane four positions see the pixel, in one window.
    assert silent_beats(program, pixels, trace).tolist() == [[384, 384 - 32, 4 * 384 - 32], [16, 16, 64]]
    model.layers[0].bias[:] = 2000  # every neuron fires: the classifier adds everything
    program = compile(model, TINY).program
    _, trace = run_traced(program, pixels)
    assert effective_sop(program, pixels, trace) == 8 * 4 * 4 + 3 * 4 * 64
    assert silent_beats(program, pixels, trace)[1].tolist() == [16, 0, 0]


def test_spikes_of_levels():
    """A level has a spike in each plane that is set: 100 is level 3, 90 level 2, 33 level 1."""
    layer = LayerSpec("a", 1, kernel=1, levels=3)
    program = compile(model_of(layer, image=(1, 2, 2)), TINY).program
    pixels = np.array([[[[99, 89], [32, 0]]]], np.uint8)  # the bias is 1
    _, trace = run_traced(program, pixels)
    assert trace.levels[0].tolist() == [[[[3, 2], [1, 0]]]]
    assert fired_spikes(program, trace).tolist() == [4]
    # Three classes add the level's set bits; the pixels have 4, 4, 1 and no bits.
    assert effective_sop(program, pixels, trace) == 4 + 4 + 1 + 3 * 4


def test_never_beyond_dense_sop():
    from onespike.random_networks import draw

    for seed in range(60):
        model, images = draw(seed, TINY)
        compiled = compile(model, TINY)
        pixels = model.spec.arrange(np.full_like(images, 255))
        _, trace = run_traced(compiled.program, pixels)
        assert 0 < effective_sop(compiled.program, pixels, trace) <= compiled.report.dense_sop, f"seed {seed}"
        beats = silent_beats(compiled.program, pixels, trace)[:, 0] / len(images)
        # Where a quadrant's side makes words share a bank, a position may take two cycles.
        assert all(b <= row.beats <= 2 * b for b, row in zip(beats, compiled.report.layers, strict=True)), (
            f"seed {seed}"
        )
