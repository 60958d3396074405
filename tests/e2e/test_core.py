"""The whole core in Verilator: random networks, refused programs, stalls on every outer stream."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from onespike.compiler import compile
from onespike.contract import isa, regs
from onespike.contract.config import preset
from onespike.contract.program import fingerprint
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


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("tree", {"array": "tree"}),
        ("w8-o8-n1", {"array": "da", "word": 8, "outputs": 8, "neurons": 1, "weight_bits": 8}),
        ("w16-o16-n4", {"word": 16, "outputs": 16, "neurons": 4}),
        ("w4-o8-t4", {"word": 4, "outputs": 8, "neurons": 1, "tile": 4, "weight_bits": 2}),
    ],
)
def test_random_networks_on_other_sizes(name, sizes):
    """What the two presets leave out: arrays, words beyond 64 bits of four quadrants, lanes, tiles."""
    assert fuzz(replace(TINY, name=f"tiny-{name}", **sizes), range(100, 106)) == []


def test_reset_in_the_middle_of_an_image():
    """Some bytes of an image, then RESET: the program and the images that follow are as after power-up."""
    model, images = draw(47, TINY)
    program = compile(model, TINY).program
    pixels = model.spec.arrange(images)
    for spoil in (1, 7, pixels[0].size - 1):
        verdict = compare(program, pixels, name="spoilt", spoil=spoil, seed=spoil, stall=20)
        assert not verdict.mismatched.any() and verdict.run.registers["IMAGES"] == len(images)


def test_registers_tell_what_happened():
    """One image alone, then two: the counters are those of the last one."""
    for seed, count in ((35, 1), (47, 2)):
        model, images = draw(seed, TINY)
        compiled = compile(model, TINY)
        verdict = compare(compiled.program, model.spec.arrange(images), name="registers")
        run, registers = verdict.run, verdict.run.registers
        assert not verdict.mismatched.any() and len(images) == count
        assert registers["FINGERPRINT"] == fingerprint(TINY) and run.status is regs.Status.READY
        assert registers["IMAGES"] == count
        assert abs(registers["CYCLES"] - run.cycles) <= 2
        assert registers["ARRAY_CYCLES"] + registers["WEIGHT_WAITS"] <= registers["CYCLES"]
        if count == 1:
            assert registers["ARRAY_CYCLES"] == sum(row.beats for row in compiled.report.layers)


def test_comparison_notices_a_single_wrong_bit():
    """The check can fail: one weight changed after the golden model ran differs."""
    model, images = draw(35, TINY)
    program = compile(model, TINY).program
    pixels = model.spec.arrange(images)
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
    run = run_core(TINY, words, model.spec.arrange(images), program.classes, len(program.layers), name="refused")
    assert run.status.name == status and run.registers["IMAGES"] == 0 and len(run.scores) == 0


def test_a_hanging_simulation_is_an_error():
    model, images = draw(2, TINY)
    program = compile(model, TINY).program
    pixels = model.spec.arrange(images)
    with pytest.raises(SimulationError, match="cycle limit"):
        run_core(TINY, program.encode(), pixels, program.classes, len(program.layers), name="hang", limit=500)
