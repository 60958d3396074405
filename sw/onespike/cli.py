"""The command line: ``onespike train | compile | boot-image | golden | energy | infer | board | virtual-board | emit``.

Every error a user can cause ends in one sentence on stderr and exit status 2.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

from .errors import MismatchError, OnespikeError, OutputError
from .network import DEFAULT

MODELS = Path(__file__).parent / "networks"
REPORTS = Path("build/reports")


def write_report(name, content):
    """Write ``build/reports/NAME.json`` under a temporary name, then rename it; returns the path.

    Raises ``OutputError`` where that cannot be written.
    """
    path = REPORTS / f"{name}.json"
    content = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_bytes(path, content.encode(), "work in a folder that can be written")
    return path


def write_bytes(path, content, advice="name a file in a folder that can be written"):
    """Write ``content`` under a temporary name, then rename it. Raises ``OutputError`` with ``advice`` where that fails."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror}); {advice}") from None


def model_path(name):
    """The file of a committed model by name, or the path itself."""
    path = Path(name)
    return path if path.suffix else MODELS / f"{name}.npz"


def positive(text):
    """An argument that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def _train(args):
    from .train import Recipe, Trainer

    given = {f.name: getattr(args, f.name) for f in dataclasses.fields(Recipe)}
    recipe = Recipe(**{name: value for name, value in given.items() if value is not None})
    trainer = Trainer(recipe, args.out, args.data, args.resume)
    trainer.run()
    card = json.loads((Path(args.out) / "card.json").read_text())
    print(f"validation {card['validation']:.2f} %, test {card['test']:.2f} % ({card['test_pixels']} pixels)")
    print(f"wrote {args.out}")


def _compile(args):
    from .compiler import compile
    from .contract.config import preset
    from .quantised import QuantisedModel

    compiled = compile(QuantisedModel.load(model_path(args.model)), preset(args.config))
    print(compiled.report.table())
    out = Path(args.out or f"build/{Path(args.model).stem}.1spk")
    compiled.program.save(out)
    write_report("compile", compiled.report.to_dict())
    print(f"wrote {out}")


def _boot_image(args):
    from .compiler import compile
    from .contract import boot
    from .contract.config import preset
    from .contract.program import Program
    from .quantised import QuantisedModel

    config = preset(args.config)
    if Path(args.source).suffix == ".1spk":
        program = Program.load(args.source, config)
    else:
        program = compile(QuantisedModel.load(model_path(args.source)), config).program
    record = boot.encode(program.encode())
    out = Path(args.out or f"build/{Path(args.source).stem}.boot")
    write_bytes(out, record)
    print(f"wrote {out}: {len(record)} bytes for core {config.name}")


def _golden(args):
    import numpy as np

    from .compiler import compile
    from .contract.config import preset
    from .data import load
    from .golden import run
    from .model.integer import IntegerNetwork
    from .quantised import QuantisedModel

    model = QuantisedModel.load(model_path(args.model))
    program = compile(model, preset(args.config)).program
    data = load(args.dataset, args.data)
    data.require(model.spec.image, model.spec.classes)
    images, labels = model.spec.arrange(data.test_images), data.test_labels
    start = time.perf_counter()
    scores = run(program, images)
    speed = len(images) / (time.perf_counter() - start)

    import torch

    network = IntegerNetwork(model)
    reference = np.concatenate(
        [network(torch.from_numpy(images[i : i + 500])).numpy() for i in range(0, len(images), 500)]
    )
    differ = int((scores.argmax(1) != reference.argmax(1)).sum())
    report = {
        "images": len(images),
        "pixels": data.test_pixels,
        "top1": 100 * float((scores.argmax(1) == labels).mean()),
        "predictions_that_differ_from_pytorch": differ,
        "scores_that_differ_from_pytorch": int((scores != reference).sum()),
        "images_per_second": round(speed, 1),
    }
    print(
        f"{report['images']} test images ({data.test_pixels} pixels): top-1 {report['top1']:.2f} %, {speed:.0f} images/s"
    )
    print(
        f"golden model against PyTorch: {differ} predictions and {report['scores_that_differ_from_pytorch']} scores differ"
    )
    write_report("golden", report)
    if report["scores_that_differ_from_pytorch"]:
        raise MismatchError("golden model and PyTorch disagree; one of them breaks the contract's arithmetic")


def _emit(args):
    from .contract.emit import emit

    emit(Path(), args.check)


def _virtual_board(arguments):
    """Become the simulation, which takes the arguments."""
    words = [sys.executable, "-m", "onespike_sim", "virtual-board", *arguments]
    sys.stdout.flush()
    os.execv(words[0], words)


def _parser():
    from . import commands_board, commands_energy, commands_exchange, commands_experiment, commands_recurrent

    parser = argparse.ArgumentParser(
        prog="onespike", description="From a network description to a board that classifies."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    train = commands.add_parser("train", help="train a network")
    train.add_argument("--network", help=f"description: a name or a .toml file (default {DEFAULT})")
    train.add_argument("--dataset", help="data set: cifar10, mnist or fashion (default cifar10)")
    train.add_argument("--data", help="folder that holds the data set")
    for name, kind in (("epochs", int), ("batch", int), ("rate", float), ("warm-up", float), ("weight-decay", float)):
        train.add_argument(f"--{name}", type=kind)
    for name in ("smoothing", "jpeg", "mix", "carry-from"):
        train.add_argument(f"--{name}", type=float)
    train.add_argument("--surrogate", help="rectangle, triangle, s3nn or s3nn:ALPHA:BETA")
    for name in ("mirror", "smoothness", "distill", "temperature"):
        train.add_argument(f"--{name}", type=float)
    train.add_argument("--teacher-epochs", type=int)
    train.add_argument("--repeat", type=int, help="epochs after which the same images come again: a teacher answers once")
    train.add_argument("--shift", type=int, help="pixels by which images are moved at most")
    train.add_argument("--seed", type=int)
    train.add_argument("--stop-after", type=int, help="epochs after which to end before the schedule does")
    train.add_argument("--start", help="checkpoint whose weights a second stage begins with")
    train.add_argument("--out", default="build/train/run", help="folder of the run")
    train.add_argument("--resume", action="store_true", help="continue the run in --out")
    train.set_defaults(run=_train)

    compile_ = commands.add_parser("compile", help="trained model -> program image and table per layer")
    compile_.add_argument("model", nargs="?", default=DEFAULT, help="a name or an .npz file")
    compile_.add_argument("--config", default="arty-a7-35t", help="core configuration")
    compile_.add_argument("--out", help="program image to write")
    compile_.set_defaults(run=_compile)

    boot = commands.add_parser("boot-image", help="boot record of a program, for the flash of a board")
    boot.add_argument(
        "source", nargs="?", default=DEFAULT, help="trained model (a name or an .npz file) or program image (.1spk)"
    )
    boot.add_argument("--config", default="arty-a7-35t", help="core configuration")
    boot.add_argument("--out", metavar="FILE", help="file to write (default build/NAME.boot)")
    boot.set_defaults(run=_boot_image)

    golden = commands.add_parser("golden", help="golden model against PyTorch on all test images")
    golden.add_argument("model", nargs="?", default=DEFAULT)
    golden.add_argument("--config", default="arty-a7-35t")
    golden.add_argument("--dataset", default="cifar10")
    golden.add_argument("--data", help="folder that holds the data set")
    golden.set_defaults(run=_golden)

    commands_exchange.add_parsers(commands)
    commands_board.add_parsers(commands)
    commands_energy.add_parsers(commands)
    commands_experiment.add_parser(commands)
    commands_recurrent.add_parsers(commands)
    commands.add_parser("virtual-board", help="the whole board in simulation")

    emit = commands.add_parser("emit", help="write the documents that are generated from the contract")
    emit.add_argument("--check", action="store_true", help="only compare with what is there")
    emit.set_defaults(run=_emit)
    return parser


def guarded(run):
    """Call ``run``; a typed error or an interrupt becomes one sentence and an exit status."""
    try:
        status = _status(run)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output had enough; what is left of it must not complain at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _status(run):
    try:
        run()
    except OnespikeError as error:
        print(f"onespike: {error}", file=sys.stderr)
        return 1 if isinstance(error, MismatchError) else 2
    except KeyboardInterrupt:
        print("onespike: interrupted", file=sys.stderr)
        return 130
    return 0


def main(argv=None):
    """Run one command; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["virtual-board"]:
        _virtual_board(words[1:])
    args = _parser().parse_args(words)
    return guarded(lambda: args.run(args))
