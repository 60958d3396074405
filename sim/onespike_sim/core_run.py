"""Runs programs and images through the simulated core and reads back what it did."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from amaranth.hdl import Shape

from onespike.contract import regs
from onespike.contract.config import WINDOWS
from onespike_hw.control.regfile import ADDRESS_BITS
from onespike_hw.core import Core
from onespike_hw.interfaces import spike_address

from . import runner

HARNESS = Path(__file__).parent / "harness" / "harness.sv"
PORTS = ("done", "timed_out")
LAYER_BEGINS, LAYER_ENDS, SPIKE_WRITE, SCORE, FIRST_PIXEL, REGISTER = range(6)


@dataclass
class CoreRun:
    """What a simulation left behind.

    ``scores`` int64 (n, classes); ``memory[image][layer]`` int64 (spike words, 4): what the layer wrote last
    in each quadrant of a word, -1 where it wrote nothing; ``layer_cycles`` (n, layers) from the array's turn
    to a layer to its turn to the next; ``first_pixel`` and ``last_score`` (n,) cycles; ``registers`` name ->
    value; ``total_cycles`` simulated and ``seconds`` of wall clock.
    """

    scores: np.ndarray
    memory: list
    layer_cycles: np.ndarray
    first_pixel: np.ndarray
    last_score: np.ndarray
    registers: dict
    total_cycles: int
    seconds: float

    @property
    def latency(self):
        """Cycles from the first image's first pixel to its last score: nothing was before it."""
        return int(self.last_score[0] - self.first_pixel[0] + 1)

    @property
    def cycles(self):
        """Cycles per image where one follows the other (float), ``latency`` where there is only one."""
        if len(self.last_score) == 1:
            return float(self.latency)
        return float(self.last_score[-1] - self.last_score[0]) / (len(self.last_score) - 1)

    @property
    def status(self):
        return regs.Status(self.registers["STATUS"])


@dataclass(frozen=True)
class CoreSource:
    """Verilog ``files`` that hold module ``core`` in place of its RTL; ``name`` of the simulation, and what else
    Verilator is told (``args``)."""

    name: str
    files: tuple
    args: tuple = ()


def _rtl(config):
    name = f"core-{config.name}"
    path = runner.ROOT / name / "core.v"
    runner.write_if_changed(path, runner.to_verilog(Core(config), "core")[0])
    return CoreSource(name, (path,))


@cache
def build_core(config, source=None):
    """(runner, folder) of the harness with a core of ``config``; built once per process and content.

    ``source``: a ``CoreSource``, if not its RTL.
    """
    source = source or _rtl(config)
    parameters = {
        "ADDRESS_BITS": Shape.cast(spike_address(config)).width,
        "WORDS_BITS": WINDOWS * config.word,
        "REGISTERS": len(regs.REGISTERS),
        "REGISTER_BITS": ADDRESS_BITS,
        "STATUS": regs.REGISTERS["STATUS"][0],
        "RESET": regs.REGISTERS["RESET"][0],
        "LOADING": regs.Status.LOADING.value,
    }
    args = ("--timing", "-CFLAGS", "-std=c++20", *source.args)
    return runner.build(source.name, [*source.files, HARNESS], "harness", PORTS, parameters, args)


def run_core(config, words, images, classes, layers, *, stall=0, seed=1, name="run", limit=None, spoil=0, source=None):
    """Simulate program ``words`` (uint32) on patched ``images`` (uint8 (n, C, H, W)).

    ``stall`` per cent of cycles every outer stream pauses at random; ``limit`` cycles at most; ``spoil``
    bytes of an image and a RESET go before everything else; ``source`` of module ``core``, if not its RTL.
    Raises ``SimulationError`` where the simulation does not finish.
    """
    built, folder = build_core(config, source)
    test_dir = folder / "runs" / name
    with runner.locked(test_dir):
        seconds, log = _simulate(built, folder, test_dir, words, images, classes, stall, seed, limit, spoil)
    return _read(log, config, len(images), classes, layers, seconds)


def _simulate(built, folder, test_dir, words, images, classes, stall, seed, limit, spoil):
    """(Seconds of wall clock, log int64 (lines, 9)) of one run."""
    files = {key: test_dir / f"{key}.bin" for key in ("program", "pixels", "log")}
    files["program"].write_bytes(np.asarray(words).astype("<u4").tobytes())
    files["pixels"].write_bytes(np.ascontiguousarray(images.transpose(0, 2, 3, 1)).tobytes())
    limit = limit or 20 * len(words) + 10_000_000 * max(1, len(images))
    numbers = {
        "images": len(images), "classes": classes, "image_bytes": max(1, images[0].size if len(images) else 1),
        "stall": stall, "seed": seed, "limit": limit, "spoil": spoil,
    }  # fmt: skip
    plusargs = [f"+{key}={value}" for key, value in (files | numbers).items()]
    seconds = test_dir / "seconds.txt"
    runner.run(
        built,
        folder,
        "harness",
        "onespike_sim.harness.finish",
        test_dir,
        plusargs,
        {"ONESPIKE_SECONDS": str(seconds)},
        replay=f"stall {stall}, seed {seed}",
    )
    return float(seconds.read_text()), np.array(files["log"].read_text().split(), np.int64).reshape(-1, 9)


def _read(log, config, images, classes, layers, seconds):
    kind = log[:, 0]
    offsets = {offset: name for name, (offset, _, _) in regs.REGISTERS.items()}
    registers = {offsets[offset]: value for offset, value in log[kind == REGISTER][:, 2:4].tolist()}
    total = int(log[-1, 1])
    if kind[kind == SCORE].size != images * classes:  # a refused program runs nothing
        images = 0
    scores = log[kind == SCORE][: images * classes]
    begins, ends = log[kind == LAYER_BEGINS], log[kind == LAYER_ENDS]
    steps = np.diff(np.append(begins[:, 1], ends[-1:, 1]))
    layer_cycles = steps[: images * layers].reshape(images, layers)
    first = log[kind == FIRST_PIXEL][:images, 1]
    last = scores[:, 1].reshape(images, classes)[:, -1]
    writes = log[kind == SPIKE_WRITE]
    number = np.searchsorted(ends[:, 1], writes[:, 1])
    memory = []
    for image in range(images):
        memory.append([_replay(writes[number == image * layers + layer], config) for layer in range(layers)])
    return CoreRun(scores[:, 2].reshape(images, classes), memory, layer_cycles, first, last, registers, total, seconds)


def _replay(writes, config):
    words = np.full((config.spike_words, WINDOWS), -1, np.int64)
    for quadrant in range(WINDOWS):
        chosen = writes[writes[:, 4] >> quadrant & 1 == 1]
        # NumPy keeps the last of repeated indices: the last write wins.
        words[chosen[:, 3], quadrant] = chosen[:, 5 + quadrant]
    return words
