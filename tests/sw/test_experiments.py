"""Rows of experiments: what they say, runs through every stage, results kept, and the page made of them."""

import json
import re

import pytest
import torch

import onespike.data.stripes as stripes
import onespike.train as training
from onespike.cli import main
from onespike.contract.isa import Carry, Condense, Padding, Windows
from onespike.data import load
from onespike.errors import ExperimentError, NetworkError, OnespikeError
from onespike.experiments import claims, docs, drawing, published, results
from onespike.experiments.cores import CORES, core_for
from onespike.experiments.exact import simulate, waiting
from onespike.experiments.measure import curve, fingerprint, measure, sizes
from onespike.experiments.rows import ROWS, load_row, variant
from onespike.experiments.run import folder_of
from onespike.experiments.summary import Summary, summaries
from onespike.model.network import SpikingNetwork
from onespike.network import NetworkSpec
from onespike.quantised import QuantisedModel

NAMES = sorted(path.stem for path in ROWS.glob("*.toml"))
SMOKE = ROWS / "smoke"
OFF_CORE = {"a-nd-inside": "the cosine inside the sine has no table", "ann-8": "levels 255 is beyond the limit of 3"}
"""Rows that no core runs, and why."""


# The committed rows.


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_row_is_whole(name):
    row = load_row(name)
    assert row.name == row.spec.name == name and row.title
    assert [recipe.seed for recipe in row.recipes] == sorted({recipe.seed for recipe in row.recipes})
    assert name in docs.GROUPS[row.group].rows
    load_set = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "fashion": (1, 28, 28)}
    assert row.spec.image == load_set[row.recipes[0].dataset]


def test_every_row_compiles_or_is_known_not_to():
    done = {}
    for name in NAMES:
        row = load_row(name)
        same = json.dumps(row.spec.to_dict() | {"name": ""})
        if same not in done:
            try:
                compiled, refusal = core_for(SpikingNetwork(row.spec).export())
            except OnespikeError as error:
                compiled, refusal = None, str(error)
            done[same] = compiled is not None, refusal
        runs, refusal = done[same]
        assert runs != (name in OFF_CORE), refusal
        assert runs or OFF_CORE[name] in refusal


def test_what_the_page_names_is_there():
    named = {name for claim in published.CLAIMS for name in (claim.more, claim.less)} | set(published.BESIDE)
    named |= {row for *_, rows in (*published.WINDOWS, *published.FUSION) for row in rows}
    named |= {*docs.CURVES, *docs.RATES} | {row for group in docs.GROUPS.values() for row in group.rows}
    assert named <= set(NAMES)


# Variants and what is refused.


@pytest.fixture(scope="module")
def plain():
    return NetworkSpec.load("small-cifar10").to_dict()


def test_variant_changes_what_it_says_and_nothing_else(plain):
    assert variant(plain, {}).to_dict() == plain
    spec = variant(plain, {"windows": "d", "padding": "window", "condense": "msp"})
    assert [layer.windows for layer in spec.layers] == [Windows.NONE] + 6 * [Windows.D]
    assert [layer.padding for layer in spec.layers] == [Padding.MAP] + 6 * [Padding.WINDOW]
    assert [layer.condense for layer in spec.layers] == [Condense.OR] + 6 * [Condense.MSP]
    assert [layer.carry for layer in spec.layers][:3] == [Carry.NONE, Carry.NONE, Carry.OMEGA]
    spec = variant(plain, {"windows": "none", "levels": 3, "weight_bits": 2, "width": 0.5})
    assert {(layer.windows, layer.carry, layer.levels) for layer in spec.layers} == {(Windows.NONE, Carry.NONE, 3)}
    assert [layer.weight_bits for layer in spec.layers] == [None] + 6 * [2]
    assert [layer.channels for layer in spec.layers] == [12, 12, 12, 20, 20, 20, 20]
    spec = variant(plain, {"table": "learnt", "theta": 0.3}, {"encoding": "threshold"})
    assert [layer.table for layer in spec.layers] == ["sine", "sine", "learnt"] + 2 * ["sine", "learnt"]
    assert [layer.theta for layer in spec.layers] == [0.5, 0.5, 0.3] + 2 * [0.5, 0.3]
    assert spec.encoding == "threshold"
    spec = variant(plain, {"carry": "mean", "theta": 0.3})
    assert {(layer.carry, layer.theta) for layer in spec.layers} == {(Carry.NONE, 0.5), (Carry.MEAN, 0.5)}


