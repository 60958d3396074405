"""The boot record's frames, as the link engine delivers them: what the firmware makes of them, and what its LEDs show."""

import zlib

import numpy as np
import pytest

from onespike.contract import boot, frames
from onespike.contract.frames import Kind
from onespike.contract.regs import Status
from onespike.contract.soc import LEDS

from ..support.cases import SMALL, tiny_case
from ..support.native_board import NativeBoard
from .host import FAR, SETTLED, SYSTEM, Host, results


def play(board, record, resets=0):
    """Deliver every frame with the number of its session; a frame comes when the one before is done with."""
    for number, frame in enumerate(boot.decode(record)):
        body = bytearray(frame[: -frames.CHECK_BYTES])
        if number:
            body[boot.SESSION_AT] = boot.session_number(resets)
        assert board.deliver(bytes(body) + zlib.crc32(body).to_bytes(frames.CHECK_BYTES, "little"))
        board.step(SETTLED)
    return [frames.decode(one.data)[0] for one in board.sent()]


def lit(board):
    """Names of the LEDs that are on, but for the heartbeat's."""
    return {name for bit, name in enumerate(LEDS) if board.leds >> bit & 1} - {"HEARTBEAT"}


@pytest.mark.parametrize("resets", [0, 1, 15, 16, 37])
def test_after_every_reset(resets):
    """The first session's number is the one that the contract says; the program stays when the record has closed it."""
    case, board = tiny_case(SMALL, 12), NativeBoard(SYSTEM)
    for _ in range(resets):
        board.reboot()
        board.step(3)
    board.step(SETTLED)
    assert lit(board) == ({"ERROR"} if resets else set())
    assert Kind.REFUSED not in play(board, boot.encode(case.program.encode()), resets)
    assert lit(board) == {"READY", *(["ERROR"] if resets else [])}
    host = Host(board, **FAR)
    assert host.open()["status"] == Status.READY.value
    assert lit(board) >= {"READY", "SESSION"}
    ((_, scores),) = results(host.image(case.pixels[0]))
    assert scores == case.scores[0].tolist()


def test_another_core():
    """The error shows, there is no program, and another host may load one."""
    case, board = tiny_case(SMALL, 12), NativeBoard(SYSTEM)
    words = case.program.encode().copy()
    words[2] ^= np.uint32(1)  # the fingerprint
    words[-1] = zlib.crc32(words[:-1].astype("<u4").tobytes())
    play(board, boot.encode(words))
    assert lit(board) == {"ERROR"}
    host = Host(board, **FAR)
    assert host.open()["program"] == 0
    assert host.program(case.file)["status"] == Status.READY.value


def test_another_host_was_first():
    """The record is refused as any second host is, and does no harm to the first one."""
    case, board = tiny_case(SMALL, 12), NativeBoard(SYSTEM)
    host = Host(board, **FAR)
    host.open()
    assert host.program(case.file)["status"] == Status.READY.value
    assert set(play(board, boot.encode(case.program.encode()))) == {Kind.REFUSED}
    ((_, scores),) = results(host.image(case.pixels[1]))
    assert scores == case.scores[1].tolist()
