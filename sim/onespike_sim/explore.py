"""``make explore``: cores of many sizes, predicted; a few of them synthesised and simulated to check that."""

import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace

import numpy as np

from onespike.cli import write_report
from onespike.compiler import compile
from onespike.compiler.fit import fit
from onespike.contract.config import ARRAYS, preset
from onespike.errors import LimitError
from onespike.quantised import QuantisedModel
from onespike_hw.core import Core

from . import area
from .runner import to_verilog
from .synth import PARTS, synthesise
from .verify import compare

WORDS, OUTPUTS, NEURONS, WEIGHT_BITS = (4, 8, 12, 16, 20, 24), (8, 16, 24, 32), (1, 2, 4), (2, 3, 4, 5, 6)
BOARD, PART = "arty-a7-35t", "xc7a35t"
CALIBRATION = (
    *({"array": a, "word": w, "outputs": o} for a in ARRAYS for w, o in ((4, 8), (8, 8), (12, 8), (12, 16))),
    {"word": 16, "outputs": 16},
    {"word": 8, "outputs": 16, "neurons": 4, "weight_bits": 6},
    {"word": 16, "outputs": 24, "weight_bits": 3},
)
"""Cores that the estimate of sizes was fitted to."""
SAMPLE = 4
"""Cores of a sweep that are synthesised and simulated."""