def test_variant_steps(plain):
    spec = variant(plain, {"windows": "steps"}, {"steps": 4})
    assert {(layer.windows, layer.padding, layer.carry) for layer in spec.layers} == {
        (Windows.N, Padding.WINDOW, Carry.RESET)
    }
    assert spec.input_shape[1:] == (32, 32)


ROW = 'title = "t"\ngroup = "g"\nbase = "small-cifar10"\nseeds = [1]\n'


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("title = ", ExperimentError, "bad.toml is not valid TOML"),
        ('title = "t"\n', ExperimentError, "bad.toml: setting 'base' is missing"),
        (ROW + "extra = 1\n", ExperimentError, "bad.toml: unknown setting 'extra'"),
        (ROW + "[recipe]\nepoch = 1\n", ExperimentError, r"bad.toml: \[recipe\] has an unknown setting 'epoch'"),
        (ROW + "[recipe]\nseed = 1\n", ExperimentError, r"bad.toml: \[recipe\] has an unknown setting 'seed'"),
        (ROW + "[layers]\nkind = 1\n", ExperimentError, r"bad.toml: \[layers\] has an unknown setting 'kind'"),
        (ROW.replace("small-cifar10", "absent"), NetworkError, "no network description"),
        (ROW + '[layers]\ncarry = "more"\n', NetworkError, "carry 'more' is not one of"),
        (ROW + "[network]\nsteps = 3\n", NetworkError, "steps must be 1, 2 or 4"),
    ],
)
def test_bad_rows_are_refused_by_name(tmp_path, text, kind, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(kind, match=message):
        load_row(path)


def test_an_absent_row(capsys):
    assert main(["experiment", "nothing"]) == 2
    assert "no experiment" in capsys.readouterr().err


# Runs.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(Folder, row) of two trained runs of a small network on a few images by formula."""
    out = tmp_path_factory.mktemp("experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripes, "TRAIN", 600)
        patch.setattr(stripes, "TEST", 60)
        patch.setattr(training, "VALIDATION", 100)
        training.images_of.cache_clear()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # batches this small are not worth two
        row = load_row(SMOKE / "smoke-omega.toml")
        for recipe in row.recipes:  # in this process: forked ones must not follow upon PyTorch's threads
            training.Trainer(recipe, folder_of(out, row, recipe), spec=row.spec).run()
        torch.set_num_threads(threads)
        yield out, row
    training.images_of.cache_clear()


def test_measured(finished):
    out, row = finished
    recipe = row.recipes[1]
    result = measure(row, recipe, folder_of(out, row, recipe), golden=True)
    card = json.loads((folder_of(out, row, recipe) / "card.json").read_text())
    assert (result["row"], result["seed"], result["core"]) == ("smoke-omega", 2, "tiny")
    assert result["test"] == result["golden_test"] == round(card["test"], 2) and result["test_images"] == 60
    assert result["layers"] == ["stem", "conv1", "conv2", "conv3"] and result["refused"] is None
    assert min(result["spike_rates"]) > 0 and min(result["spike_rates"]) < result["spike_rate"] < max(
        result["spike_rates"]
    )
    assert 0 < result["effective_sop"] < result["dense_sop"]
    assert result["images_per_second"] == pytest.approx(1e8 / result["cycles"], rel=1e-3)
    assert result["microjoules"]["with_memory"]["spiking"] > result["microjoules"]["arithmetic"]["spiking"] > 0
    assert [epoch for epoch, *_ in result["curve"]] == [1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"]) and result["commit"]
    json.dumps(result)


def test_a_run_without_integers(finished, tmp_path):
    out, row = finished
    folder = folder_of(out, row, row.recipes[0])
    for name in ("card.json", "log.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    result = measure(row, row.recipes[0], tmp_path)
    assert result["core"] is None and "no integers" in result["refused"] and result["test"] > 0


def test_the_golden_model_must_agree_with_the_card(finished, tmp_path):
    out, row = finished
    folder = folder_of(out, row, row.recipes[0])
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model = QuantisedModel.load(tmp_path / "model.npz")
    model.card["test"] += 1
    model.save(tmp_path / "model.npz")
    with pytest.raises(ExperimentError, match="they must agree"):
        measure(row, row.recipes[0], tmp_path, golden=True)


def test_through_every_stage_and_not_twice(finished, capsys, monkeypatch, tmp_path):
    """Trained already; measured and simulated once, published; a second call does nothing."""
    out, row = finished
    words = ["experiment", str(SMOKE / "smoke-omega.toml"), "--out", str(out), "--jobs", "2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "trained" not in said and said.count(": measured: ") == 2
    assert said.count(": simulated: 0 mismatching bits") == 1
    found = results.load(out / "results.jsonl")
    assert found["smoke-omega", 2]["exact"] is None
    exact = found["smoke-omega", 1]["exact"]
    assert (exact["core"], exact["images"], exact["mismatched_bits"]) == ("tiny", 8, 0)
    assert exact["cycles"] == pytest.approx(exact["predicted_cycles"], rel=0.1)

    assert main(words) == 0
    assert capsys.readouterr().out == ""
    # Counted again with the golden model, the simulation still holds; of another model it does not.
    assert main([*words, "--measure", "--golden"]) == 0
    assert capsys.readouterr().out.count(": measured: ") == 2
    again = results.load(out / "results.jsonl")
    assert again["smoke-omega", 1]["exact"] == exact and again["smoke-omega", 1]["golden_test"] is not None
    assert not waiting([row], out, again)
    again["smoke-omega", 1] |= {"run": "another", "exact": None}
    assert not waiting([row], out, again)
    again["smoke-omega", 1]["run"] = fingerprint(folder_of(out, row, row.recipes[0]))
    assert waiting([row], out, again) == [(row, row.recipes[0])]

    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published.jsonl")
    assert main([*words, "--publish"]) == 0
    assert "2 results published" in capsys.readouterr().out
    assert results.load(results.PUBLISHED) == results.load(out / "results.jsonl")


def test_failures_are_told_and_the_others_go_on(finished, tmp_path, capsys):
    """A row whose images do not fit its network, beside one that is finished."""
    text = (SMOKE / "smoke-omega.toml").read_text().replace("networks/smoke", "small-cifar10")
    (tmp_path / "wrong.toml").write_text(text.replace("[1, 2]", "[1]"))
    out, _ = finished
    words = ["experiment", str(tmp_path / "wrong.toml"), str(SMOKE / "smoke-omega.toml"), "--train", "--jobs", "1"]
    assert main([*words, "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "wrong seed 1: FAILED: stripes has images (3, 16, 16)" in told and "1 runs failed" in told


def test_a_simulation_that_fails_is_told(tmp_path):
    with pytest.raises(ExperimentError, match="the simulation failed \\(no trained model at"):
        simulate(tmp_path / "absent.npz", "stripes")


def test_a_mismatch_is_refused(tmp_path, capsys):
    row = load_row(SMOKE / "smoke-omega.toml")
    fake = result(row.name, 1, 90.0, run="of another model", exact={"mismatched_bits": 3})
    results.put(tmp_path / "results.jsonl", fake)
    words = ["experiment", str(SMOKE / "smoke-omega.toml"), "--exact", "--out", str(tmp_path)]
    assert main(words) == 1
    assert "core and golden model differ on smoke-omega" in capsys.readouterr().err


def test_curve_is_thinned_and_keeps_the_last(tmp_path):
    entries = [{"epoch": epoch, "train": epoch, "validation": epoch / 2} for epoch in (*range(1, 41), 40)]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    found = curve(path)
    assert len(found) == 13 and found[0] == [1, 1, 0.5] and found[-1] == [40, 40, 20.0]


def test_sizes_counted_by_hand():
    spec = load_row(SMOKE / "smoke-levels.toml").spec
    stem, others = 12 * 12 * 9, 16 * 12 * 9 + 16 * (16 * 9 + 12) + 16 * 16 * 9
    assert sizes(spec)["weights"] == stem + others + 4 * 16
    assert sizes(spec)["kbit"] == round((4 * stem + 2 * others + 4 * 4 * 16) / 1000, 1)


def test_cores_grow(finished):
    out, row = finished
    model = QuantisedModel.load(folder_of(out, row, row.recipes[0]) / "model.npz")
    assert core_for(model)[0].program.config is CORES[0]
    assert [config.name for config in CORES][:3] == ["tiny", "arty-a7-35t", "arty-a7-100t"]


def test_stripes_are_always_there(no_data):
    one, two = load("stripes"), load("stripes")
    one.require((3, 16, 16), 4)
    assert (one.train_images == two.train_images).all() and one.test_pixels == "formula"
    assert sorted(set(one.test_labels.tolist())) == [0, 1, 2, 3]


# Results and the page.


def result(row, seed, test, group="paper-a-windows", **changes):
    """A result as ``measure`` makes them, as far as the page needs it."""
    return {
        "row": row, "seed": seed, "title": f"title of {row}", "group": group, "dataset": "cifar10", "date": "2026-01-02",
        "test": test, "minutes": 30, "epochs": 12, "test_pixels": "JPEG-75", "curve": [[1, 50, 49.0], [2, 60, test]],
        "kbit": 273.3, "core": "arty-a7-35t", "refused": None, "cycles": 8128, "images_per_second": 12303,
        "layers": ["stem", "conv"], "spike_rates": [0.2, 0.4], "spike_rate": 0.25, "exact": None,
        "microjoules": {"with_memory": {"spiking": 3.0 + seed, "ann": 9.0, "ratio": 3.0}},
    } | changes  # fmt: skip


def some_results():
    exact = {"core": "arty-a7-35t", "images": 8, "mismatched_bits": 0, "cycles": 8130, "predicted_cycles": 8128}
    runs = [result("a-none", seed, 80.0 + 0.1 * seed, exact=exact if seed == 1 else None) for seed in (1, 2, 3)]
    runs += [result("a-n-border", seed, 81.0 + 0.1 * seed, cycles=9000) for seed in (1, 2, 3)]
    off = {"group": "baselines", "core": None, "refused": "levels 255"}
    runs += [result("ann-8", 1, 85.0, **off), result("new", 1, 70.0, group="fresh")]
    return {(run["row"], run["seed"]): run for run in runs}


def test_the_page_says_what_the_results_say():
    files = docs.files(some_results())
    page = files["docs/results.md"]
    assert "4 rows, 8 runs, trained between 2026-01-02 and 2026-01-02 in 4.0 hours" in page
    assert "12 epochs on cifar10" in page and "cifar10 JPEG-75" in page
    assert "1 rows, 8 images, **0 mismatching bits**" in page
    line = "| `a-none` | title of a-none | 3 x 12 | 80.20 ± 0.10 | 91.80 (A, Table 4, CNN, g = 1) | 0.250 | 273.3 | 35t | 8,128 "
    assert line + "| 12,303 | 5.00 | 0 bits differ, 8 images |" in page
    assert "| `ann-8` | title of ann-8 | 1 x 12 | 85.00 |  |  | 273.3 | none |" in page
    assert "`ann-8` is not on the core: levels 255." in page
    assert "| g = 1 | 91.80 | 90.37 | 80.20 ± 0.10 (`a-none`) |" in page
    assert "| g = 2, normal | 92.15 | 90.02 |  |" in page
    assert "| `a-n-border` over `a-none` | +0.48 | +1.00 ± 0.08 | held |" in page
    assert "`a-none` over `ann-8` |  | -4.80 | undecided (3 and 1 seeds) |" in page
    assert "1 held, 0 not held, 1 undecided" in page
    assert "## fresh" in page and "`new`" in page  # a row that no table knows is not lost
    assert {name for name in files if name.endswith(".svg")} == {
        f"docs/results-{name}.svg" for name in ("cycles", "energy", "bits", "curves", "spikes")
    }
    assert all(f"({name.removeprefix('docs/')})" in page for name in files if name.endswith(".svg"))


def test_the_page_is_kept_true(tmp_path):
    found = some_results()
    with pytest.raises(ExperimentError, match="run 'make gen'"):
        docs.emit(tmp_path, found, check=True)
    docs.emit(tmp_path, found)
    docs.emit(tmp_path, found, check=True)
    found["new", 1]["test"] = 71.0
    with pytest.raises(ExperimentError, match="is out of date"):
        docs.emit(tmp_path, found, check=True)
    assert "No results are published yet" in docs.files({})["docs/results.md"]


@pytest.mark.parametrize(
    ("more", "less", "margin", "verdict"),
    [
        ((81.0, 81.1, 81.2), (80.0, 80.1, 80.2), 0.0, "held"),
        ((80.0, 80.1, 80.2), (81.0, 81.1, 81.2), 0.0, "not held"),
        ((80.0, 80.5, 81.0), (80.2, 80.4, 80.3), 0.0, "undecided"),
        ((81.0, 81.1), (80.0, 80.1, 80.2), 0.0, "undecided"),
        ((81.0,), (80.0, 80.1, 80.2), 0.0, "undecided"),
        ((80.0, 80.1, 80.2), (80.5, 80.6, 80.7), -1.0, "held"),
        ((80.0, 80.1, 80.2), (82.5, 82.6, 82.7), -1.0, "not held"),
    ],
)
def test_verdicts(more, less, margin, verdict):
    rows = {name: Summary(tuple({"test": test} for test in tests)) for name, tests in (("m", more), ("l", less))}
    claim = published.Claim("text", "source", "m", "l", margin=margin)
    assert claims.judge(claim, rows).verdict == verdict
    assert claims.judge(claim._replace(more="absent"), rows) is None


def test_summaries():
    rows = summaries(some_results())
    assert rows["a-none"].mean() == pytest.approx(80.2) and rows["a-none"].spread() == pytest.approx(0.1)
    assert rows["new"].spread() is None and rows["ann-8"].microjoules is None
    assert rows["a-none"].microjoules == pytest.approx(5.0) and rows["a-none"].mean("absent") is None


def test_results_are_replaced_and_sorted(tmp_path):
    path = tmp_path / "sub" / "results.jsonl"
    assert results.load(path) == {}
    for row, seed, test in (("b", 2, 1.0), ("a", 10, 2.0), ("b", 1, 3.0), ("b", 2, 4.0)):
        results.put(path, {"row": row, "seed": seed, "test": test})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["row"], line["seed"], line["test"]) for line in lines] == [
        ("a", 10, 2.0),
        ("b", 1, 3.0),
        ("b", 2, 4.0),
    ]
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(ExperimentError, match="line 4 is no result"):
        results.load(path)


def test_publish_replaces_whole_rows(tmp_path):
    source, target = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    results.save(target, {(row, seed): {"row": row, "seed": seed} for row in "ab" for seed in (1, 2)})
    results.save(source, {(row, 1): {"row": row, "seed": 1, "test": 5.0} for row in "ac"})
    assert results.publish(source, {"a"}, target) == 1
    assert sorted(results.load(target)) == [("a", 1), ("b", 1), ("b", 2)]
    with pytest.raises(ExperimentError, match="holds no result of these rows"):
        results.publish(source, {"b"}, target)


def test_drawings_name_the_front_and_escape_names():
    points = {"<one>": [drawing.Point(1000, 80, 0.5, "cheap"), drawing.Point(2000, 85, None, "good & dear")],
              "two": [drawing.Point(3000, 70, None, "neither")]}  # fmt: skip
    text = drawing.scatter(points, "x", "y")
    assert text == drawing.scatter(points, "x", "y")
    assert "&lt;one&gt;" in text and text.count("good &amp; dear") == 2  # its name, and the pointer's
    assert text.count("neither") == 1
    assert [f"{v:g}" for v in drawing.Axis([1000, 2000], 0, 1, log=True).ticks()] == ["1000", "1500", "2000"]
    assert drawing.Axis([0, 100], 0, 100).place(50) == 50
    assert drawing.Axis([5, 5], 0, 100).place(5) == 50


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ROW.replace("[1]", "3"), "seeds must be a list of whole numbers, not 3"),
        (ROW.replace("[1]", "[]"), "seeds must be a list"),
        (ROW + "[recipe]\nbatch = 0\n", r"batch must be at least 1, not 0"),
        (ROW + '[recipe]\nrate = "x"\n', r"bad.toml: \[recipe\]"),
    ],
)
def test_seeds_and_recipes_that_cannot_be(text, reason, tmp_path):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ExperimentError, match=reason):
        load_row(tmp_path / "bad.toml")


@pytest.mark.parametrize("layers", ["theta = 0\n", 'theta = "x"\n', 'weight_bits = "4"\n'])
def test_layer_settings_that_cannot_be(layers, tmp_path):
    (tmp_path / "bad.toml").write_text(ROW + "[layers]\n" + layers)
    with pytest.raises(NetworkError, match=layers.split()[0]):
        load_row(tmp_path / "bad.toml")
