"""A finished run measured: accuracy, spikes, operations, cycles and energy of its model, as one JSON line."""

import hashlib
import json
import multiprocessing
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..data import load
from ..energy import measure as measure_energy
from ..errors import ExperimentError, OnespikeError
from ..golden import decide, run, run_traced
from ..quantised import QuantisedModel
from .cores import core_for
from .run import folder_of

IMAGES = 100
"""Test images that spikes, operations and energy are averaged over."""
POINTS = 13
"""Points of a training curve that are kept."""
NO_INTEGERS = "the network has no integers, as its carry is no table; its accuracy is that of the floats"


def fingerprint(folder):
    """What a finished run is known by: a digest of its card and model. ``None`` where it is not finished."""
    if not (folder / "card.json").exists():
        return None
    parts = [path.read_bytes() for path in (folder / "card.json", folder / "model.npz") if path.exists()]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def measure(row, recipe, folder, data_root=None, golden=False):
    """The result of the run of ``row`` with ``recipe`` that lies in ``folder``: a dictionary of JSON types.

    With ``golden`` the golden model classifies all test images, and must agree with the accuracy of the card.
    """
    card = json.loads((folder / "card.json").read_text())
    path = folder / "model.npz"
    result = {
        "row": row.name,
        "title": row.title,
        "group": row.group,
        "seed": recipe.seed,
        "dataset": recipe.dataset,
        "date": datetime.fromtimestamp((folder / "card.json").stat().st_mtime, UTC).date().isoformat(),
        "commit": _commit(),
        "run": fingerprint(folder),
        "epochs": recipe.epochs,
        **{key: card[key] for key in ("device", "minutes", "test_pixels", "test_images")},
        **{key: round(card[key], 2) for key in ("validation", "test", "float_test")},
        "curve": curve(folder / "log.jsonl"),
        "steps": row.spec.steps,
        **sizes(row.spec),
        "core": None,
        "refused": NO_INTEGERS,
        "exact": None,
    }
    if path.exists():
        result |= _on_core(QuantisedModel.load(path), load(recipe.dataset, data_root), golden)
    return result


def curve(path):
    """[[epoch, training accuracy, validation accuracy], ...] of a log, at most ``POINTS`` and always the last."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    last = {entry["epoch"]: entry for entry in entries}  # a run that was cut off may have logged an epoch twice
    epochs = sorted(last)
    chosen = np.unique(np.linspace(0, len(epochs) - 1, min(POINTS, len(epochs))).round().astype(int))
    return [[e, last[e]["train"], round(last[e]["validation"], 2)] for e in (epochs[i] for i in chosen)]


def sizes(spec):
    """``weights`` of a network, and the ``kbit`` that they take."""
    geometry = spec.geometry()
    weights = spec.classes * geometry[-1][0].channels
    bits = weights * spec.weight_bits
    for layer, channels, _, _, skip in geometry:
        inputs = channels * layer.kernel**2 + (0 if skip is None else geometry[skip][0].channels)
        weights += layer.channels * inputs
        bits += layer.channels * inputs * (layer.weight_bits or spec.weight_bits)
    return {"weights": weights, "kbit": round(bits / 1000, 1)}


def _on_core(model, data, golden):
    """What the compiler predicts and the golden model counts, on the first core that takes the model."""
    compiled, refusal = core_for(model)
    if compiled is None:
        return {"refused": refusal}
    program, report = compiled.program, compiled.report
    images = data.test_images[:IMAGES]
    _, trace = run_traced(program, model.spec.arrange(images))
    energy = measure_energy(model, program.config, images)
    rates = [(levels > 0).mean() for levels in trace.levels]
    neurons = [levels[0].size for levels in trace.levels]
    result = {
        "core": program.config.name,
        "refused": None,
        "cycles": round(report.cycles),
        "latency": report.latency,
        "clock_mhz": report.clock_mhz,
        "images_per_second": round(report.frames_per_second),
        "utilisation": round(report.utilisation, 4),
        "dense_sop": report.dense_sop,
        "effective_sop": round(sum(layer["effective"] for layer in energy["layers"])),
        "layers": [layer.name for layer in model.spec.layers],
        "spike_rates": [round(float(rate), 4) for rate in rates],
        "spike_rate": round(float(np.average(rates, weights=neurons)), 4),
        "microjoules": {
            key: {name: float(f"{value:.4g}") for name, value in total.items()}
            for key, total in energy["microjoules"].items()
        },
        "golden_test": None,
    }
    if golden:
        result["golden_test"] = _golden(model, program, data)
    return result


def _golden(model, program, data):
    """Accuracy of the golden model on all test images; raises ``ExperimentError`` where the card tells another."""
    right = decide(run(program, model.spec.arrange(data.test_images))) == data.test_labels
    share = round(100 * float(right.mean()), 2)
    if share != round(model.card["test"], 2):
        raise ExperimentError(
            f"the golden model is right on {share} % of the test images, the card says {model.card['test']:.2f} %; "
            "they must agree, so train again with this version"
        )
    return share


def _commit():
    """The commit that measures, ``unknown`` outside of a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=10", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def measure_all(rows, out, known, jobs, data_root=None, golden=False):
    """Measure every finished run of ``rows`` that is not ``known`` yet, ``jobs`` at a time.

    ``known`` {(row, seed): result}. Yields (row, recipe, result, None) or (row, recipe, None, error).
    """
    waiting = []
    for row, recipe in ((each, recipe) for each in rows for recipe in each.recipes):
        folder, before = folder_of(out, row, recipe), known.get((row.name, recipe.seed))
        if (found := fingerprint(folder)) is None:
            continue
        if before is None or before["run"] != found or (golden and before["core"] and before["golden_test"] is None):
            waiting.append((row, recipe, folder, data_root, golden))
    for dataset in {recipe.dataset for _, recipe, *_ in waiting}:
        load(dataset, data_root)  # unpacked, or refused, once and not in every process
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for index, result, error in pool.imap_unordered(_measure_one, list(enumerate(waiting))):
            row, recipe = waiting[index][:2]
            before = known.get((row.name, recipe.seed))
            if result is not None and before is not None and before["run"] == result["run"]:
                result["exact"] = before["exact"]
            yield row, recipe, result, error


def _measure_one(numbered):
    index, arguments = numbered
    try:
        return index, measure(*arguments), None
    except OnespikeError as error:
        return index, None, str(error)
