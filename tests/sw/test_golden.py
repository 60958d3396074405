"""Golden model against two other statements of the same network: torch integers and plain Python."""

import numpy as np
import pytest
import torch

from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.contract.isa import Carry, Padding, Windows, output_planes
from onespike.contract.program import Program
from onespike.errors import DataError
from onespike.golden import decide, run, run_traced, spike_words
from onespike.golden.layers import exact_product
from onespike.model.integer import IntegerNetwork
from onespike.network import LayerSpec
from onespike.random_networks import draw

from . import naive
from .test_compiler import model_of

TINY = preset("tiny")


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_equals_torch(start):
    for seed in range(start, start + 20):
        model, images = draw(seed, TINY)
        program = Program.decode(compile(model, TINY).program.encode())
        pixels = model.spec.arrange(images)
        reference = IntegerNetwork(model)(torch.from_numpy(pixels)).numpy()
        assert np.array_equal(run(program, pixels), reference), f"seed {seed}"


def test_equals_plain_python():
    """The smallest networks of 60, pixel by pixel."""
    sizes = {
        seed: sum(layer.channels for layer in draw(seed, TINY)[0].spec.layers) * draw(seed, TINY)[0].spec.input_shape[1]
        for seed in range(60)
    }
    for seed in sorted(sizes, key=sizes.get)[:12]:
        model, images = draw(seed, TINY)
        pixels = model.spec.arrange(images)[:1]
        assert run(compile(model, TINY).program, pixels).tolist() == [naive.scores(model, pixels[0])], f"seed {seed}"


def test_trace_holds_every_layer(rng):
    model, images = draw(8, TINY)
    program = compile(model, TINY).program
    scores, trace = run_traced(program, model.spec.arrange(images))
    assert len(trace.levels) == len(trace.potentials) == len(model.spec.layers)
    for (spec, _, _, side, _), levels, potentials in zip(
        model.spec.geometry(), trace.levels, trace.potentials, strict=True
    ):
        assert levels.shape == (len(images), spec.channels, side, side)
        assert len(potentials) in (1, 4) and abs(np.concatenate([p.ravel() for p in potentials])).max() <= 2048
    assert np.array_equal(scores, run(program, model.spec.arrange(images)))


@pytest.mark.parametrize(("steps", "potentials"), [(4, [61, 71, 62, 71]), (2, [61, 71, 61, 71])])
def test_time_steps_worked_by_hand(steps, potentials):
    """A LIF neuron of levels whose current is 61 (pixel and bias) in every step; of two steps there are two pairs.

    61 fires 1 of 32 and leaves 29, which leak to 7 + 3 + 0; 71 fires 2 and leaves 7, which leak to 1 + 0 + 0; 62 as 61.
    """
    lif = {"windows": Windows.N, "padding": Padding.WINDOW, "carry": Carry.RESET}
    model = model_of(LayerSpec("a", 1, kernel=1, levels=3, **lif), image=(1, 2, 2), steps=steps)
    program = compile(model, TINY).program
    scores, trace = run_traced(program, model.spec.arrange(np.full((1, 1, 2, 2), 60, np.uint8)))
    assert [np.unique(v).tolist() for v in trace.potentials[0]] == [[v] for v in potentials]
    assert [int(level) for level in trace.levels[0][0, 0, ::2, ::2].ravel()] == [1, 2, 1, 2]
    assert scores.tolist() == [[4 * (1 + 2 + 1 + 2)] * 3]


def test_spike_words_hold_every_level(rng):
    """Pixel (y, x) is bit c % word of the word at its place inside its quadrant, in the quadrant's part."""
    program = compile(draw(2, TINY)[0], TINY).program
    for layer in program.layers[:-1]:
        half, channels = layer["half"], layer["channels"]
        levels = rng.integers(0, 2 ** output_planes(layer), (channels, 2 * half, 2 * half))
        addresses, words = spike_words(program, layer, levels)
        memory = dict(zip(addresses.tolist(), words.tolist(), strict=True))
        for c, y, x in np.ndindex(levels.shape):
            for plane in range(output_planes(layer)):
                place = y % half * half + x % half
                group = c // TINY.word * layer["group_step"]
                word = memory[layer["base"] + plane * layer["plane_step"] + group + place]
                quadrant = 2 * (y // half) + x // half
                assert word[quadrant] >> c % TINY.word & 1 == levels[c, y, x] >> plane & 1


def test_products_stay_exact():
    weights = np.full((1, 5), 2**20)
    assert exact_product(weights, np.full((5, 1), 255.0, np.float32), 255)[0, 0] == 5 * 255 * 2**20
    with pytest.raises(AssertionError):
        exact_product(np.full((1, 2**14), 2**32), np.zeros((2**14, 1), np.float32), 255)


def test_equal_scores_take_the_lowest_class():
    assert decide(np.array([[1, 5, 5], [0, 0, 0]])).tolist() == [1, 0]


def test_pixels_that_do_not_fit():
    model, images = draw(3, TINY)
    program = compile(model, TINY).program
    good = model.spec.arrange(images)
    for bad in (good.astype(np.int64), good[:, :, :-1], good[0]):
        with pytest.raises(DataError, match="the program takes uint8"):
            run(program, bad)
