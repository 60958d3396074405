"""``python -m onespike_sim recurrent``: networks with a recurrent block, front on the core, block on the CPU, in simulation.

The CPU is the board's VexRiscv with the board's buses; only its ROM is larger, to hold weights and images.
"""

import subprocess
from dataclasses import dataclass, replace

import numpy as np

from onespike.cli import MODELS, model_path, positive, write_report
from onespike.compiler import compile
from onespike.contract import boards
from onespike.contract.config import preset
from onespike.contract.isa import WORD_BITS
from onespike.data.sample import sample
from onespike.errors import MismatchError, ToolError
from onespike.golden.recurrent import block_scores, run_block, run_recurrent
from onespike.recurrent import RecurrentModel, pad_images
from onespike_hw.soc.cpu import cpu_verilog
from onespike_hw.soc.top import Soc

from . import runner
from .soc import ROOT, words
from .verify import compare

NAMES = ("recurrent-fashion-lstm", "recurrent-fashion-gru", "recurrent-fashion-rnn")
SYSTEM = replace(
    boards.system("virtual-tiny"), name="recurrent", rom_bytes=1 << 16, mac="", flash_address=None, watchdog_cycles=1 << 31
)
"""The board's system without Ethernet, with a ROM for what would have to come from elsewhere, its watchdog asleep."""
TEST_IMAGES, IMAGE_SIDE = 10_000, 28
"""Of MNIST and Fashion-MNIST."""
DATA = runner.ROOT.parent / "firmware" / "recurrent.data"
TOLD = "ONESPIKE_TOLD"
COUNT = "ONESPIKE_TOLD_COUNT"
"""Environment of the testbench: file that the words told go to, and how many there will be."""


@dataclass(frozen=True)
class BlockRun:
    """What the CPU told of one model's images: ``cycles`` (n,), ``fired`` (n, 2 hidden, side, side), ``scores``."""

    cycles: np.ndarray
    fired: np.ndarray
    scores: np.ndarray


