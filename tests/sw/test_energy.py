"""Energy: counts of a network small enough for paper, properties over random ones, the paper's table, the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from onespike import cli
from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.contract.isa import Carry, Condense, Padding, Windows
from onespike.energy import assumptions, measure, paper, table
from onespike.energy.counts import CARRY_ADDS
from onespike.errors import DataError, LimitError
from onespike.images import procedural
from onespike.network import LayerSpec
from onespike.quantised import QuantisedModel
from onespike.random_networks import draw

from .test_compiler import model_of

TINY = preset("tiny")
DOCUMENT = Path(__file__).parents[2] / "docs" / "energy.md"


def white(corner=255):
    """An 8x8 image with one pixel that is not black."""
    image = np.zeros((1, 1, 8, 8), np.uint8)
    image[0, 0, 0, 0] = corner
    return image


def layers_of(result, kind="layers"):
    """Work by layer name."""
    return {layer["name"]: layer for layer in result[kind]}


class TestByHand:
    """3x3 to 4 channels that never fire on a white corner pixel, all weights 1, then the classifier of 3 classes."""

    @pytest.fixture
    def result(self):
        model = model_of(LayerSpec("a", 4))
        model.layers[0].bias[:] = -2000
        return measure(model, TINY, white())

    def test_operations(self, result):
        a, last = layers_of(result)["a"], layers_of(result)["classifier"]
        # Eight planes of one pixel that four kernels reach, four channels each; 64 positions of 9 taps are dense.
        assert (a["dense"], a["effective"], a["adder_bits"], a["factor_bits"]) == (4 * 9 * 8 * 64, 8 * 4 * 4, 13, 0)
        # A multiply, a bias and a comparison for every neuron.
        assert (a["multiplies"], a["neuron_adds"]) == (4 * 64, 2 * 4 * 64)
        # The sums of four quadrants and the bias of each class.
        assert (last["effective"], last["multiplies"], last["neuron_adds"]) == (0, 0, 3 * 4)

    def test_memory(self, result):
        image, a, last = result["layers"]
        # A word is one channel group at a place of four quadrants: 16 words a plane.
        assert (image["words_written"], a["words_written"], last["words_written"]) == (8 * 16, 16, 0)
        # A tile of 16 positions, eight planes, three kernel rows; each a load, 16 cycles of three words.
        assert (a["blocks"], a["words_read"]) == (8 * 3, 8 * 3 * 16 * 3)
        assert (a["block_bits"], a["word_bits"]) == (8 * 36 * 4, 12 * 4)
        # Eight outputs in four windows, read and written in every cycle.
        assert a["accumulator_accesses"] == 2 * 8 * 3 * 16 * 8 * 4
        assert (a["parameters"], a["table_reads"], a["potential_accesses"]) == (4 * 16, 0, 0)
        assert (last["blocks"], last["words_read"], last["parameters"]) == (1, 16 * 3, 3)

    def test_picojoules(self, result):
        a = layers_of(result)["a"]
        add, bit = 0.03 + 5 * 0.07 / 24, 10 / 64
        multiply = 0.2 + (16 * 13 - 64) * 2.9 / 960
        expected = {
            "synapses": 128 * add,
            "neurons": 256 * multiply + 512 * (0.03 + 4 * 0.07 / 24),
            "weights": 24 * 1152 * bit,
            "words": (1152 + 16) * 48 * bit,
            "accumulators": 24576 * 13 * bit,
            "parameters": 64 * 32 * bit,
        }
        assert a["picojoules"] == pytest.approx(expected)
        everything = sum(sum(layer["picojoules"].values()) for layer in result["layers"])
        assert result["microjoules"]["with_memory"]["spiking"] == pytest.approx(everything / 1e6)

    def test_ann(self, result):
        a, last = layers_of(result, "ann")["a"], layers_of(result, "ann")["classifier"]
        assert (a["dense"], a["effective"], a["factor_bits"]) == (4 * 9 * 64, 4 * 9 * 64, 8)
        assert (a["adder_bits"], a["multiplies"], a["neuron_adds"]) == (16 + 4, 256, 256)
        assert (a["blocks"], a["words_read"], a["word_bits"]) == (3, 3 * 16 * 3, 12 * 4 * 8)
        assert last["dense"] == 3 * 4 * 64
        assert last["adder_bits"] == 16 + 6  # 4 channels of a quadrant's 16 positions

    def test_totals(self, result):
        # The stem's MACs are dense, and no spike follows.
        assert result["microjoules"]["papers"]["spiking"] == pytest.approx(4 * 9 * 64 * 4.6 / 1e6)
        assert result["microjoules"]["papers"]["ann"] == pytest.approx((4 * 9 * 64 + 3 * 4 * 64) * 4.6 / 1e6)

    def test_neurobench(self, result):
        metrics = result["neurobench"]
        assert metrics["ParameterCount"] == 36 + 12 + 2 * 4 + 3
        assert metrics["Footprint"] == 48 // 2 + 11 * 2
        assert metrics["Footprint_int8"] == 48 + 11 * 2
        assert (metrics["ConnectionSparsity"], metrics["ActivationSparsity"], metrics["MembraneUpdates"]) == (0, 1, 256)
        # Taps beyond the border are no operations: 22 of 24 in each direction are inside. One pixel meets four kernels.
        dense = 4 * 22 * 22 + 3 * 4 * 64
        assert metrics["SynapticOperations"] == {"Dense": dense, "Effective_MACs": 4 * 4, "Effective_ACs": 0}


def test_spikes_are_counted():
    """Every neuron fires: the classifier adds everything, and NeuroBench calls it ACs."""
    model = model_of(LayerSpec("a", 4))
    model.layers[0].bias[:] = 2000
    model.weight[:, 0] = 0  # of four channels
    result = measure(model, TINY, white())
    assert layers_of(result)["classifier"]["effective"] == 3 * 4 * 64
    assert result["neurobench"]["SynapticOperations"]["Effective_ACs"] == 3 * 3 * 64
    assert result["neurobench"]["ConnectionSparsity"] == round(3 / 48, 4)
    assert result["neurobench"]["ActivationSparsity"] == 0
    papers = 4 * 9 * 64 * 4.6 + 3 * 4 * 64 * 0.9
    assert result["microjoules"]["papers"]["spiking"] == pytest.approx(papers / 1e6)


def test_carry_and_potentials():
    """Omega over N windows: two table reads for each of three windows, potentials kept for it and read by it."""
    first = LayerSpec("a", 4, windows=Windows.N)
    result = measure(model_of(first, LayerSpec("b", 4, windows=Windows.N, carry=Carry.OMEGA)), TINY, white())
    a, b = layers_of(result)["a"], layers_of(result)["b"]
    carried = 3 * 4 * 16
    assert (a["potential_accesses"], b["potential_accesses"], b["table_reads"]) == (carried, carried, 2 * carried)
    assert (a["neuron_adds"], b["neuron_adds"]) == (2 * 256, 2 * 256 + 4 * carried)


def test_dilated_windows_have_neurons_of_their_own():
    model = model_of(LayerSpec("a", 4, windows=Windows.D, carry=Carry.LEAK))
    result = measure(model, TINY, white())
    assert result["neurobench"]["MembraneUpdates"] == 4 * 4 * 36
    assert layers_of(result)["a"]["multiplies"] == 4 * 4 * 36
    # The ANN knows no windows.
    assert layers_of(result, "ann")["a"]["multiplies"] == 4 * 64


def test_scanned_windows_cost_their_overlap():
    """Padding inside dilated windows makes the array walk each of them: more adds than the ANN has MACs."""
    model = model_of(LayerSpec("a", 4, windows=Windows.D, padding=Padding.WINDOW))
    result = measure(model, TINY, white())
    a, ann = layers_of(result)["a"], layers_of(result, "ann")["a"]
    assert a["dense"] / 8 == ann["dense"] * 36 * 4 / 64
    assert a["accumulator_accesses"] == 2 * a["words_read"] // 3 * 8


def test_levels_are_macs_to_neurobench():
    """What reads MSp levels reads more than spikes: NeuroBench's rule, though the core adds bit planes."""
    model = model_of(LayerSpec("a", 4, windows=Windows.D, condense=Condense.MSP), LayerSpec("b", 4, kernel=1))
    for layer in model.layers:
        layer.bias[:] = 2000
    result = measure(model, TINY, np.zeros((1, 1, 8, 8), np.uint8))
    assert result["neurobench"]["SynapticOperations"]["Effective_MACs"] == 4 * 4 * 64
    assert result["neurobench"]["SynapticOperations"]["Effective_ACs"] == 3 * 4 * 64
    # Level 4 is one bit of three planes.
    assert layers_of(result)["b"]["dense"] == 3 * 4 * 4 * 64
    assert layers_of(result)["b"]["effective"] == 4 * 4 * 64
    assert layers_of(result)["a"]["words_written"] == 3 * 16


