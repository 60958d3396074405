"""Commands: counters, self-test, LEDs, and that a repeated one is not done again."""

import zlib

import numpy as np
import pytest

from onespike.contract import frames
from onespike.contract.frames import COUNTERS, Command, Error, Kind, SelfTest
from onespike.golden import run

from ..support.native_board import NativeBoard
from .host import SYSTEM, Host, latest, only, results, small


def _check(case):
    """CRC-32 of the scores of the image by formula."""
    program = case.program
    i = np.arange(len(case.pixels[0]))
    pixels = ((i * 167 + (i >> 3) * 13 + 41) & 255).astype(np.uint8)
    image = pixels.reshape(program.image_side, program.image_side, program.image_channels).transpose(2, 0, 1)
    return zlib.crc32(run(program, image[None])[0].astype("<i4").tobytes())


def test_counters():
    board, host, case = small()
    host.open()
    for number in range(3):
        host.image(case.pixels[number], number=number)
    board.deliver(b"damaged frame")
    error, words = host.request(Command.COUNTERS)
    counters = dict(zip(COUNTERS, words, strict=True))
    assert error is Error.NONE and counters["IMAGES"] == 3 and counters["CYCLES"] == 2000
    assert counters["RX_DAMAGED"] == 1 and counters["RX_DROPPED"] == 0
    assert counters["SESSIONS"] == 2 and counters["REFUSALS"] == 0 and counters["WATCHDOG_RESETS"] == 0
    assert 0 < counters["UPTIME_LOW"] <= board.time and counters["UPTIME_HIGH"] == 0
    assert counters["SPIKES"] == int(case.scores[2].sum()) % (1 << 32)
    board.wait(5 << 32)
    board.step()
    assert dict(zip(COUNTERS, host.request(Command.COUNTERS)[1], strict=True))["UPTIME_HIGH"] == 5


def test_a_repeated_request_is_answered_not_done_again():
    _, host, case = small()
    host.open()
    host.program(case.file[: frames.PAYLOAD_BYTES], total=len(case.file))
    expected = host.sequence
    fields = {"number": host.requests, "command": Command.LOAD, "argument": len(case.file)}
    assert only(host.exchange(frames.Request, **fields), Kind.REPLY)["error"] is Error.NONE
    offset = frames.PAYLOAD_BYTES
    host.fragment(frames.Program, case.file[offset : 2 * offset], offset=offset)
    assert latest(host.poll())["expected"] == expected + 1  # the load went on


def test_the_first_request_of_a_session_is_new():
    _, host, _ = small()
    host.open(nonce=1)
    host.request(Command.LEDS, 15)
    host.open(nonce=2)
    host.requests -= 1
    assert host.request(Command.RESET)[0] is Error.NONE
    assert host.open(nonce=3)["program"] == 0


def test_an_unknown_command():
    _, host, _ = small()
    host.open()
    body = bytes([Kind.REQUEST.value, host.session, 9, 99]) + bytes(4)
    host.board.deliver(body + zlib.crc32(body).to_bytes(4, "little"))
    assert only(host.heard(), Kind.REPLY) | {"session": 0} == {
        "kind": Kind.REPLY, "session": 0, "number": 9, "error": Error.UNKNOWN, "words": 0
    }  # fmt: skip


def test_self_test_runs_the_image_by_formula():
    _, host, case = small()
    host.open()
    assert host.request(Command.SELFTEST, _check(case)) == (Error.NONE, [0])
    assert host.request(Command.SELFTEST, _check(case) ^ 1) == (Error.NONE, [1 << SelfTest.IMAGE.value])
    ((fields, scores),) = results(host.image(case.pixels[0]))
    assert fields["index"] == 0 and scores == case.scores[0].tolist()


def test_self_test_without_a_program():
    host = Host(NativeBoard(SYSTEM))
    host.open()
    assert host.request(Command.SELFTEST)[1] == [1 << SelfTest.NO_PROGRAM.value]


def test_self_test_waits_for_images():
    board, host, case = small()
    host.open()
    board.library.model_latency(50_000)
    host.image(case.pixels[0], turns=2)
    assert host.request(Command.SELFTEST, _check(case))[0] is Error.WORKING
    host.heard(200)
    assert host.request(Command.SELFTEST, _check(case), turns=200) == (Error.NONE, [0])


def test_images_during_the_self_test_are_not_taken():
    board, host, case = small()
    host.open()
    board.library.model_latency(50_000)
    fields = {"number": 1, "command": Command.SELFTEST, "argument": _check(case)}
    host.send(frames.Request, **fields)
    board.step(2)
    answers = host.image(case.pixels[0])
    assert latest(answers)["gap"] == 1 and latest(answers)["expected"] == 0
    assert only(host.heard(200), Kind.REPLY)["words"] == 1
    host.sequence = 0
    ((_, scores),) = results(host.image(case.pixels[0], turns=200))
    assert scores == case.scores[0].tolist()


@pytest.mark.parametrize("turns", [1, 3, 10])
def test_a_session_that_ends_in_the_self_test(turns):
    board, host, case = small()
    host.open()
    board.library.model_latency(20_000)
    host.send(frames.Request, number=1, command=Command.SELFTEST, argument=0)
    board.step(turns)
    host.open(nonce=2)
    ((_, scores),) = results(host.image(case.pixels[4], turns=200))
    assert scores == case.scores[4].tolist()


def test_broken_memories_are_found():
    board = NativeBoard(SYSTEM)
    board.library.model_rom(100, 1)
    host = Host(board)
    host.open()
    missing = 1 << SelfTest.NO_PROGRAM.value
    assert host.request(Command.SELFTEST)[1] == [1 << SelfTest.ROM.value | missing]
    for word in (0, 1000, 2047):
        board.library.model_break_packets(word)
        board.reboot()
        host.open(nonce=word)
        broken = 1 << SelfTest.ROM.value | 1 << SelfTest.PACKETS.value
        assert host.request(Command.SELFTEST)[1] == [broken | missing]
        assert board.leds >> 3 & 1
