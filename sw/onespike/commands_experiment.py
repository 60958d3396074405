"""The command ``onespike experiment``: rows trained, measured, simulated, published and drawn."""

import os
import sys
from pathlib import Path

from . import cli
from .errors import ExperimentError, MismatchError

STAGES = ("train", "measure", "exact")


def add_parser(commands):
    """Add the command to the subparsers of ``onespike``."""
    one = commands.add_parser(
        "experiment", help="rows of docs/results.md: train, measure, simulate (all three, or those that are named)"
    )
    one.add_argument("rows", nargs="*", metavar="ROW", help="names or TOML files (default: every committed row)")
    one.add_argument("--train", action="store_true", help="train the runs that are not finished; cut-off ones go on")
    one.add_argument("--measure", action="store_true", help="measure the finished runs")
    one.add_argument("--exact", action="store_true", help="8 images of one run of each row through the simulated core")
    one.add_argument("--golden", action="store_true", help="when measuring: the golden model classifies all test images too")
    one.add_argument("--publish", action="store_true", help="take the results over into the committed file")
    one.add_argument("--docs", action="store_true", help="write docs/results.md and its drawings from the committed file")
    one.add_argument("--check", action="store_true", help="with --docs: only compare with what is there")
    one.add_argument("--out", default="build/experiments", help="folder of the runs and of results.jsonl")
    cpus = len(os.sched_getaffinity(0))
    one.add_argument("--jobs", type=cli.positive, default=cpus, help="runs at a time (default: one per CPU it may use)")
    one.add_argument("--data", help="folder that holds the data sets")
    one.set_defaults(run=_experiment)


def _experiment(args):
    from .experiments import docs, results

    stages = [name for name in STAGES if getattr(args, name)]
    if not stages and not (args.publish or args.docs):
        stages = list(STAGES)
    table = Path(args.out) / "results.jsonl"
    rows = _rows(args.rows) if stages or args.publish else []
    failed = [failure for name in stages for failure in _RUN[name](args, rows, table)]
    if args.publish:
        count = results.publish(table, {row.name for row in rows}, results.PUBLISHED)
        print(f"{count} results published in {results.PUBLISHED}")
    if args.docs:
        docs.emit(Path(), results.load(results.PUBLISHED), args.check)
    if failed:
        raise ExperimentError(f"{len(failed)} runs failed; the first: {failed[0]}")
    if stages:
        _refuse_mismatches(rows, results.load(table))


def _rows(names):
    from .experiments.rows import ROWS, load_row

    return [load_row(name) for name in names or sorted(ROWS.glob("*.toml"))]


def _train(args, rows, table):
    from .experiments.run import train

    failed = []
    for row, recipe, error in train(rows, args.out, args.jobs, args.data):
        _tell("trained", row, recipe, error, failed)
    return failed


def _measure(args, rows, table):
    from .experiments import results
    from .experiments.measure import measure_all

    failed = []
    for row, recipe, result, error in measure_all(
        rows, args.out, results.load(table), args.jobs, args.data, args.golden
    ):
        what = "measured"
        if result is not None:
            results.put(table, result)
            where = f"{result['cycles']} cycles on {result['core']}" if result["core"] else "not on a core"
            what = f"measured: test {result['test']:.2f} %, {where}"
        _tell(what, row, recipe, error, failed)
    return failed


def _exact(args, rows, table):
    from .experiments import results
    from .experiments.exact import exact_all

    failed = []
    for row, recipe, result, error in exact_all(rows, args.out, results.load(table), args.jobs, args.data):
        what = "simulated"
        if result is not None:
            results.put(table, result)
            found = result["exact"]
            what = f"simulated: {found['mismatched_bits']} mismatching bits, {found['cycles']} cycles on {found['core']}"
        _tell(what, row, recipe, error, failed)
    return failed


_RUN = {"train": _train, "measure": _measure, "exact": _exact}


def _tell(what, row, recipe, error, failed):
    """A line of progress; an ``error`` is kept for the end: the other runs go on."""
    name = f"{row.name} seed {recipe.seed}"
    if error is None:
        print(f"{name}: {what}", flush=True)
    else:
        print(f"{name}: FAILED: {error}", file=sys.stderr, flush=True)
        failed.append(f"{name}: {error}")


def _refuse_mismatches(rows, known):
    names = {row.name for row in rows}
    wrong = [
        row for (row, _), result in known.items()
        if row in names and result["exact"] and result["exact"]["mismatched_bits"]
    ]  # fmt: skip
    if wrong:
        raise MismatchError(f"core and golden model differ on {', '.join(wrong)}; see build/sim")
