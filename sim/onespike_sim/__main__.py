"""The simulations a user starts: ``python -m onespike_sim run | fuzz | bench | explore | report | ...``."""

import argparse
import sys
from pathlib import Path

from onespike.cli import guarded, model_path, positive, write_report
from onespike.compiler import compile
from onespike.contract.config import WINDOWS, preset
from onespike.data.sample import sample
from onespike.errors import MismatchError
from onespike.golden import decide, effective_sop, silent_beats
from onespike.network import DEFAULT, REFERENCE
from onespike.quantised import QuantisedModel

from . import bench_link, equivalence, exact, recurrent
from .bench import IMAGES, bench
from .explore import WEIGHT_BITS, explore, recalibrate
from .flow import commands as flow_commands
from .verify import compare, fuzz
from .virtual import command as virtual_command


def _images(model, args):
    """(images, labels or None, what they are)."""
    found = sample(args.dataset, args.data, args.images, model.spec.image, model.spec.classes)
    if found.missing:
        print(
            f"NO DATA: {found.missing}\nRunning on images made by formula: bit-exactness is checked, ACCURACY IS NOT.\n"
        )
    return found.images, found.labels, found.what


def run(args):
    """Real images through the core; every bit compared."""
    model = QuantisedModel.load(model_path(args.model))
    config = preset(args.config)
    compiled = compile(model, config)
    program, report = compiled.program, compiled.report
    images, labels, what = _images(model, args)
    print(
        f"{len(images)} images ({what}) on {config.name}, {report.peak_sop} SOP/cycle; building the simulation ...",
        flush=True,
    )
    pixels = model.spec.arrange(images)
    verdict = compare(program, pixels, stall=args.stall, seed=args.seed, name="run")
    simulated = verdict.run
    predictions = decide(simulated.scores)
    names = model.spec.labels or [str(c) for c in range(program.classes)]
    print(f"{'image':>5}  {'label':<12}{'prediction':<12}{'mismatching bits':>16}{'last score at cycle':>21}")
    for i in range(len(images)):
        label = names[labels[i]] if labels is not None else "-"
        when = simulated.last_score[i] - simulated.first_pixel[0]
        print(f"{i:>5}  {label:<12}{names[predictions[i]]:<12}{verdict.mismatched[i]:>16}{when:>21}")
    cycles = simulated.cycles
    # The last image's layers have no successor that would wait for them: its cycles are left out.
    layer_cycles = simulated.layer_cycles[: max(1, len(images) - 1)].mean(0)
    silent = silent_beats(program, pixels, verdict.trace)
    result = {
        "images": len(images),
        "pixels": what,
        "config": config.name,
        "mismatched_bits": int(verdict.mismatched.sum()),
        "top1": None if labels is None else 100 * float((predictions == labels).mean()),
        "cycles_per_image": cycles,
        "predicted_cycles_per_image": report.cycles,
        "latency_cycles": simulated.latency,
        "predicted_latency_cycles": report.latency,
        "utilisation": report.dense_sop / (cycles * report.peak_sop),
        "dense_sop_per_image": report.dense_sop,
        "effective_sop_per_image": effective_sop(program, pixels, verdict.trace),
        "peak_sop_per_cycle": report.peak_sop,
        "frames_per_second": config.clock_mhz * 1e6 / cycles,
        "clock_mhz": config.clock_mhz,
        "simulated_cycles_per_second": simulated.total_cycles / simulated.seconds,
        "layers": [
            {
                "name": row.name,
                "cycles": float(layer_cycles[i]),
                "predicted_cycles": row.cycles,
                "dense_sop": row.dense_sop,
                "utilisation": row.dense_sop / (float(layer_cycles[i]) * report.peak_sop),
                "mismatched_bits": int(verdict.layer_mismatched[:, i].sum()),
                "silent": silent[i, 1] / silent[i, 0],
                "silent_windows": silent[i, 2] / silent[i, 0] / WINDOWS,
                "spike_rate": None if i == len(verdict.trace.levels) else float((verdict.trace.levels[i] > 0).mean()),
            }
            for i, row in enumerate(report.layers)
        ],
    }
    print(
        f"\n{'layer':<14}{'cycles':>8}{'predicted':>11}{'M SOP':>8}{'utilisation':>13}{'spike rate':>12}{'silent':>9}"
    )
    for row in result["layers"]:
        rate = "" if row["spike_rate"] is None else f"{row['spike_rate']:.3f}"
        head = f"{row['name']:<14}{row['cycles']:>8.0f}{row['predicted_cycles']:>11}"
        print(
            f"{head}{row['dense_sop'] / 1e6:>8.2f}{100 * row['utilisation']:>12.0f}%{rate:>12}{100 * row['silent']:>8.2f}%"
        )
    top1 = "not checked" if labels is None else f"{result['top1']:.1f} %"
    print(
        f"\n{result['mismatched_bits']} mismatching bits; top-1 {top1}; {cycles:.0f} cycles/image, one after the other "
        f"(predicted {report.cycles:.0f}); {simulated.latency} for the first alone (predicted {report.latency})\n"
        f"array utilisation {100 * result['utilisation']:.1f} % of {report.peak_sop} SOP/cycle; "
        f"{result['frames_per_second']:.0f} core frames/s at {config.clock_mhz} MHz; "
        f"simulated at {result['simulated_cycles_per_second'] / 1000:.0f} kcycles/s"
    )
    print(f"wrote {write_report('sim', result)}")
    if result["mismatched_bits"]:
        raise MismatchError(
            f"core and golden model differ in {result['mismatched_bits']} bits; see {Path('build/sim')}"
        )


