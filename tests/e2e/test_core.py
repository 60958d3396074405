"""The whole core in Verilator: random networks, refused programs, stalls on every outer stream."""

import zlib

import numpy as np
import pytest

from onespike.compiler import compile
from onespike.contract import isa, regs
from onespike.contract.config import preset
from onespike.contract.program import fingerprint
from onespike.images import patch
from onespike.random_networks import draw
from onespike_sim.core_run import run_core
from onespike_sim.runner import SimulationError
from onespike_sim.verify import compare, fuzz

TINY = preset("tiny")


@pytest.mark.parametrize("start", range(0, 30, 5))
def test_random_networks(start):
    """Every feature combination drawn at random; odd seeds with random stalls."""
    assert fuzz(TINY, range(start, start + 5)) == []


def test_random_networks_at_board_size():
    assert fuzz(preset("arty-a7-35t"), range(3)) == []


def test_registers_tell_what_happened():
    model, images = draw(35, TINY)
    program = compile(model, TINY).program
    verdict = compare(program, patch(images, model.spec.patch), name="registers")
    run, registers = verdict.run, verdict.run.registers
    assert not verdict.mismatched.any() and len(images) == 2
    assert registers["FINGERPRINT"] == fingerprint(TINY) and run.status is regs.Status.READY
    assert registers["IMAGES"] == 2
    assert 0 < registers["ARRAY_CYCLES"] <= run.layer_cycles[-1].sum() < registers["CYCLES"] <= run.cycles[-1] + 8


def test_comparison_notices_a_single_wrong_bit():
    """The check can fail: one weight changed after the golden model ran differs."""
    model, images = draw(35, TINY)
    program = compile(model, TINY).program
    pixels = patch(images, model.spec.patch)
    words = program.encode()
    right = compare(program, pixels, name="flip")
    program.bias[-1] += 1
    wrong = compare(program, pixels, name="flip")
    assert np.array_equal(wrong.run.scores[:, -1], right.run.scores[:, -1] + 1)
    run = run_core(TINY, words, pixels, program.classes, len(program.layers), name="flip")
    assert np.array_equal(run.scores, right.run.scores)


def sealed(words):
    words[-1] = zlib.crc32(words[:-1].astype("<u4").tobytes())
    return words


@pytest.mark.parametrize(
    ("damage", "status"),
    [("fingerprint", "BAD_FINGERPRINT"), ("version", "BAD_VERSION"), ("magic", "BAD_MAGIC"), ("bit", "BAD_CHECKSUM")],
)
def test_refused_programs_run_nothing(damage, status):
    model, images = draw(2, TINY)
    program = compile(model, TINY).program
    words = program.encode()
    if damage == "bit":
        words[isa.HEADER_WORDS + 20] ^= np.uint32(1)
    else:
        words[("magic", "version", "fingerprint").index(damage)] ^= np.uint32(1)
        sealed(words)
    run = run_core(TINY, words, patch(images, model.spec.patch), program.classes, len(program.layers), name="refused")
    assert run.status.name == status and run.registers["IMAGES"] == 0 and len(run.scores) == 0


def test_a_hanging_simulation_is_an_error():
    model, images = draw(2, TINY)
    program = compile(model, TINY).program
    pixels = patch(images, model.spec.patch)
    with pytest.raises(SimulationError, match="cycle limit"):
        run_core(TINY, program.encode(), pixels, program.classes, len(program.layers), name="hang", limit=500)
