"""Program images: what is written is read, and no damaged one is."""

import dataclasses
import zlib

import numpy as np
import pytest

from onespike.compiler import compile
from onespike.contract import isa
from onespike.contract.config import preset
from onespike.contract.program import Program, fingerprint
from onespike.errors import ProgramError
from onespike.random_networks import draw

TINY = preset("tiny")


@pytest.fixture(scope="module")
def program():
    return compile(draw(4, TINY)[0], TINY).program


def sealed(words):
    words[-1] = zlib.crc32(words[:-1].astype("<u4").tobytes())
    return words


def test_round_trip(program, tmp_path):
    program.save(tmp_path / "p.1spk")
    assert [p.name for p in tmp_path.iterdir()] == ["p.1spk"]
    again = Program.load(tmp_path / "p.1spk")
    for name in ("weights", "scale", "bias", "tables"):
        assert np.array_equal(getattr(again, name), getattr(program, name))
    for name in ("config", "layers", "image_channels", "image_side", "image_base", "classes", "metadata"):
        assert getattr(again, name) == getattr(program, name)


def test_odd_widths_round_trip(program, rng):
    config = dataclasses.replace(TINY, word=4, outputs=8, neurons=1, weight_bits=3)
    weights = rng.integers(-4, 4, (50, 8, 12))
    odd = dataclasses.replace(program, config=config, weights=weights)
    assert np.array_equal(Program.decode(odd.encode(), config).weights, weights)


def test_damage_is_named(program):
    good = program.encode()

    def changed(index, value):
        words = good.copy()
        words[index] = value
        return words

    cases = [
        (good[:3], "truncated"),
        (good[:-1], "was cut or padded"),
        (np.append(good, 0), "was cut or padded"),
        (changed(0, 1), "not a program image"),
        (sealed(changed(1, 7)), "format version 7"),
        (changed(40, good[40] ^ 4), "checksum"),
        (sealed(changed(2, 123)), "compiled for core 0000007b"),
        (sealed(changed(isa.HEADER_WORDS + 1, 10**6)), "runs past the end"),
        (sealed(changed(isa.HEADER_WORDS, 15)), "no known target"),
        (sealed(changed(isa.HEADER_WORDS, isa.Target.TABLES.value)), "lacks section METADATA"),
        (sealed(changed(isa.HEADER_WORDS + 2, 0)), "metadata is not readable"),
        (sealed(changed(4, good[4] + 1)), "descriptors, the header says"),
    ]
    for words, reason in cases:
        with pytest.raises(ProgramError, match=reason):
            Program.decode(words)


def test_every_flipped_bit_is_refused(program, rng):
    good = program.encode()
    for _ in range(300):
        bad = good.copy()
        bad[rng.integers(len(bad))] ^= np.uint32(1 << int(rng.integers(32)))
        with pytest.raises(ProgramError):
            Program.decode(bad)


def test_files(program, tmp_path):
    path = tmp_path / "p.1spk"
    with pytest.raises(ProgramError, match="cannot read"):
        Program.load(path)
    program.save(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ProgramError, match=r"p.1spk is truncated"):
        Program.load(path)


def test_fingerprint_covers_the_configuration(program):
    assert fingerprint(TINY) == fingerprint(preset("tiny"))
    assert fingerprint(TINY) != fingerprint(preset("arty-a7-35t"))
    assert fingerprint(TINY) != fingerprint(dataclasses.replace(TINY, tile=8))
    with pytest.raises(ProgramError, match="this core is"):
        Program.decode(program.encode(), preset("arty-a7-35t"))
