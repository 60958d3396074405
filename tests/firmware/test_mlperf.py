"""The serial protocol of MLPerf Tiny, as its public runner speaks it."""

import re

import numpy as np
import pytest

from onespike.contract import frames, soc
from onespike.contract.frames import Kind

from ..support.cases import LARGE, SMALL, tiny_case
from ..support.native_board import NativeBoard
from .host import FAR, SYSTEM, Host, only, results

PIECE = 31


class Runner:
    """Types commands; the answer is a list of lines that ends with ``m-ready``."""

    def __init__(self, board):
        self.board = board

    def __call__(self, command, turns=3000):
        self.board.type(command.encode() + b"%")
        text = b""
        for _ in range(turns):
            self.board.step()
            text += b"".join(sent.data for sent in self.board.sent() if sent.text)
            if text.endswith(b"m-ready\r\n"):
                return text.decode().split("\r\n")[:-2]
        raise AssertionError(f"{command!r} got only {text!r}")

    def load(self, data):
        assert self(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
        for start in range(0, len(data), PIECE):
            answer = self("db " + data[start : start + PIECE].hex())
            assert answer == (["m-load-done"] if start + PIECE >= len(data) else [])


def _board(seed=LARGE):
    case = tiny_case(seed, 2)
    return NativeBoard(SYSTEM, case.program), case


def _raster(image):
    return image.transpose(1, 2, 0).tobytes()


@pytest.mark.parametrize("seed", [SMALL, LARGE])
def test_a_session_of_the_runner(seed):
    board, case = _board(seed)
    runner = Runner(board)
    assert runner("name") == ["m-name-dut-[onespike]"]
    profile, model = runner("profile")
    assert re.fullmatch(r"m-profile-\[[^]]+\]", profile) and model == "m-model-[ic01]"
    data = _raster(case.images[1])
    runner.load(data)
    printed = runner("db print")
    assert bytes.fromhex("".join(line.removeprefix("m-buffer-") for line in printed).replace("-", "")) == data
    lines = runner("infer 3 1")
    stamps = [int(match[1]) for line in lines if (match := re.fullmatch(r"m-lap-us-([0-9]+)", line))]
    assert [re.sub(r"[0-9]+$", "N", line) for line in lines[:4]] == [
        "m-warmup-start-N", "m-warmup-done", "m-infer-start-N", "m-lap-us-N",
    ]  # fmt: skip
    assert len(stamps) == 2 and stamps[1] - stamps[0] >= 3 * 2000 // 100
    assert lines[5] == "m-infer-done"
    scores = [int(score) for score in re.fullmatch(r"m-results-\[(.*)\]", lines[6])[1].split(",")]
    assert scores == case.scores[1].tolist()
    assert runner("results") == [lines[6]]
    assert runner("help")


def test_the_patches_of_the_program_decide_where_bytes_go():
    """Both networks of the sessions above have patches of some size: at least one has more than one pixel."""
    assert {tiny_case(seed, 2).program.metadata["patch"] for seed in (SMALL, LARGE)} >= {2}


def test_errors():
    board, case = _board()
    runner = Runner(board)
    size = len(case.pixels[0])
    assert runner("nonsense") == ["m-error-[command]"]
    assert runner("") == ["m-error-[command]"]
    assert runner("db") == ["m-error-[command]"]
    assert runner("db 00") == ["m-error-[db]"]
    assert runner("db print") == ["m-error-[db]"]
    assert runner("infer 1 0") == ["m-error-[db]"]
    assert runner("results") == ["m-error-[results]"]
    for bad in ("", "0", "-1", "x", "99999", str(4 * 3 * soc.SLOT_WORDS + 1)):
        assert runner(f"db load {bad}") == ["m-error-[size]"]
    runner(f"db load {size}")
    for bad in ("0", "0g", "00 00x", "zz"):
        assert runner(f"db {bad}") == (["m-error-[digits]"] if bad != "00 00x" else [])
    assert runner("infer 1 0") == ["m-error-[db]"]
    runner.load(bytes(size - 3))
    assert runner("infer 1 0") == ["m-error-[size]"]
    runner.load(bytes(size))
    for bad in ("0 1", "1001 1", "1 1001", "x 1", "1 x"):
        assert runner(f"infer {bad}") == ["m-error-[count]"]
    assert runner("db 00") == ["m-error-[db]"]


def test_no_program():
    runner = Runner(NativeBoard(SYSTEM))
    runner.load(bytes(100))
    assert runner("infer 1 0") == ["m-error-[program]"]


def test_random_bytes_are_printed_as_sent(rng):
    for seed in (SMALL, LARGE):
        board, case = _board(seed)
        runner = Runner(board)
        data = rng.integers(0, 256, len(case.pixels[0]), np.uint8).tobytes()
        runner.load(data)
        printed = "".join(line.removeprefix("m-buffer-") for line in runner("db print"))
        assert bytes.fromhex(printed.replace("-", "")) == data


def test_frames_do_not_disturb_the_line():
    """The bytes of frames come to the parser too; it skips them, to the zero that ends them."""
    board, _ = _board()
    runner = Runner(board)
    host = Host(board, **FAR)
    for payload in (b"name%", b"%", b"db load 5%" * 20):
        board.type((b"\0\x07\x03" + payload)[:100] + b"\0")
        board.step(20)
        assert board.sent() == []
    board.deliver(frames.encode(frames.Poll, session=9, results=0))
    assert only(Host(board).heard(), Kind.REFUSED)
    assert runner("name") == ["m-name-dut-[onespike]"]
    assert only(host.exchange(frames.Open, version=frames.PROTOCOL, nonce=1), Kind.OPENED)


def test_a_line_that_is_too_long_is_skipped():
    board, _ = _board()
    runner = Runner(board)
    for _ in range(3):
        board.type(b"x" * 100)
        board.step(5)
    board.type(b"%")
    board.step(5)
    assert board.sent() == []
    board.wait(1 << 21)  # skipping ends with silence
    board.step()
    assert runner("name") == ["m-name-dut-[onespike]"]


def test_a_session_silences_the_text_and_takes_its_slots_back():
    board, case = _board()
    runner = Runner(board)
    runner.load(_raster(case.images[0]))
    assert board.library.model_rx_use() == 0b1111000
    board.type(b"infer 1000 0%")
    board.step(20)
    host = Host(board, **FAR)
    host.open()
    board.sent()
    assert board.library.model_rx_use() == 0b1111111
    board.type(b"name%")
    board.step(50)
    assert not [sent for sent in board.sent() if sent.text]
    ((_, scores),) = results(host.image(case.pixels[1], turns=60))
    assert scores == case.scores[1].tolist()
    host.exchange(frames.Close)
    assert runner("name") == ["m-name-dut-[onespike]"]
    assert runner("infer 1 0") == ["m-error-[db]"]


def test_the_clock_beyond_a_second():
    board, _ = _board()
    runner = Runner(board)
    board.step()
    for _ in range(50):
        board.wait(99_000_000)
        board.step()
    (line,) = runner("timestamp")
    assert abs(int(line.removeprefix("m-lap-us-")) - board.time // 100) < 1000