def test_levels_take_a_comparison_for_each_threshold():
    model = model_of(LayerSpec("a", 4, levels=3))
    model.layers[0].bias[:] = 2000
    result = measure(model, TINY, white())
    a, last = layers_of(result)["a"], layers_of(result)["classifier"]
    assert (a["neuron_adds"], a["words_written"]) == (4 * 256, 2 * 16)
    assert last["effective"] == last["dense"] == 2 * 3 * 4 * 64  # level 3: both of its planes
    assert result["neurobench"]["SynapticOperations"]["Effective_MACs"] == 4 * 4 + 3 * 4 * 64


def test_encoded_pixels_are_spikes():
    """Pixels that are 0 or 1 cost adds in the first layer, and each stands in all planes."""
    model = model_of(LayerSpec("a", 4), encoding="threshold")
    result = measure(model, TINY, white(200))
    assert result["neurobench"]["SynapticOperations"]["Effective_MACs"] == 0
    spikes = layers_of(result)["classifier"]["effective"]
    assert result["microjoules"]["papers"]["spiking"] == pytest.approx((4 * 4 + spikes) * 0.9 / 1e6)


def test_time_steps():
    """An ANN takes its image once, the papers count each step once; with two steps the core computes each twice."""
    layer = LayerSpec("a", 4, windows=Windows.N, padding=Padding.WINDOW, carry=Carry.RESET)
    totals = {}
    for steps in (2, 4):
        result = measure(model_of(layer, image=(1, 4, 4), steps=steps), TINY, np.full((1, 1, 4, 4), 255, np.uint8))
        assert layers_of(result, "ann")["a"]["dense"] == 4 * 9 * 16
        totals[steps] = result["neurobench"]
    for metric in ("Dense", "Effective_MACs"):
        assert 2 * totals[2]["SynapticOperations"][metric] == totals[4]["SynapticOperations"][metric]
    assert totals[2]["MembraneUpdates"] == 2 * 4 * 16


