"""Programs on their way to the core: what is refused, and that nothing runs then."""

import zlib

import numpy as np
import pytest

from onespike.compiler import compile
from onespike.contract import frames, isa
from onespike.contract.config import preset
from onespike.contract.frames import Command, Error, Kind, SelfTest
from onespike.contract.regs import Status
from onespike.random_networks import draw

from ..support.cases import SMALL, tiny_case
from ..support.native_board import NativeBoard
from .host import SYSTEM, Host, latest, only, results


def _host():
    host = Host(NativeBoard(SYSTEM))
    host.open()
    return host, tiny_case(SMALL, 12)


def _sealed(words):
    """Bytes of words with a new checksum at the end."""
    words = np.array(words, "<u4")
    words[-1] = zlib.crc32(words[:-1].tobytes())
    return words.tobytes()


def _runs(host, case):
    """A right program after all that."""
    assert host.program(case.file)["status"] == Status.READY.value
    ((_, scores),) = results(host.image(case.pixels[3]))
    assert scores == case.scores[3].tolist()


def _is_refused(host, case, image, status):
    assert host.program(image)["status"] == status.value
    assert only(host.image(case.pixels[0]), Kind.REFUSED)["error"] is Error.NO_PROGRAM
    host.sequence -= 1  # the refused fragment was not taken
    _runs(host, case)


@pytest.mark.parametrize(
    ("word", "status"),
    [(0, Status.BAD_MAGIC), (1, Status.BAD_VERSION), (2, Status.BAD_FINGERPRINT), (-1, Status.BAD_CHECKSUM),
     (isa.HEADER_WORDS + 3, Status.BAD_CHECKSUM)],
)  # fmt: skip
def test_a_damaged_program_never_runs(word, status):
    host, case = _host()
    words = case.program.encode().copy()
    words[word] ^= 1 << 13
    _is_refused(host, case, words.astype("<u4").tobytes(), status)


def test_a_program_for_another_core():
    host, case = _host()
    board_size = preset("arty-a7-35t")
    other = compile(draw(SMALL, board_size)[0], board_size).program
    _is_refused(host, case, other.encode().astype("<u4").tobytes(), Status.BAD_FINGERPRINT)


def test_an_unknown_section():
    host, case = _host()
    words = case.program.encode().copy()
    words[isa.HEADER_WORDS] |= 15
    _is_refused(host, case, _sealed(words), Status.BAD_SECTION)


@pytest.mark.parametrize("extra", [1, 255, 300, 2000])
def test_words_after_the_end_are_refused(extra):
    """The core is ready before all bytes came: such an image was padded, and the slots come free again."""
    host, case = _host()
    _is_refused(host, case, case.file + bytes(4 * extra), Status.BAD_SECTION)


def test_a_header_that_announces_more_never_becomes_ready():
    host, case = _host()
    words = case.program.encode().copy()
    words[3] += 10
    assert host.program(_sealed(words))["status"] == Status.LOADING.value
    assert only(host.image(case.pixels[0]), Kind.REFUSED)["error"] is Error.NO_PROGRAM
    host.sequence -= 1
    _runs(host, case)


@pytest.mark.parametrize("classes", [0, frames.CLASSES + 1])
def test_more_classes_than_a_result_holds(classes):
    host, case = _host()
    program = case.program
    layers = [dict(layer) for layer in program.layers]
    layers[-1]["channels"] = classes
    words = program.encode().copy()
    last = isa.to_words(isa.pack(isa.Layer, **layers[-1]), isa.LAYER_WORDS)
    original = isa.to_words(isa.pack(isa.Layer, **program.layers[-1]), isa.LAYER_WORDS)
    (at,) = [i for i in range(len(words)) if words[i : i + isa.LAYER_WORDS].tolist() == original]
    words[at : at + isa.LAYER_WORDS] = last
    _is_refused(host, case, _sealed(words), Status.BAD_SECTION)