def spike_bits(spikes):
    """Spikes (n, channels, side, side) as the firmware takes them: uint32 (n, side, side, words)."""
    n, channels, side, _ = spikes.shape
    count = -(-channels // WORD_BITS)
    padded = np.zeros((n, count * WORD_BITS, side, side), np.int64)
    padded[:, :channels] = spikes
    split = padded.reshape(n, count, WORD_BITS, side, side)
    return np.einsum("nwbyx,b->nyxw", split, 1 << np.arange(WORD_BITS)).astype("<u4")


def bench_data(cases):
    """Bytes for ``firmware/recurrent_bench.c``; ``cases``: list of (``RecurrentModel``, spikes of the front)."""
    parts = [np.array([len(cases)], "<u4").tobytes()]
    for model, spikes in cases:
        blob = model.blob()
        parts += [np.array([len(blob), len(spikes)], "<u4").tobytes(), blob, bytes(-len(blob) % 4)]
        parts.append(spike_bits(spikes).tobytes())
    return b"".join(parts)


def build_firmware(cases):
    """Bytes of the bench's program; raises ``ToolError`` without its compiler."""
    with runner.locked(DATA.parent):
        DATA.write_bytes(bench_data(cases))
        make = ["make", "--silent", "-C", str(ROOT / "firmware"), "recurrent"]
        make += [f"DATA={DATA}", f"ROM_BYTES={SYSTEM.rom_bytes}"]
        done = subprocess.run(make, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["make said nothing"])[0]
            raise ToolError(f"the recurrent block's firmware could not be built ({last}); see 'make -C firmware'")
        return (ROOT / "build" / "firmware" / "recurrent.bin").read_bytes()


def run_on_cpu(cases, name="recurrent-cpu"):
    """A ``BlockRun`` per case (see ``bench_data``), from the simulated CPU."""
    sizes = [1 + len(spikes) * (1 + model.side**2 + len(model.class_bias)) for model, spikes in cases]
    told = runner.ROOT / name / "told.npy"
    told.unlink(missing_ok=True)
    environment = {TOLD: str(told), COUNT: str(1 + sum(sizes))}
    system = Soc(SYSTEM, words(SYSTEM, build_firmware(cases)))
    runner.simulate(system, "onespike_sim.units.bench_recurrent", name, environment, cells=cpu_verilog())
    values = np.load(told)
    if values[0]:
        raise MismatchError("the simulated CPU's memory test failed; see build/sim/recurrent-cpu")
    runs, at = [], 1
    for (model, spikes), size in zip(cases, sizes, strict=True):
        part = values[at + 1 : at + size].reshape(len(spikes), -1)
        at += size
        pixels = part[:, 1 : 1 + model.side**2]
        channels = np.arange(2 * model.spec.hidden)[:, None]
        fired = (pixels[:, None] >> channels & 1).reshape(len(spikes), -1, model.side, model.side)
        scores = part[:, 1 + model.side**2 :].astype("<u4").view("<i4")
        runs.append(BlockRun(part[:, 0], fired, scores))
    return runs


def mismatched_bits(model, spikes, run):
    """Bits of map and scores in which the CPU differs from the golden model."""
    trace = run_block(model, spikes)
    scores = block_scores(model, trace.spikes)
    return int((run.fired ^ trace.spikes).sum() + np.bitwise_count((run.scores ^ scores) & 0xFFFF_FFFF).sum())


def _front(model, images, config):
    """(spikes of the front that the simulated core wrote, all of them compared; its cycles per image)."""
    program = compile(model.front, config).program
    verdict = compare(program, model.front.spec.arrange(images), name="recurrent-core")
    if wrong := int(verdict.mismatched.sum()):
        raise MismatchError(f"core and golden model differ in {wrong} bits of the front; see build/sim/recurrent-core")
    return verdict.trace.levels[-1], verdict.run.cycles


def _accuracy(model, images, labels, config):
    """Per cent right on all test images, golden model (``None`` without labels); spike rates of front and block."""
    program = compile(model.front, config).program
    scores, spikes, fired = run_recurrent(model, program, model.front.spec.arrange(images))
    right = None if labels is None else 100 * float((scores.argmax(1) == labels).mean())
    return right, float(spikes.mean()), float(fired.mean())


def _row(name, model, spikes, run, core_cycles, measured):
    """The report of one model."""
    cycles, (test, front_rate, rate) = float(run.cycles.mean()), measured
    adds = _window_spikes(model, spikes) * model.drive.size // model.drive.shape[-1]
    return {
        "name": name,
        **model.spec.to_dict(),
        "dataset": model.card["recipe"]["dataset"],
        "test_top1": test,
        "images": len(spikes),
        "mismatched_bits": mismatched_bits(model, spikes, run),
        "core_cycles_per_image": core_cycles,
        "cpu_cycles_per_image": cycles,
        "multiply_accumulates": model.products,
        "gated_adds": adds,
        "cycles_per_operation": cycles / (model.products + adds),
        "weight_bytes": len(model.blob()),
        "front_spike_rate": front_rate,
        "block_spike_rate": rate,
        "images_per_second": SYSTEM.clock_hz / (cycles + core_cycles),
    }


def _window_spikes(model, spikes):
    """Spikes that all windows of an image see, on average: of overlapping windows each its own."""
    size, offset = model.window
    views = [spikes[:, :, y : y + size, x : x + size] for y in (0, offset) for x in (0, offset)]
    return int(sum(view.sum() for view in views) / len(spikes))


def _images(model, args):
    """(images in the front's size, labels or ``None``); says so where there is no data set."""
    channels, side, _ = model.front.spec.image
    shape = channels, IMAGE_SIDE, IMAGE_SIDE
    found = sample(model.card["recipe"]["dataset"], args.data, TEST_IMAGES, shape, model.front.spec.classes)
    if found.missing:
        print(f"NO DATA: {found.missing}\nImages made by formula: bit-exactness is checked, ACCURACY IS NOT.")
    count = args.images if found.missing else TEST_IMAGES
    return pad_images(found.images[:count], side), found.labels


def _run(args):
    config = preset(args.config)
    models = {name: RecurrentModel.load(model_path(name)) for name in args.models or NAMES}
    cases, rows, extra = [], [], []
    for name, model in models.items():
        images, labels = _images(model, args)
        print(f"{name}: front on the core {config.name}, {args.images} images ...", flush=True)
        spikes, core_cycles = _front(model, images[: args.images], config)
        cases.append((model, spikes))
        extra.append((core_cycles, _accuracy(model, images, labels, config)))
    print(f"blocks on the CPU, ROM {SYSTEM.rom_bytes} bytes ...", flush=True)
    runs = run_on_cpu(cases)
    for (name, model), (_, spikes), run, more in zip(models.items(), cases, runs, extra, strict=True):
        rows.append(_row(name, model, spikes, run, *more))
    print(f"\n{'model':<22}{'top-1':>8}{'core cycles':>13}{'CPU cycles':>12}{'MAC':>9}{'adds':>8}{'cycles/op':>11}{'bits wrong':>12}")
    for row in rows:
        top1 = "-" if row["test_top1"] is None else f"{row['test_top1']:.2f}%"
        print(
            f"{row['name']:<22}{top1:>8}{row['core_cycles_per_image']:>13.0f}"
            f"{row['cpu_cycles_per_image']:>12.0f}{row['multiply_accumulates']:>9}{row['gated_adds']:>8}"
            f"{row['cycles_per_operation']:>11.1f}{row['mismatched_bits']:>12}"
        )
    print(f"wrote {write_report('recurrent', {'clock_hz': SYSTEM.clock_hz, 'rows': rows})}")
    if wrong := [row["name"] for row in rows if row["mismatched_bits"]]:
        raise MismatchError(f"CPU and golden model differ on {', '.join(wrong)}")


def add_parser(commands):
    """Add the command to the subparsers of ``onespike_sim``."""
    parser = commands.add_parser("recurrent", help="networks with a recurrent block: core, then firmware, every bit compared")
    parser.add_argument("models", nargs="*", help=f"names in {MODELS} or .npz files (default {', '.join(NAMES)})")
    parser.add_argument("--config", default="arty-a7-35t", help="core of the front")
    parser.add_argument("--images", type=positive, default=3, help="test images on core and CPU (default 3)")
    parser.add_argument("--data", help="folder that holds the data set")
    parser.set_defaults(run=_run)
