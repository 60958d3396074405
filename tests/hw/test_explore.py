"""The design-space sweep: sizes that follow from the configuration, factors, the front."""

from dataclasses import replace

import numpy as np
import pytest

from onespike.contract.config import ARRAYS, preset
from onespike.errors import ToolError
from onespike.network import LayerSpec
from onespike_sim import area
from onespike_sim.explore import chosen, fits, pareto, requantised, workers
from onespike_sim.synth import Counts, Resources

from ..sw.test_compiler import model_of

BOARD = preset("arty-a7-35t")


def test_blocks_that_follow_from_the_sizes_alone():
    """The board's core, by hand.

    Weights: 16 x 9 x 4 bits by 2,048 words are 8 half blocks of 36 bits in width, 4 in depth. Spikes: four banks of
    48 x 512 bits. Potentials: 72 x 1,536 bits. Parameters: 64 x 320. Omega tables: six of 8 x 2,048. Counts: 36 x 512.
    Descriptors: 32 x 256.
    """
    assert area.dsp_blocks(BOARD) == 16 * 5 + 4 * 2
    assert area.block_memories(replace(BOARD, blocks=256)) == area.block_memories(BOARD) - 16
    assert area.dsp_blocks(replace(BOARD, array="da")) == 4 * 2


def samples(factors):
    """Cores whose cells are exactly what ``factors`` make of them."""
    for array in ARRAYS:
        for word, outputs, neurons in (
            (4, 8, 1),
            (8, 8, 2),
            (12, 8, 2),
            (12, 16, 2),
            (16, 16, 4),
            (8, 16, 1),
            (16, 32, 2),
        ):
            for weight_bits in (3, 4):
                config = replace(
                    BOARD, array=array, word=word, outputs=outputs, neurons=neurons, weight_bits=weight_bits
                )
                modules = {}
                for unit, values in area.terms(config).items():
                    cells = {name: float(np.dot(factors[unit][name], values)) for name in area.RESOURCES}
                    modules[f"core.{unit.split('.')[0]}"] = Counts(**cells)
                # What lies in no unit is the rest of the whole.
                modules["core"] = sum(modules.values(), Counts())
                del modules["core.core"]
                yield config, Resources(modules=modules)


def test_calibration_finds_the_factors_again():
    random = np.random.default_rng(1)
    sizes = {unit: values for array in ARRAYS for unit, values in area.terms(replace(BOARD, array=array)).items()}
    truth = {
        unit: {name: random.uniform(0.5, 2, len(values)) for name in area.RESOURCES} for unit, values in sizes.items()
    }
    made = list(samples(truth))
    found = area.calibrate(made)
    for config, resources in made:
        estimate = area.estimate(config, found)
        for name in area.RESOURCES:
            assert estimate[name] == pytest.approx(getattr(resources.modules["core"], name), rel=0.01)


def test_committed_factors_cover_every_core():
    factors = area.load()
    for array in ARRAYS:
        small, large = (replace(BOARD, array=array, word=word, outputs=word) for word in (8, 16))
        assert 0 < area.estimate(small, factors)["lut"] < area.estimate(large, factors)["lut"]


def point(lut, frames, **needs):
    predicted = {"lut": lut, "lutram": 0, "ff": 0, "bram": 0, "dsp": 0} | needs
    return {"predicted": predicted, "frames_per_second": frames}


def test_the_front_leaves_out_what_is_beaten():
    points = [point(300, 30), point(100, 10), point(200, 9), point(200, 20), point(300, 31), point(400, 31)]
    assert [(p["predicted"]["lut"], p["frames_per_second"]) for p in pareto(points)] == [
        (100, 10),
        (200, 20),
        (300, 31),
    ]


def test_cores_that_the_estimate_was_fitted_to_are_not_its_check():
    fitted = point(100, 10) | {"config": replace(BOARD, name="fitted", blocks=400)}
    front = [point(110, 11) | {"config": replace(BOARD, name=f"n{n}", neurons=1, weight_bits=n)} for n in (3, 4, 5)]
    beside = [point(120, 9) | {"config": replace(BOARD, name="da", array="da", neurons=1)}]
    assert chosen([fitted, *front], [fitted, *front, *beside]) == front + beside
    assert chosen([fitted], [fitted]) == []


def test_every_limit_counts():
    part = "xc7a35t"
    assert fits(point(12_480, 1, lutram=6_400, ff=41_600, bram=50, dsp=90), part, 0.6)
    for needs in ({"lut": 12_481}, {"lutram": 6_401}, {"ff": 41_601}, {"bram": 50.5}, {"dsp": 91}):
        assert not fits(point(1, 1) | {"predicted": point(1, 1)["predicted"] | needs}, part, 0.6), needs


def test_weights_of_another_width_stay_in_range():
    model = model_of(LayerSpec("a", 4))
    for bits in (2, 3, 6, 8):
        other = requantised(model, bits)
        assert other.spec.weight_bits == bits
        for weight in (other.weight, *(layer.weight for layer in other.layers)):
            assert weight.min() >= -(1 << bits - 1) and weight.max() < 1 << bits - 1


def note(path):
    path.touch()


def fail():
    raise ToolError("one job failed")


def test_a_job_that_fails_drops_those_that_wait(tmp_path):
    """Otherwise the sentence about a failure would come hours after it."""
    waiting = [tmp_path / str(n) for n in range(1000)]
    with pytest.raises(ToolError, match="one job failed"), workers(1) as pool:
        first = pool.submit(fail)
        for path in waiting:
            pool.submit(note, path)
        first.result()
    assert not waiting[-1].exists()
