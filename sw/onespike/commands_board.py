"""The commands that use a board: ``onespike infer`` and ``onespike board``."""

import json
import sys
import time

from . import cli
from .errors import BoardError, MismatchError, ProgramError
from .network import DEFAULT

PERIOD = 1.0
"""Seconds between two lines of the monitor."""
COLUMNS = ("IMAGES", "CYCLES", "SPIKES", "RX_FRAMES", "RX_DAMAGED", "RX_DROPPED", "TX_FRAMES", "REFUSALS", "SESSIONS")
"""Counters that the monitor shows."""


def add_parsers(commands):
    """Add the commands to the subparsers of ``onespike``."""
    infer = commands.add_parser("infer", help="classify test images on a board, real or virtual")
    _takes_board(infer)
    _takes_program(infer)
    infer.add_argument("--dataset", default="cifar10", help="cifar10, mnist or fashion (default cifar10)")
    infer.add_argument("--data", help="folder that holds the data set")
    infer.add_argument("--count", type=cli.positive, default=100, help="test images (default 100)")
    infer.add_argument("--check", action="store_true", help="compare every score with the golden model")
    infer.add_argument("--json", action="store_true", help="write the result as JSON to stdout")
    infer.add_argument("--report", metavar="FILE", help="write a page with images, scores and spike maps")
    infer.add_argument("--record", metavar="FILE", help="record the link, to be played with replay://")
    infer.add_argument("--no-progress", action="store_true", help="no progress bar")
    infer.set_defaults(run=_infer)

    board = commands.add_parser("board", help="what a board is, holds and counts")
    actions = board.add_subparsers(required=True, metavar="action")
    for name, run, text in (
        ("info", _info, "what it is, and its program"),
        ("selftest", _selftest, "memories, and an image by formula through the program, against the golden model"),
        ("load", _load, "load a program image"),
        ("reset", _reset, "drop the program"),
        ("counters", _counters, "everything the board counts"),
        ("monitor", _monitor, "counters every second until interrupted; the board is busy for others meanwhile"),
    ):
        action = actions.add_parser(name, help=text)
        if name == "load":
            action.add_argument("program", help="program image (.1spk)")
        _takes_board(action)
        if name == "selftest":
            _takes_program(action)
        action.set_defaults(run=run)


def _takes_board(parser):
    parser.add_argument(
        "--board",
        required=True,
        metavar="URI",
        help="serial:///dev/ttyUSB1, udp://192.168.1.50, virtual://, golden:// or replay://FILE",
    )


def _takes_program(parser):
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--program", metavar="FILE", help="program image (.1spk)")
    which.add_argument("--model", help=f"a trained model to compile: a name or an .npz file (default {DEFAULT})")


def _open(args, record=None):
    from .runtime import Board

    return Board.open(args.board, record=record)


def _load_chosen(board, args):
    """The program that the arguments name, or else the URI, or else the default one; it is loaded."""
    from .contract.program import Program

    if args.program:
        program = Program.load(args.program)
    elif args.model or board.program is None:
        program = board.compile(cli.model_path(args.model or DEFAULT))
    else:
        program = board.program
    board.load(program)
    return program


def _infer(args):
    from .data.sample import sample
    from .runtime.inference import Inference
    from .runtime.progress import Progress

    with _open(args, args.record) as board:
        program = _load_chosen(board, args)
        if "image" not in program.metadata:
            raise ProgramError("the program does not say what images it takes; compile it with this version")
        images = sample(args.dataset, args.data, args.count, program.metadata["image"], program.classes)
        if images.missing:
            print(
                f"NO DATA: {images.missing}\nRunning on images made by formula: scores can be checked, ACCURACY CANNOT.",
                file=sys.stderr,
            )
        progress = Progress(len(images.images), sys.stderr.isatty() and not args.no_progress)
        results = []
        try:
            for result in board.classify(images.images):
                results.append(result)
                progress.step()
        finally:
            progress.end()
        counters = board.counters()
        clock = board.identity.clock_hz
    done = Inference(args.board, program, images, results, progress.rate, clock, counters)
    if args.check:
        done.compare()
    path = cli.write_report("infer", done.to_dict())
    print(json.dumps(done.to_dict()) if args.json else f"{done.table()}\nwrote {path}")
    if args.report:
        _write_page(args.report, done)
    if done.failed:
        raise BoardError(f"{len(done.failed)} images have no right result ({done.failed[0].error})")
    if done.mismatches:
        raise MismatchError(
            f"board and golden model differ in {done.mismatches} scores; see {path}, then run 'onespike board selftest'"
        )


def _write_page(path, done):
    from .runtime.report import ReportContext, write_html

    context = ReportContext(
        title="onespike on a board",
        program=done.program,
        images=done.sample.images,
        labels=done.sample.labels,
        results=done.results,
        clock_hz=done.clock_hz,
        board=done.board,
        images_per_second=done.rate,
        mismatches=done.mismatches,
        counters=done.counters,
    )
    write_html(path, context)
    print(f"wrote {path}", file=sys.stderr)


def _info(args):
    with _open(args) as board:
        what = board.identity
        rows = {
            "board": board.uri,
            "core": f"{what.fingerprint:08x} ({board.core or 'unknown to this version'})",
            "contract": f"{what.contract:08x}",
            "clock": f"{what.clock_hz / 1e6:g} MHz",
            "status": what.status.name if what.status else "unknown to this version",
            "program": f"{what.program:08x}, images of {what.image_bytes} bytes" if what.program else "none",
        }
        print("\n".join(f"{name:<10}{value}" for name, value in rows.items()))


def _selftest(args):
    with _open(args) as board:
        _load_chosen(board, args)
        failed = board.selftest()
    if failed:
        raise BoardError(
            f"the self-test failed: {', '.join(test.name for test in failed)}; reset the board and repeat it"
        )
    print("self-test passed: memories, and an image by formula equal to the golden model")


def _load(args):
    with _open(args) as board:
        board.load(args.program)
        print(f"loaded {args.program}: {board.identity.program:08x}")


def _reset(args):
    with _open(args) as board:
        board.reset()
    print("the board has no program now")


def _counters(args):
    with _open(args) as board:
        print("\n".join(f"{name:<18}{value:>14}" for name, value in board.counters().items()))


def _monitor(args):
    with _open(args) as board:
        print(f"{'seconds':>9}" + "".join(f"{name.lower():>12}" for name in COLUMNS), flush=True)
        try:
            while True:
                now = board.counters()
                seconds = now["UPTIME"] / max(1, board.identity.clock_hz)
                print(f"{seconds:>9.1f}" + "".join(f"{now[name]:>12}" for name in COLUMNS), flush=True)
                time.sleep(PERIOD)
        except KeyboardInterrupt:
            print()
