"""Boards by URI, the golden model as a device, images and programs as a user gives them."""

import numpy as np
import pytest

from onespike.compiler import compile
from onespike.contract import frames
from onespike.contract.config import preset
from onespike.contract.frames import Error, SelfTest
from onespike.contract.program import fingerprint
from onespike.contract.regs import Status
from onespike.errors import BoardError, ContractError, DataError, LinkError, ProgramError, RecordingError
from onespike.golden import fired_spikes, run, run_traced
from onespike.images import patch, procedural
from onespike.network import DEFAULT
from onespike.random_networks import draw
from onespike.runtime import Board
from onespike.runtime.emulator import GoldenDevice
from onespike.runtime.pixels import from_bytes, prepare, selftest_check, selftest_image, to_bytes
from onespike.runtime.session import Session

from .fake_board import FakeBoard, scores

TINY = preset("tiny")


def small(seed=3):
    """(Program, images) of a random network."""
    model, _ = draw(seed, TINY)
    return compile(model, TINY).program, procedural(20, model.spec.image)


@pytest.fixture
def program_file(tmp_path):
    small()[0].save(tmp_path / "small.1spk")
    return tmp_path / "small.1spk"


@pytest.mark.parametrize("seed", range(4))
def test_golden_device_is_the_golden_model(seed):
    program, images = small(seed)
    pixels = patch(images, program.metadata["patch"])
    with Board(GoldenDevice(program), program) as board:
        results = list(board.classify(images))
        assert board.counters()["IMAGES"] == 20 and board.selftest() == []
    expected, trace = run_traced(program, pixels)
    assert np.array_equal([r.scores for r in results], expected) and [r.image for r in results] == list(range(20))
    assert [r.prediction for r in results] == expected.argmax(1).tolist()
    assert [r.spikes for r in results] == fired_spikes(program, trace).tolist()


def test_golden_by_uri(program_file):
    program, images = small()
    with Board.open(f"golden://{program_file}") as board:
        assert board.identity.fingerprint == fingerprint(TINY) and board.core == "tiny"
        assert board.identity.status is Status.READY and board.identity.program == program.encode()[-1]
        assert board.identity.image_bytes == patch(images[:1], program.metadata["patch"]).size
        scored = [r.scores for r in board.classify(images)]
        assert np.array_equal(scored, run(program, patch(images, program.metadata["patch"])))
        board.reset()
        assert board.identity.status is Status.NO_PROGRAM and board.program is None


def test_default_program_is_the_committed_model():
    with Board.open("golden://") as board:
        assert board.identity.program == 0
        assert len(list(board.classify(procedural(1, (3, 32, 32))))) == 1
        assert board.program.metadata["network"] == DEFAULT and board.core == "arty-a7-35t"


def test_golden_device_without_a_program():
    device = GoldenDevice()
    assert device.request(frames.Command.SELFTEST) == (1 << SelfTest.NO_PROGRAM.value,)
    with pytest.raises(BoardError, match="has no program"):
        next(device.run([b"x"]))
    with pytest.raises(BoardError, match="knows no LEDS"):
        device.request(frames.Command.LEDS)


def test_another_program_ends_a_run_on_the_golden_model():
    """As on a board: no result is another program's."""
    program, images = small()
    with Board(GoldenDevice(program), program) as board:
        results = board.classify(images)
        next(results)
        board.load(small()[0])
        with pytest.raises(BoardError, match="another operation took golden:// from this one"):
            list(results)


def test_selftest_that_fails():
    program, _ = small()
    board = Board(GoldenDevice(program), program)
    board.device.program = small(2)[0]
    assert board.selftest() == [SelfTest.IMAGE]


# Pixels.


def test_patched_or_not(rng):
    program, images = next((p, i) for p, i in map(small, range(20)) if p.metadata["patch"] == 2)
    patched = patch(images, 2)
    assert np.array_equal(prepare(program, images), patched) and prepare(program, patched) is patched


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 3, 5, 5), np.uint8),
        np.zeros((3, 32, 32), np.uint8),
        np.zeros((1, 3, 32, 32), np.float32),
        np.zeros(0, np.uint8),
        [["text"]],
    ],
    ids=str,
)
def test_wrong_images_are_refused_before_anything_is_sent(images):
    transport = FakeBoard()
    with Board.open("golden://") as golden:
        program = golden.compile()
    board = Board(Session(transport), program)
    sent = transport.sent
    with pytest.raises(DataError, match=r"images are .*, the program takes uint8 \(n, 3, 32, 32\); convert or crop"):
        board.classify(images)
    assert transport.sent == sent


def test_order_of_the_core(rng):
    """Position by position, all channels of each."""
    program, _ = small()
    side, channels = program.image_side, program.image_channels
    pixels = rng.integers(0, 256, (channels, side, side), dtype=np.uint8)
    content = to_bytes(pixels)
    for row, column, channel in np.ndindex(side, side, channels):
        assert content[(row * side + column) * channels + channel] == pixels[channel, row, column]
    assert np.array_equal(from_bytes(program, content), pixels)


def test_selftest_image_is_its_formula():
    program, _ = small()
    content = to_bytes(selftest_image(program)[0])
    assert content == bytes((i * 167 + (i >> 3) * 13 + 41) & 255 for i in range(len(content)))
    assert selftest_check(program) != selftest_check(small(2)[0])