def test_never_beyond_dense():
    """Random networks of every mode; JSON types; batches add up."""
    for seed in range(30):
        model, images = draw(seed, TINY)
        result = measure(model, TINY, images)
        assert json.loads(json.dumps(result)) == result, f"seed {seed}"
        rows = compile(model, TINY).report.layers
        for layer, row in zip(result["layers"][1:], rows, strict=True):
            assert 0 <= layer["effective"] <= layer["dense"] == row.dense_sop, f"seed {seed}: {row.name}"
            assert layer["words_written"] <= row.spike_words, f"seed {seed}: {row.name}"
        metrics = result["neurobench"]
        done = metrics["SynapticOperations"]
        assert done["Effective_MACs"] + done["Effective_ACs"] <= done["Dense"], f"seed {seed}"
        assert done["Dense"] <= sum(layer["dense"] for layer in result["layers"]), f"seed {seed}"
        assert metrics["Footprint"] <= metrics["Footprint_int8"], f"seed {seed}"
        totals = result["microjoules"]
        for side in ("spiking", "ann"):
            assert 0 < totals["arithmetic"][side] < totals["with_memory"][side], f"seed {seed}"


def test_batches_are_averaged(monkeypatch):
    model, images = draw(3, TINY)
    images = np.concatenate([images, 255 - images, images // 2])
    whole = measure(model, TINY, images)
    monkeypatch.setattr("onespike.energy.BATCH", 2)
    assert measure(model, TINY, images) == whole


def test_widths_between_the_published_ones():
    assert assumptions.add_pj(8) == pytest.approx(0.03)
    assert assumptions.add_pj(32) == pytest.approx(0.1)
    assert assumptions.multiply_pj(8, 8) == pytest.approx(0.2)
    assert assumptions.multiply_pj(32, 32) == pytest.approx(3.1)
    assert assumptions.add_pj(16) == pytest.approx(0.0533, abs=1e-4)
    assert assumptions.memory_pj(32) == 5
    assert assumptions.FLOAT_MAC.pj == pytest.approx(assumptions.FLOAT_ADD.pj + assumptions.FLOAT_MULTIPLY.pj)
    assert set(CARRY_ADDS) == set(Carry)


def test_table_2_of_the_paper():
    """1.36 mJ, with the ANN's adds once 1.14; the spiking network 310 uJ instead of 128: 3.7x, not 11x."""
    rows = paper.recompute()
    assert rows[paper.ANN]["units"] == pytest.approx(1360, abs=5)
    assert rows[paper.ANN]["ann_once"] == pytest.approx(1140, abs=5)
    assert rows[paper.CNN]["units"] == pytest.approx(128, abs=1)
    assert rows[paper.CNN]["dense"] == pytest.approx(310, abs=1)
    assert paper.advantage() == pytest.approx({"units": 10.5, "ann_once": 8.85, "dense": 3.7}, abs=0.07)


def test_printed_energies_follow_from_the_printed_operations():
    """Each printed energy is that row's sum, a thousand times too large."""
    for row in paper.TABLE_2:
        number, unit = row.energy.split()
        printed = float(number) * {"J": 1e6, "mJ": 1e3}[unit]
        assert paper.recompute()[row.network]["units"] * 1000 == pytest.approx(printed, rel=0.01), row.network


def test_document_holds_the_tables_of_the_code():
    text = DOCUMENT.read_text()
    assert assumptions.markdown() in text
    assert paper.markdown() in text


def test_document_is_of_the_committed_model():
    """What does not depend on images: the ANN's row, the footprint, the parameters."""
    model = QuantisedModel.load(cli.model_path("arty-cifar10"))
    printed = table(measure(model, preset("arty-a7-35t"), procedural(1, model.spec.image)))
    text = DOCUMENT.read_text()
    rows = [row for row in printed.splitlines() if row.startswith(("8-bit ANN", "  Footprint", "  ParameterCount"))]
    assert len(rows) == 4
    assert not [row for row in rows if row not in text]


def test_refuses_images_that_do_not_fit():
    model = model_of(LayerSpec("a", 4))
    for images in (np.zeros((1, 1, 8, 8)), np.zeros((1, 3, 8, 8), np.uint8), np.zeros((0, 1, 8, 8), np.uint8)):
        with pytest.raises(DataError, match="the network takes at least one"):
            measure(model, TINY, images)


def test_refuses_a_network_beyond_the_core():
    with pytest.raises(LimitError, match="trained for k = 4"):
        measure(model_of(LayerSpec("a", 4), k=4), TINY, white())


class TestCommand:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch, no_data):
        monkeypatch.chdir(tmp_path)
        model_of(LayerSpec("a", 4), image=(1, 8, 8)).save(tmp_path / "small.npz")

    def test_prints_and_writes(self, capsys):
        assert cli.main(["energy", "small.npz", "--config", "tiny", "--images", "2"]) == 0
        printed = capsys.readouterr()
        assert "NO DATA" in printed.err
        report = json.loads(Path("build/reports/energy.json").read_text())
        # The report's names are sorted, the table's are not.
        assert sorted(printed.out.splitlines()) == sorted(
            [*table(report).splitlines(), "wrote build/reports/energy.json"]
        )
        assert (report["images"], report["pixels"], report["config"]) == (2, "procedural", "tiny")
        assert "integers, with memory" in printed.out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["none.npz"], "no trained model at none.npz"),
            (["small.npz", "--config", "none"], "no core configuration 'none'"),
        ],
    )
    def test_errors_are_one_sentence(self, capsys, arguments, sentence):
        assert cli.main(["energy", *arguments]) == 2
        assert sentence in capsys.readouterr().err

    def test_takes_no_image(self, capsys):
        with pytest.raises(SystemExit):
            cli.main(["energy", "--images", "0"])
        assert "'0' is no number of at least 1" in capsys.readouterr().err