@pytest.mark.parametrize("padding", range(0, 40, 4))
def test_classes_are_found_wherever_fragments_end(padding):
    """Metadata of all lengths moves the section headers across the fragments' borders."""
    host, case = _host()
    words = case.program.encode()
    size = words[isa.HEADER_WORDS + 1]
    most = frames.PAYLOAD_BYTES // 4 - isa.HEADER_WORDS - 2 * isa.SECTION_WORDS - int(size)
    count = max(0, most) + padding // 4
    body = words.tolist()
    at = isa.HEADER_WORDS + isa.SECTION_WORDS + int(size)
    body[at:at] = [0x20202020] * count
    body[isa.HEADER_WORDS + 1] += count
    body[3] += count
    assert host.program(_sealed(body))["status"] == Status.READY.value
    ((_, scores),) = results(host.image(case.pixels[0]))
    assert scores == case.scores[0].tolist()


@pytest.mark.parametrize("channels, half", [(0, 4), (3, 0), (255, 255)])
def test_images_of_no_possible_size(channels, half):
    host, case = _host()
    words = case.program.encode().copy()
    words[4] = (int(words[4]) & ~0xFFFF00) | channels << 8 | half << 16
    host.request(Command.LOAD, 4 * len(words))
    part = _sealed(words)[: frames.PAYLOAD_BYTES]
    refused = only(host.fragment(frames.Program, part, offset=0), Kind.REFUSED)
    assert refused["error"] is Error.SIZE and refused["refused"] is Kind.PROGRAM
    host.sequence = 0
    assert latest(host.poll())["status"] == Status.NO_PROGRAM.value
    _runs(host, case)


@pytest.mark.parametrize("size", [0, 3, 4 * isa.HEADER_WORDS, 1022, (2 << 20) + 4, 0xFFFFFFFC])
def test_a_load_of_no_possible_size(size):
    host, case = _host()
    host.program(case.file)
    assert host.request(Command.LOAD, size)[0] is Error.SIZE
    assert latest(host.poll())["status"] == Status.READY.value  # nothing happened


def test_fragments_out_of_place():
    host, case = _host()
    part = case.file[: frames.PAYLOAD_BYTES]
    assert only(host.fragment(frames.Program, part, offset=0), Kind.REFUSED)["error"] is Error.SIZE  # no LOAD before
    host.request(Command.LOAD, len(case.file))
    for offset, length in ((4, 1024), (0, 1020), (0, 0), (1024, 1024)):
        host.sequence = 0
        refused = only(host.fragment(frames.Program, bytes(length), offset=offset), Kind.REFUSED)
        assert refused["error"] is Error.SIZE
    host.sequence = 0
    _runs(host, case)


def test_a_program_cut_short_does_not_run():
    host, case = _host()
    state = host.program(case.file[: 2 * frames.PAYLOAD_BYTES], total=len(case.file))
    assert state["status"] == Status.LOADING.value
    assert only(host.image(case.pixels[0]), Kind.REFUSED)["error"] is Error.NO_PROGRAM
    host.sequence -= 1
    _runs(host, case)


def test_load_and_reset_drop_the_program_and_its_images():
    host, case = _host()
    host.program(case.file)
    for command, argument in ((Command.LOAD, len(case.file)), (Command.RESET, 0)):
        for number in range(3):
            host.send(frames.Image, case.pixels[number], sequence=host.sequence, image=number, offset=0, results=0)
            host.sequence += 1
        assert host.request(command, argument)[0] is Error.NONE
        assert latest(host.poll())["status"] == Status.NO_PROGRAM.value
        before = host.sequence
        assert latest(host.poll())["expected"] == before
        host.program(case.file)
        acknowledged = latest(host.poll())["results"]
        ((fields, scores),) = results(host.image(case.pixels[5], number=9, results=acknowledged))
        assert fields["image"] == 9 and scores == case.scores[5].tolist()


def test_refused_programs_light_the_error_and_the_self_test_says_so():
    host, case = _host()
    words = case.program.encode().copy()
    words[-1] ^= 1
    host.program(words.astype("<u4").tobytes())
    assert host.board.leds >> 3 & 1
    assert host.request(Command.SELFTEST)[1] == [1 << SelfTest.TABLE.value]