# A board over its link.


@pytest.fixture
def tiny_board():
    transport = FakeBoard(loaded=0)
    transport.fingerprint = fingerprint(TINY)
    return transport


def test_load_and_classify(tiny_board, program_file):
    program, images = small()
    tiny_board.classes = program.classes
    tiny_board.image_bytes = to_bytes(prepare(program, images)[0]).__len__()
    with Board(Session(tiny_board)) as board:
        board.load(program_file)
        assert board.core == "tiny" and board.program.metadata == program.metadata
        assert board.identity.program == tiny_board.loaded == program.encode()[-1]
        for image, result in zip(prepare(program, images), board.classify(images), strict=True):
            assert result.error is None and np.array_equal(result.scores, scores(to_bytes(image), program.classes))
    assert tiny_board.closed


def test_program_for_another_core(tiny_board):
    tiny_board.fingerprint = 0x1234
    session = Session(tiny_board)
    sent = tiny_board.sent
    with pytest.raises(
        ProgramError, match=rf"compiled for core {fingerprint(TINY):08x} \(tiny\), the board at fake:// has 00001234"
    ):
        session.load(small()[0])
    assert tiny_board.sent == sent
    with pytest.raises(ContractError, match="has core 00001234, which this version does not know"):
        list(Board(session).classify(procedural(1, (3, 32, 32))))


def test_a_reset_that_fails_still_forgets_the_program(tiny_board):
    """Whether the board has it is not known then, nor does the session load it again."""

    def gone(frame):
        raise LinkError("gone")

    board = Board(Session(tiny_board), small()[0])
    tiny_board.send = gone
    with pytest.raises(LinkError, match="gone"):
        board.reset()
    assert board.program is None


def test_counters_have_names(tiny_board):
    counters = Board(Session(tiny_board)).counters()
    assert counters["UPTIME"] == 1 << 32 and counters["WATCHDOG_RESETS"] == len(frames.COUNTERS) - 1
    assert set(counters) == {"UPTIME", *frames.COUNTERS[2:]}


def test_replies_of_another_length(tiny_board, monkeypatch):
    board = Board(Session(tiny_board), small()[0])
    monkeypatch.setattr(tiny_board, "_do", lambda command, argument: (Error.NONE, [1, 2]))
    with pytest.raises(BoardError, match="COUNTERS with 2 words, not 14"):
        board.counters()
    with pytest.raises(BoardError, match="SELFTEST with 2 words, not 1"):
        board.selftest()


def test_error_in_the_block_is_the_one_that_counts(tiny_board):
    def gone(frame):
        raise RecordingError("closing fails as well")

    with pytest.raises(ZeroDivisionError), Board(Session(tiny_board)):
        tiny_board.send = gone
        raise ZeroDivisionError


# URIs.


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("/dev/ttyUSB1", "its kind is unknown"),
        ("usb://x", "its kind is unknown; write for example serial:///dev/ttyUSB1"),
        ("serial://", "names no serial port"),
        ("serial:///dev/x?baud=fast", "baud is no number: 'fast'"),
        ("serial:///dev/x?baud=0", "baud must be at least 1, not 0"),
        ("serial:///dev/x?wait=-1", "wait must be at least 0.001, not -1"),
        ("serial:///dev/x?wait=nan", "wait must be at least 0.001"),
        ("udp://host?wait=1e-320", "wait must be at least 0.001"),
        ("serial:///dev/x?speed=1", "unknown parameter 'speed'; known are"),
        ("serial:///dev/x?link=udp", "link means nothing to this kind of board"),
        ("udp://", "names no host and port"),
        ("udp://host:http", "names no host and port"),
        ("udp://host:70000", "names no host and port"),
        ("virtual://place", "a virtual board has none"),
        ("virtual://?link=usb", "has no link 'usb'; choose one of uart, udp"),
        ("golden://?timeout=1", "timeout means nothing"),
        ("replay:///absent.rec", "cannot read the recording"),
        ("udp://[::1", "is malformed"),
        ("udp://ho\nst", r"'udp://ho\\nst' is malformed \(a character that cannot be printed\)"),
        ("golden://\0", "cannot be printed"),
        ("golden://\udcff.1spk", "cannot be printed"),
    ],
)
def test_uris_that_are_none(uri, reason):
    with pytest.raises(BoardError, match=reason):
        Board.open(uri)


@pytest.mark.parametrize("name", ["a#b.1spk", "a b%20.1spk", "\N{GREEK SMALL LETTER MU}.1spk"])
def test_a_path_is_what_it_says(tmp_path, name):
    program, _ = small()
    program.save(tmp_path / name)
    assert Board.open(f"golden://{tmp_path}/{name}").identity.program == program.encode()[-1]


def test_golden_uri_of_a_file_that_is_absent():
    with pytest.raises(ProgramError, match=r"cannot read the program image absent.1spk"):
        Board.open("golden://absent.1spk")


def test_golden_model_has_no_link_to_record(tmp_path):
    with pytest.raises(BoardError, match="no link to record"):
        Board.open("golden://", record=tmp_path / "r")
