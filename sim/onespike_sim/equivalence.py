"""``make verify-netlist``: the core as Yosys synthesised it, simulated in cells, against the golden model and its RTL.

An inferred RAM or multiplier that computes something else is found here and not on a board.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from onespike.cli import model_path, positive, write_report
from onespike.compiler import compile
from onespike.data.sample import sample
from onespike.errors import LimitError, MismatchError
from onespike.network import REFERENCE
from onespike.quantised import QuantisedModel
from onespike.random_networks import draw
from onespike_hw.core import Core

from . import runner
from .core_run import CoreSource
from .flow.commands import chosen, takes_board
from .flow.design import FAMILIES
from .netlist import QUICK, count_cells, load, open_flow_hazards, settle, simulation_files, untie_dsp_constants
from .synth import run_yosys, yosys_version
from .verify import compare

SEEDS = (94, 250, 339, 392, 404, 454, 512, 688)
"""Random networks, short ones, that together use every mode of a layer on the tiny core; odd seeds with stalls."""
STALL = 25


@dataclass(frozen=True)
class CoreNetlist:
    """A core as Yosys synthesised it: ``source`` for the harness, ``cells`` of each kind, ``hazards`` (sentences) that
    the open flow would meet."""

    source: CoreSource
    cells: dict
    hazards: tuple


@cache
def core_netlist(config, family):
    """``CoreNetlist`` of the core of ``config`` for ``family``, written once per process; undefined bits are random.

    On the 7 series DSP blocks' constants are untied, as the open flow wants them. Raises ``ToolError``: Yosys fails,
    or a cell has no model.
    """
    folder = run_yosys(runner.to_verilog(Core(config), "core", family)[0], "core", family, flatten=False)
    netlist = load(folder, "core")
    if family == "xc7":
        untie_dsp_constants(netlist)
    hazards = tuple(open_flow_hazards(netlist))
    settle(netlist, runner.seed())
    name = f"netlist-{config.name}-{family}"
    files = simulation_files(netlist, "core", family, runner.ROOT / name)
    return CoreNetlist(CoreSource(name, files, QUICK), dict(count_cells(netlist)), hazards)


def verify_netlist(config, family, model, images, *, stall=0, seed=1, name="netlist"):
    """Simulate netlist and RTL of a core on ``images`` uint8 (n, C, H, W) of ``model`` and compare every bit.

    Returns a report: ``mismatched_bits`` between the netlist and the golden model over all ``neurons`` and ``scores``
    of the ``images``; ``cycles`` and ``rtl_cycles`` of the two simulations; ``same_cycles``, whether every layer
    began, and every image's last score came, in the same cycle. Raises ``SimulationError`` where one does not finish.
    """
    program, pixels = compile(model, config).program, model.spec.arrange(images)
    options = {"stall": stall, "seed": seed, "name": name}
    verdict = compare(program, pixels, source=core_netlist(config, family).source, **options)
    run, rtl = verdict.run, compare(program, pixels, **options).run
    same = all(np.array_equal(getattr(run, key), getattr(rtl, key)) for key in ("layer_cycles", "last_score"))
    return {
        "network": model.spec.name,
        "layers": len(program.layers),
        "images": len(images),
        "stall": stall,
        "neurons": sum(levels.size for levels in verdict.trace.levels),
        "scores": verdict.scores.size,
        "mismatched_bits": int(verdict.mismatched.sum()),
        "cycles": run.total_cycles,
        "rtl_cycles": rtl.total_cycles,
        "same_cycles": bool(same and run.total_cycles == rtl.total_cycles),
        "seconds": run.seconds,
    }


def _cases(args, config):
    """(Model, images, options) to run: the trained model where the core can hold it, random networks otherwise."""
    model = QuantisedModel.load(model_path(args.model))
    try:
        compile(model, config)
    except LimitError as error:
        print(f"{args.model} does not fit ({error}); random networks instead")
        for seed in SEEDS:
            model, images = draw(seed, config)
            yield model, images, {"stall": STALL if seed % 2 else 0, "seed": seed + 1}
        return
    found = sample(args.dataset, args.data, args.images, model.spec.image, model.spec.classes)
    yield model, found.images, {}


def run_verify(args):
    """Compare a netlist bit by bit; refuse it if one differs."""
    entry = chosen(args)
    config, family = entry.system.hardware, FAMILIES[entry.toolchains[0]]
    print(f"core {config.name!r} for {family}: synthesis, then its cells simulated (minutes) ...", flush=True)
    netlist = core_netlist(config, family)
    cells = sorted(netlist.cells.items(), key=lambda pair: -pair[1])
    print(f"{sum(netlist.cells.values())} cells: {', '.join(f'{count} {kind}' for kind, count in cells)}")
    for hazard in netlist.hazards:
        print(f"open flow: {hazard}")
    rows = []
    for model, images, options in _cases(args, config):
        row = verify_netlist(config, family, model, images, **options)
        rows.append(row)
        print(
            f"{row['network']}: {row['images']} images, {row['layers']} layers, {row['neurons']} neurons and"
            f" {row['scores']} scores, {row['mismatched_bits']} mismatching bits; {row['cycles']} cycles"
            f" (RTL {row['rtl_cycles']}), {row['cycles'] / row['seconds'] / 1000:.1f} kcycles/s",
            flush=True,
        )
    wrong = sum(row["mismatched_bits"] for row in rows)
    same = all(row["same_cycles"] for row in rows)
    report = {
        "config": config.name,
        "family": family,
        "yosys": yosys_version(),
        "seed": runner.seed(),
        "cells": netlist.cells,
        "hazards": netlist.hazards,
        "rows": rows,
        "mismatched_bits": wrong,
        "same_cycles": same,
    }
    print(f"{wrong} mismatching bits; cycles {'equal to' if same else 'OTHER THAN'} those of the RTL")
    print(f"wrote {write_report(f'netlist-{config.name}-{family}', report)}")
    if wrong or not same:
        raise MismatchError(
            f"the netlist of core {config.name!r} for {family} differs from its RTL: {wrong} mismatching bits,"
            f" cycles {'equal' if same else 'not equal'}; do not build a bitstream of it"
        )


def add_parser(commands):
    """The command ``verify-netlist``."""
    parser = commands.add_parser("verify-netlist", help="the synthesised core, simulated in cells, bit by bit")
    takes_board(parser)
    parser.add_argument("--model", default=REFERENCE, help="a name or an .npz file (default: %(default)s)")
    parser.add_argument("--images", type=positive, default=2, help="test images (default: %(default)s)")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--data", help="folder that holds the data set")
    parser.set_defaults(run=run_verify)
