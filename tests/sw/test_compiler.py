"""Compiler: placement, descriptors, proofs, the report's numbers, every refusal."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from onespike.compiler import compile, limits
from onespike.compiler.layout import place_maps
from onespike.contract.config import PRESETS, HwConfig, preset
from onespike.contract.isa import Carry, Op, Windows
from onespike.errors import LimitError
from onespike.network import LayerSpec, NetworkSpec
from onespike.quantised import QuantisedLayer, QuantisedModel
from onespike.random_networks import draw

TINY = preset("tiny")


def model_of(*layers, image=(1, 8, 8), classes=3, weight=1, **spec):
    """A model whose weights are all ``weight``."""
    spec = NetworkSpec("test", image, classes, tuple(layers), **spec)
    spec.check()
    geometry, built = spec.geometry(), []
    for layer, channels, _, _, source in geometry:
        table = np.zeros(2 ** (spec.k + 4), np.int64) if layer.carry is Carry.OMEGA else None
        skip = (
            None if source is None else np.full((layer.channels, geometry[source][0].channels, 1, 1), weight, np.int8)
        )
        main = np.full((layer.channels, channels, layer.kernel, layer.kernel), weight, np.int8)
        ones = np.ones(layer.channels, np.int64)
        built.append(QuantisedLayer(main, skip, ones, 0, ones, table))
    last = np.full((classes, spec.layers[-1].channels), weight, np.int8)
    return QuantisedModel(spec, built, last, np.zeros(classes, np.int64))


def test_numbers_of_a_small_network():
    """Worked by hand: 1x8x8 image, 3x3 to 4 channels, then 1x1 dilated to 6 channels, 3 classes; tiny core."""
    model = model_of(LayerSpec("a", 4), LayerSpec("b", 6, kernel=1, windows=Windows.D))
    compiled = compile(model, TINY)
    a, b, c = compiled.program.layers
    assert [layer["op"] for layer in (a, b, c)] == [Op.SPIKE, Op.SPIKE, Op.SCORE]
    # The image takes 8 planes of 64 words; one output group of 4, then two.
    assert (a["main"]["top"], a["main"]["planes"], a["base"]) == (7 * 64, 8, 512)
    assert (a["weights"], a["group_weights"], b["weights"], b["group_weights"], c["weights"]) == (0, 36, 36, 4, 44)
    # The dilated map's quadrant of 16 positions fits the tile of 16: the chain gathers.
    assert (b["gather"], b["scan_side"], b["main"]["offset"], b["main"]["window"]) == (1, 4, 4, 4)
    assert (b["parameters"], c["parameters"], c["channels"]) == (4, 10, 3)
    assert len(compiled.program.weights) == 48
    report = compiled.report
    assert [row.dense_sop for row in report.layers] == [4 * 9 * 8 * 64, 6 * 4 * 64, 3 * 6 * 64]
    assert [row.weights for row in report.layers] == [36, 24, 18]
    # 9 weights of 1 times 255 need 12 bits and a sign; 4 spikes 3 and a sign.
    assert [row.acc_bits for row in report.layers] == [13, 4, 4]
    assert report.memory["spike words"] == (576, TINY.spike_words)
    text = report.table()
    assert all(name in text for name in ("a ", "b ", "classifier", "spike words"))


def test_scanned_dilation_counts_its_work():
    small = dataclasses.replace(TINY, tile=8)
    model = model_of(LayerSpec("a", 4, kernel=1, windows=Windows.D))
    assert compile(model, small).program.layers[0]["gather"] == 0
    gathered, scanned = (compile(model, config).report.layers[0].dense_sop for config in (TINY, small))
    assert scanned == 2.25 * gathered


def test_maps_that_live_together_never_overlap():
    for seed in range(150):
        model, _ = draw(seed, TINY)
        maps, geometry = place_maps(model.spec, TINY), model.spec.geometry()
        for index, (*_, source) in enumerate(geometry):
            live = {index, index + 1} | ({source + 1} if source is not None else set())
            live |= {skip + 1 for *_, skip in geometry[index + 1 :] if skip is not None and skip < index}
            ranges = sorted((maps[n].base, maps[n].base + maps[n].words) for n in live)
            assert all(end <= start for (_, end), (start, _) in pairwise(ranges)), f"seed {seed}"
            assert ranges[-1][1] <= TINY.spike_words


@pytest.mark.parametrize(
    ("weights", "top", "bits"),
    [
        ([[1, 1]], 1, 3),
        ([[7, 8]], 1, 5),
        ([[-8, -8]], 1, 5),
        ([[-8, -9]], 1, 6),
        ([[0, 0]], 255, 1),
        ([[1]], 255, 9),
        ([[-1]], 256, 9),
    ],
)
def test_accumulator_bits(weights, top, bits):
    assert limits.accumulator_bits(np.array(weights), top) == bits


def replaced(**sizes):
    return dataclasses.replace(TINY, name="small", **sizes)


BIG = LayerSpec("wide", 40, windows=Windows.N)
OMEGA = (LayerSpec("one", 8, windows=Windows.N), LayerSpec("two", 8, windows=Windows.N, carry=Carry.OMEGA))
REFUSALS = [
    (
        replaced(acc_bits=10),
        (BIG,),
        {},
        "layer 'wide': accumulator width in bits 13 is beyond the limit of 10 of small",
    ),
    (replaced(weight_words=100), (BIG,), {}, "network: number of weight words"),
    (replaced(spike_words=600), (BIG,), {}, "layer 'wide': its spike map of 320 words"),
    (replaced(spike_words=500), (BIG,), {}, "image: its spike map of 512 words"),
    (replaced(channels=42), (BIG,), {}, "network: number of channels and classes 43"),
    (replaced(layers=2), OMEGA, {}, "network: number of layers with classifier 3"),
    (replaced(tables=0), OMEGA, {}, "network: number of Omega layers 1"),
    (replaced(potential_words=100), OMEGA, {}, "layer 'one': number of kept potentials 128"),
    (replaced(condense_words=63), (LayerSpec("d", 4, windows=Windows.D),), {}, "layer 'd': dilated map of pixels 64"),
    (replaced(weight_bits=3), (BIG,), {}, "network: weight_bits 4 is beyond the limit of 3"),
    (TINY, (BIG,), {"k": 4}, "network: trained for k = 4"),
    (replaced(spike_words=2**16), (BIG,), {"image": (65, 16, 16), "patch": 2}, "image: channels after patching 260"),
    (
        replaced(spike_words=2**20, channels=2**12),
        (LayerSpec("huge", 600, kernel=1), LayerSpec("b", 4)),
        {"image": (1, 64, 64)},
        "layer 'huge'",
    ),
]


@pytest.mark.parametrize(("config", "layers", "spec", "reason"), REFUSALS)
def test_refusals_name_layer_and_limit(config, layers, spec, reason):
    with pytest.raises(LimitError) as caught:
        compile(model_of(*layers, **spec), config)
    assert str(caught.value).startswith(reason), caught.value


def test_bad_configurations():
    with pytest.raises(LimitError, match="choose one of"):
        preset("nexys")
    fields = TINY.to_dict()
    with pytest.raises(LimitError, match="multiple of outputs"):
        HwConfig(**fields | {"lanes": 6})
    with pytest.raises(LimitError, match="weight_bits must be 2 to 8"):
        HwConfig(**fields | {"weight_bits": 9})
    assert set(PRESETS) >= {"tiny", "arty-a7-35t"}