def run_bench(args):
    """Arrays and sizes compared."""
    model = QuantisedModel.load(model_path(args.model))
    images, _, what = _images(model, args)
    result = bench(model, images, what, route=not args.no_route, jobs=args.jobs)
    _refuse_mismatches(result["rows"])


def run_explore(args):
    """Cores of many sizes, predicted; a sample measured."""
    model = QuantisedModel.load(model_path(args.model))
    if args.calibrate:
        for config, cells in recalibrate(model, args.jobs):
            print(f"{config.array} {config.word} x {config.outputs}: {cells.lut} LUT, {cells.ff} FF", flush=True)
    images, _, _ = _images(model, args)
    result = explore(model, images, share=args.share / 100, bits=args.bits, jobs=args.jobs)
    _refuse_mismatches(result["checks"])


def run_fuzz(args):
    """Random networks through the core."""
    start = args.seed if args.seed is not None else 0
    config = preset(args.config)
    failed = []

    def tell(seed, model, verdict):
        bits = int(verdict.mismatched.sum())
        print(
            f"seed {seed}: {len(model.spec.layers)} layers, {verdict.run.total_cycles} cycles, {bits} mismatching bits",
            flush=True,
        )

    failed = fuzz(config, range(start, start + args.count), report=tell)
    print(f"{args.count - len(failed)} of {args.count} random networks bit-exact on {config.name}")
    if failed:
        raise MismatchError(f"seeds {failed} differ; 'make fuzz N=1 SEED={failed[0]}' replays the first")


def _takes_images(parser, model):
    parser.add_argument("model", nargs="?", default=model, help="a name or an .npz file")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--data", help="folder that holds the data set")


def _refuse_mismatches(rows):
    """Raise ``MismatchError`` if a core of ``rows`` differed from the golden model."""
    wrong = [row["name"] for row in rows if row["mismatched_bits"]]
    if wrong:
        raise MismatchError(f"core and golden model differ on {', '.join(wrong)}; see {Path('build/sim')}")


def main(argv=None):
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="onespike_sim", description="Core and board in simulation, and their sizes.")
    commands = parser.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("run", help="test images through the core")
    _takes_images(one, DEFAULT)
    one.add_argument("--config", default="arty-a7-35t")
    one.add_argument("--images", type=int, default=16)
    one.add_argument("--stall", type=int, default=0, help="per cent of cycles the outer streams pause")
    one.add_argument("--seed", type=int, default=1)
    one.set_defaults(run=run)
    many = commands.add_parser("fuzz", help="random networks through the core")
    many.add_argument("--count", type=int, default=30)
    many.add_argument("--seed", type=int, help="first seed (default 0)")
    many.add_argument("--config", default="tiny")
    many.set_defaults(run=run_fuzz)
    table = commands.add_parser("bench", help="every array in several sizes, measured")
    _takes_images(table, REFERENCE)
    table.add_argument("--no-route", action="store_true", help="leave place and route out")
    table.add_argument("--jobs", type=positive, help="cores measured at a time (default: one per CPU)")
    table.set_defaults(run=run_bench, images=IMAGES)
    space = commands.add_parser("explore", help="cores of many sizes: predicted, a sample measured")
    _takes_images(space, REFERENCE)
    space.add_argument("--share", type=float, default=60, help="per cent of the part's LUTs that a core may take")
    space.add_argument("--bits", type=int, choices=WEIGHT_BITS, help="bits of a weight (default: those of the model)")
    space.add_argument("--jobs", type=positive, help="cores measured at a time (default: one per CPU)")
    space.add_argument("--calibrate", action="store_true", help="first fit the estimate of sizes anew (an hour)")
    space.set_defaults(run=run_explore, images=2)
    for part in (virtual_command, bench_link, equivalence, exact, recurrent):
        part.add_parser(commands)
    flow_commands.add_parsers(commands)
    args = parser.parse_args(argv)
    return guarded(lambda: args.run(args))


if __name__ == "__main__":
    sys.exit(main())
