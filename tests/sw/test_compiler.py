"""Compiler: placement, descriptors, proofs, the report's numbers, every refusal."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from onespike.compiler import compile, limits, schedule
from onespike.compiler.fit import fit
from onespike.compiler.layout import place_maps
from onespike.contract.config import PRESETS, HwConfig, preset
from onespike.contract.isa import Carry, Op, Padding, Windows
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
    # A word holds four pixels: a plane of 8x8 has 16 words and one to the next group, 17 (1 modulo 4).
    assert (a["main"]["group_step"], a["main"]["plane_step"]) == (17, 17)
    assert (a["main"]["top"], a["main"]["planes"], a["base"]) == (7 * 17, 8, 8 * 17)
    # One output group of 8 channels: three kernel rows; then one block for three words of a 1x1 kernel.
    assert (a["weights"], a["group_blocks"], b["weights"], b["group_blocks"], c["weights"]) == (0, 3, 3, 1, 4)
    # The dilated map's quadrant of 16 positions fits the tile of 16: nothing is scanned.
    assert (b["scan"], b["scan_side"], b["positions"], b["main"]["offset"], b["main"]["window"]) == (0, 4, 16, 4, 4)
    assert (a["main"]["fresh"], b["main"]["fresh"], c["main"]["fresh"]) == (0, 1, 1)
    assert (b["parameters"], c["parameters"], c["channels"]) == (4, 10, 3)
    assert len(compiled.program.weights) == 5
    report = compiled.report
    assert [row.dense_sop for row in report.layers] == [4 * 9 * 8 * 64, 6 * 4 * 64, 3 * 6 * 64]
    assert [row.weights for row in report.layers] == [36, 24, 18]
    # 9 weights of 1 times 255 need 12 bits and a sign; 4 spikes 3 and a sign; the scores of 16 pixels of 6.
    assert [row.acc_bits for row in report.layers] == [13, 4, 8]
    assert report.memory["spike words"] == (8 * 17 + 2 * 17, TINY.spike_words)
    # The array takes 16 positions per block: 8 planes x 3 rows, then one block each.
    assert [row.beats for row in report.layers] == [24 * 16, 16, 16]
    text = report.table()
    assert all(name in text for name in ("a ", "b ", "classifier", "spike words"))


def test_levels_are_two_planes():
    """What reads a layer of levels takes two planes, the upper first; its map is twice as large."""
    layers = (LayerSpec("b", 4, kernel=1), LayerSpec("c", 4, kernel=1, shortcut="a"))
    plain, levels = (compile(model_of(LayerSpec("a", 4, levels=top), *layers), TINY) for top in (1, 3))
    a, b, c, _ = levels.program.layers
    assert (a["levels"], a["plane_step"], b["levels"]) == (1, 17, 0)
    for source in (b["main"], c["shortcut"]):
        assert (source["planes"], source["top"], source["plane_step"]) == (2, a["base"] + 17, 17)
    assert [row.spike_words for row in levels.report.layers] == [34, 17, 17, 0]
    assert [row.beats for row in levels.report.layers] == [24 * 16, 2 * 16, 3 * 16, 16]
    assert [row.beats for row in plain.report.layers] == [24 * 16, 16, 2 * 16, 16]
    # Four levels of 3 need 4 bits and a sign, and the shortcut's beside four spikes one more.
    assert [row.acc_bits for row in levels.report.layers[1:3]] == [5, 6]
    assert "levels" in levels.report.layers[0].mode and "levels" not in plain.report.table()


def test_time_steps_are_windows():
    """Four copies of the image; of two steps there are two chains; strides stay inside a step."""
    lif = {"windows": Windows.N, "padding": Padding.WINDOW, "carry": Carry.RESET}
    for steps in (2, 4):
        model = model_of(LayerSpec("a", 4, stride=2, **lif), LayerSpec("b", 4, **lif), steps=steps)
        program = compile(model, TINY).program
        assert program.image_side == 16 and program.metadata["steps"] == steps
        assert [layer["pairs"] for layer in program.layers] == [int(steps == 2)] * 2 + [0]
        assert [(layer["half"], layer["positions"]) for layer in program.layers] == [(4, 16)] * 3
        assert (program.layers[0]["main"]["window"], program.layers[0]["main"]["offset"]) == (8, 8)


def test_scanned_dilation_counts_its_work():
    small = dataclasses.replace(TINY, tile=8)
    model = model_of(LayerSpec("a", 4, kernel=1, windows=Windows.D))
    assert compile(model, small).program.layers[0]["scan"] == 1
    gathered, scanned = (compile(model, config).report.layers[0].dense_sop for config in (TINY, small))
    assert scanned == 2.25 * gathered


@pytest.mark.parametrize(
    ("half", "scan", "stride", "columns"),
    [
        # Rows of 4 and 8 words keep neighbours in different banks, even where a row wraps; so does 3.
        (4, 0, 1, [0, 0, 0, 0]),
        (3, 0, 1, [0, 0, 0]),
        # In rows of 6 the word beside the border and the one it wraps to are 5 apart: 1 modulo 4 like a neighbour.
        (6, 0, 1, [1, 0, 0, 0, 0, 1]),
        (6, 0, 2, [1, 0, 0]),
        (5, 0, 1, [1, 0, 0, 0, 1]),
    ],
)
def test_rows_that_wrap_take_a_second_beat(half, scan, stride, columns):
    source = {"half": half, "stride": stride, "kernel": 3, "offset": 0}
    extra = schedule.seams({"scan": scan, "scan_side": half // stride}, source)
    assert [left for left, _ in extra] == columns


def test_model_fitted_to_its_network():
    """``fit`` gives a core that the network just fits, whatever the sizes of the array."""
    model, _ = draw(5, TINY)
    for word, outputs in ((4, 8), (8, 16), (16, 16)):
        config = fit(model, dataclasses.replace(TINY, word=word, outputs=outputs))
        report = compile(model, config).report
        used = {name: share for name, share in report.memory.items() if name != "tables"}
        assert all(count <= room for count, room in used.values())
        assert report.memory["weight blocks"][1] - report.memory["weight blocks"][0] < 16
        assert report.memory["acc bits"][0] == config.acc_bits


def test_maps_that_live_together_never_overlap():
    for seed in range(150):
        model, _ = draw(seed, TINY)
        maps, geometry = place_maps(model.spec, TINY), model.spec.geometry()
        for index, (*_, source) in enumerate(geometry):
            live = {index, index + 1} | ({source + 1} if source is not None else set())
            live |= {skip + 1 for *_, skip in geometry[index + 1 :] if skip is not None and skip < index}
            live |= {0}  # the next image may arrive at any time
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
    (replaced(blocks=10), (BIG,), {}, "network: number of weight blocks 17"),
    (replaced(spike_words=200), (BIG,), {}, "layer 'wide': its spike map of 68 words ends at word 204"),
    (replaced(spike_words=130), (BIG,), {}, "image: its spike map of 136 words"),
    (replaced(channels=42), (BIG,), {}, "network: number of channels and classes 44"),
    (replaced(layers=2), OMEGA, {}, "network: number of layers with classifier 3"),
    (
        replaced(tables=1),
        (*OMEGA, dataclasses.replace(OMEGA[1], name="three")),
        {},
        "network: number of Omega layers 2",
    ),
    (replaced(potential_words=60), OMEGA, {}, "layer 'one': words of kept potentials"),
    (replaced(condense_words=32), (LayerSpec("d", 4, windows=Windows.D),), {}, "layer 'd': dilated map of pixels 64"),
    (replaced(weight_bits=3), (BIG,), {}, "network: weight_bits 4 is beyond the limit of 3"),
    (TINY, (BIG,), {"k": 4}, "network: trained for k = 4"),
    (replaced(spike_words=2**16), (BIG,), {"image": (65, 16, 16), "patch": 2}, "image: channels after patching 260"),
    (
        replaced(spike_words=2**16, channels=2**12),
        (LayerSpec("huge", 800, kernel=1), LayerSpec("b", 4)),
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
    for sizes, reason in (
        ({"word": 6}, "multiple of 4"),
        ({"outputs": 12}, "multiple of 4 x neurons"),
        ({"word": 12, "outputs": 16, "neurons": 4}, "cannot be collected"),
        ({"acc_bits": 19}, "more than the 18 bits"),
        ({"array": "systolic"}, "none of tree, da, da-simd"),
        ({"word": 12, "outputs": 32}, "more than two words"),
        ({"tile": 10}, "tile must be a power of two"),
        ({"outputs": 12, "neurons": 3}, "neurons must be a power of two"),
        ({"condense_words": 144}, "4 times a power of two"),
        ({"k": 10}, "k must be 1 to 9"),
        ({"weight_bits": 8}, "sums of 14 bits do not fit the 12"),
        ({"tables": 0}, "tables must be 1 to 16, not 0"),
        ({"tables": 17}, "tables must be 1 to 16"),
        ({"layers": 300}, "layers must be 1 to 255"),
        ({"positions": 4356}, "positions must be 1 to 4096"),
    ):
        with pytest.raises(LimitError, match=reason):
            HwConfig(**fields | sizes)
    with pytest.raises(LimitError, match="weight_bits must be 2 to 8"):
        HwConfig(**fields | {"weight_bits": 9})
    assert set(PRESETS) >= {"tiny", "arty-a7-35t"}