@contextmanager
def workers(jobs):
    """A pool of ``jobs`` processes, by default one per CPU; where one job fails, those that wait are dropped."""
    pool = ProcessPoolExecutor(jobs or os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def requantised(model, bits):
    """``model`` with weights of ``bits`` bits, for its sizes and cycles; what it computes means nothing."""
    shift = bits - model.spec.weight_bits

    def moved(weight):
        return None if weight is None else (weight << shift if shift >= 0 else weight >> -shift).astype(np.int8)

    layers = [replace(layer, weight=moved(layer.weight), shortcut=moved(layer.shortcut)) for layer in model.layers]
    return QuantisedModel(replace(model.spec, weight_bits=bits), layers, moved(model.weight), model.bias)


def sized(model, **sizes):
    """The board's core in other sizes, with memories that fit ``model``; its name tells what differs."""
    config = replace(preset(BOARD), **sizes)
    if config == preset(BOARD):
        return config
    name = f"{config.array}-{config.word}x{config.outputs}"
    if config.neurons != preset(BOARD).neurons:
        name += f"-{config.neurons}n"
    if config.weight_bits != preset(BOARD).weight_bits:
        name += f"-{config.weight_bits}b"
    return fit(model, replace(config, name=name))


def sweep(model, factors):
    """Every core that can run ``model``: dictionaries with its configuration and what is predicted of it."""
    found = []
    models = {bits: requantised(model, bits) for bits in WEIGHT_BITS}
    for array, word, outputs, neurons, bits in itertools.product(ARRAYS, WORDS, OUTPUTS, NEURONS, WEIGHT_BITS):
        try:
            config = sized(models[bits], array=array, word=word, outputs=outputs, neurons=neurons, weight_bits=bits)
        except LimitError:
            continue
        report = compile(models[bits], config).report
        found.append(
            {
                "config": config,
                "cycles": report.cycles,
                "utilisation": report.utilisation,
                "frames_per_second": report.frames_per_second,
                "predicted": area.estimate(config, factors),
            }
        )
    return found


def fits(point, part, share):
    """Whether a point leaves ``1 - share`` of a part's LUTs, and does with its memories and DSP blocks."""
    limits, needed = PARTS[part], point["predicted"]
    room = {"lut": share * limits["lut"], "lutram": limits["lutram"], "ff": limits["ff"]}
    return all(needed[name] <= limit for name, limit in (room | {n: limits[n] for n in ("bram", "dsp")}).items())


def pareto(points):
    """Those that no other one beats in frames per second with as few LUTs, smallest first."""
    front, best = [], 0.0
    for point in sorted(points, key=lambda p: (p["predicted"]["lut"], -p["frames_per_second"])):
        if point["frames_per_second"] > best:
            best = point["frames_per_second"]
            front.append(point)
    return front


def measure(model, images, config):
    """What is predicted, measured: (cycles per image, mismatching bits, ``Resources``)."""
    model = requantised(model, config.weight_bits)
    verdict = compare(compile(model, config).program, model.spec.arrange(images), name="explore")
    return verdict.run.cycles, int(verdict.mismatched.sum()), synthesised(config)


def synthesised(config):
    """``Resources`` of a core on the 7 series."""
    return synthesise(to_verilog(Core(config), "core", "xc7")[0], "core", "xc7", flatten=False)


def recalibrate(model, jobs):
    """Synthesise the cores of ``CALIBRATION`` and replace the factors of ``area``."""
    bits = preset(BOARD).weight_bits
    configs = [sized(requantised(model, sizes.get("weight_bits", bits)), **sizes) for sizes in CALIBRATION]
    with workers(jobs) as pool:
        samples = list(zip(configs, pool.map(synthesised, configs), strict=True))
    area.save(area.calibrate(samples))
    return samples


def chosen(front, points):
    """Cores to check that the estimate was not fitted to: over the length of the front, and one beside it."""
    fitted = [_kind(replace(preset(BOARD), **sizes)) for sizes in CALIBRATION]
    fresh = [p for p in points if _kind(p["config"]) not in fitted]
    along = [p for p in front if p in fresh]
    beside = [p for p in fresh if p not in front and p["config"].array == "da"]
    places = np.linspace(0, max(0, len(along) - 1), SAMPLE - 1).round().astype(int)
    return [along[n] for n in dict.fromkeys(places.tolist()) if along] + beside[len(beside) // 2 :][:1]


def _kind(config):
    """What a core is made of, its memories apart."""
    return config.array, config.word, config.outputs, config.neurons, config.weight_bits


def explore(model, images, *, share=0.6, bits=None, jobs=None):
    """Sweep, check a sample, print the Pareto front of the board; returns the result, which is also written."""
    points = sweep(model, area.load())
    bits = bits or model.spec.weight_bits
    room = [p for p in points if fits(p, PART, share) and p["config"].weight_bits == bits]
    if not room:
        raise LimitError(
            f"no core with {bits}-bit weights fits {100 * share:.0f} % of the {PART}; allow a larger --share"
        )
    front = pareto(room)
    print(
        f"{len(points)} cores can run {model.spec.name}; {len(room)} with {bits}-bit weights fit {100 * share:.0f} % of"
    )
    print(f"the LUTs of the {PART} and its memories; those that no other one beats:\n\n{_front(front)}\n", flush=True)
    sample = chosen(front, room)
    with workers(jobs) as pool:
        waiting = [pool.submit(measure, model, images, point["config"]) for point in sample]
        measured = [each.result() for each in waiting]
    checks = [_check(point, *real) for point, real in zip(sample, measured, strict=True)]
    print(f"a sample, predicted and measured:\n\n{_checks(checks)}\n")
    if not checks:
        raise LimitError("every core that fits is one the estimate was fitted to; allow a larger --share")
    worst = {name: max(abs(c["error"][name]) for c in checks) for name in checks[0]["error"]}
    print("largest error of the prediction: " + ", ".join(f"{n} {100 * e:.1f} %" for n, e in worst.items()))
    result = {
        "part": PART,
        "share": share,
        "weight_bits": bits,
        "points": [p | {"config": asdict(p["config"])} for p in points],
        "front": [p["config"].name for p in front],
        "checks": checks,
        "largest_error": worst,
    }
    print(f"wrote {write_report('explore', result)}")
    return result


def _check(point, cycles, mismatched, resources):
    predicted = {"cycles": point["cycles"]} | point["predicted"]
    measured = {"cycles": cycles, **{name: getattr(resources, name) for name in ("lut", "ff", "bram", "dsp")}}
    measured["lutram"] = resources.lutram + resources.srl
    error = {name: predicted[name] / max(value, 1) - 1 for name, value in measured.items()}
    return {
        "name": point["config"].name, "predicted": predicted, "measured": measured, "error": error,
        "mismatched_bits": mismatched,
    }  # fmt: skip


def _front(front):
    head = f"{'array':<9}{'word':>5}{'outputs':>8}{'neurons':>8}{'SOP/cyc':>9}{'cycles':>8}{'util':>6}{'frames/s':>10}"
    lines = [head + f"{'LUT':>8}{'FF':>8}{'BRAM':>6}{'DSP':>5}{'/kLUT':>7}"]
    for p in front:
        c, cells = p["config"], p["predicted"]
        line = f"{c.array:<9}{c.word:>5}{c.outputs:>8}{c.neurons:>8}{c.peak_sop:>9}{p['cycles']:>8.0f}"
        line += f"{100 * p['utilisation']:>5.0f}%{p['frames_per_second']:>10.0f}{cells['lut']:>8}{cells['ff']:>8}"
        lines.append(f"{line}{cells['bram']:>6g}{cells['dsp']:>5}{1000 * p['frames_per_second'] / cells['lut']:>7.0f}")
    return "\n".join(lines)


def _checks(checks):
    names = list(checks[0]["measured"])
    lines = [f"{'core':<22}" + "".join(f"{name:>18}" for name in names)]
    for check in checks:
        pairs = (f"{check['predicted'][n]:.6g} / {check['measured'][n]:.6g}" for n in names)
        lines.append(f"{check['name']:<22}" + "".join(f"{pair:>18}" for pair in pairs))
    return "\n".join(lines)
