"""The virtual board with a boot record in its flash: it classifies after power-up, and after every reset, without a load."""

import itertools

import pytest
import serial

from onespike import cli
from onespike.compiler import compile
from onespike.contract import boot, frames, soc
from onespike.contract.boards import SYSTEMS
from onespike.contract.config import preset
from onespike.contract.frames import Error, Kind
from onespike.contract.program import fingerprint
from onespike.contract.regs import Status
from onespike.random_networks import draw
from onespike.runtime import Board
from onespike.runtime.session import Session
from onespike_hw.link.boot import BIT_CYCLES
from onespike_sim.bench_link import boot_cycles
from onespike_sim.runner import SimulationError
from onespike_sim.virtual.run import VirtualBoard
from onespike_sim.virtual.stepped import SteppedTransport

from ..support.cases import LARGE, SMALL, tiny_case
from ..support.mlperf_client import MlperfClient
from .test_virtual import check

TINY = SYSTEMS["virtual-tiny"]
BOOTED = {SMALL: 800_000, LARGE: 1_000_000}
"""Cycles after which such a program is loaded: half a million for the firmware's tests, and the record."""
WAIT = 2e-3
"""Seconds of the board's time in which it answers."""


def record(folder, case, name="case.boot"):
    """A file with the boot record of ``case``."""
    path = folder / name
    path.write_bytes(boot.encode(case.program.encode()))
    return path


def session(virtual):
    """The shipped driver at a stepped board; opens a session."""
    return Session(SteppedTransport(virtual, TINY.clock_hz, WAIT, itertools.count(1)))


def has(board, case):
    """The board has the program of ``case`` and classifies with it, and nobody else had a session since the record's."""
    assert board.identity.status is Status.READY and board.identity.program == int(case.program.encode()[-1])
    assert board.counters()["SESSIONS"] == 2
    board.program = case.program
    check(board, case)


@pytest.mark.parametrize("link", ["uart", "udp"])
def test_classifies_without_a_load(link, tmp_path):
    """Ready when the first host asks, over either link, and nothing was counted as lost; another program can be loaded."""
    case, other = tiny_case(LARGE, 3), tiny_case(SMALL, 3)
    with VirtualBoard(TINY, link, step=True, flash=record(tmp_path, case)) as virtual:
        virtual.step(BOOTED[LARGE])
        with Board(session(virtual)) as board:
            has(board, case)
            counters = board.counters()
            assert counters["RX_DAMAGED"] == counters["RX_DROPPED"] == counters["REFUSALS"] == 0
            board.load(other.program)
            check(board, other)


def test_resets(tmp_path):
    """After bites of the watchdog, each of which makes the first session another one, and after the reset button."""
    case = tiny_case(SMALL, 2)
    with VirtualBoard(TINY, "udp", step=True, flash=record(tmp_path, case)) as virtual:
        virtual.step(600_000)  # in the middle of a boot
        virtual.toggle_hang()
        virtual.step(5 * TINY.watchdog_cycles // 2)
        virtual.toggle_hang()
        virtual.step(BOOTED[SMALL])
        with Board(session(virtual)) as board:
            has(board, case)
            assert board.counters()["WATCHDOG_RESETS"] >= 2
        virtual.press_reset()
        virtual.step(BOOTED[SMALL])
        with Board(session(virtual)) as board:
            has(board, case)
            assert board.counters()["WATCHDOG_RESETS"] == 0


def test_a_host_meanwhile(tmp_path):
    """Over UDP it is told that the board is busy, until the program is there."""
    case = tiny_case(LARGE, 2)
    with VirtualBoard(TINY, "udp", step=True, flash=record(tmp_path, case)) as virtual:
        transport = SteppedTransport(virtual, TINY.clock_hz, 1e-4, itertools.count(1))
        errors = set()
        while virtual.cycle < 2 * BOOTED[LARGE]:
            transport.send(frames.encode(frames.Open, version=frames.PROTOCOL, nonce=1))
            if (frame := transport.receive(transport.wait)) is not None:
                kind, fields, _ = frames.decode(frame)
                if kind is Kind.OPENED:
                    break
                errors.add(fields["error"])
        assert kind is Kind.OPENED and fields["status"] == Status.READY.value and errors == {Error.BUSY}
        transport.close()


def test_how_long_it_takes():
    """What the bench counts: no less than the bits take, no more than a board is given here."""
    program = tiny_case(SMALL, 1).program
    bits = 8 * BIT_CYCLES * len(boot.encode(program.encode()))
    assert bits < boot_cycles(TINY, program) < BOOTED[SMALL]


class SteppedPort:
    """A serial port to a board whose time passes only while a line is read."""

    def __init__(self, virtual):
        self._virtual = virtual
        self.port = serial.Serial(virtual.uri.removeprefix("serial://"), timeout=0, exclusive=True)
        self._came = bytearray()

    def write(self, data):
        self.port.write(data)

    def readline(self):
        """A line, or what has come after a second of the board's time."""
        until = self._virtual.cycle + TINY.clock_hz
        while b"\n" not in self._came and self._virtual.cycle < until:
            self._virtual.step(5000)
            self._came += self.port.read(4096)
        line, end, rest = bytes(self._came).partition(b"\n")
        self._came = bytearray(rest)
        return line + end


def test_a_terminal(tmp_path):
    """Nothing is on the line before it is asked; then the text protocol answers with the flash's program."""
    case = tiny_case(SMALL, 1)
    with VirtualBoard(TINY, step=True, flash=record(tmp_path, case)) as virtual:
        port = SteppedPort(virtual)
        port.write(b"name%\r\n")  # while the record is played: heard by nobody
        virtual.step(BOOTED[SMALL])
        assert port.port.read(100) == b""
        port.write(b"name%")
        assert port.readline().startswith(b"m-name-dut-[")
        assert port.readline() == b"m-ready\r\n"
        client = MlperfClient(port)
        assert "m-load-done" in client.load(case.images[0].transpose(1, 2, 0).tobytes())
        assert client.infer(1, 0).scores == list(case.scores[0])
        port.port.close()


def wrong_flash(what, case):
    """What a flash holds that loads nothing."""
    right = boot.encode(case.program.encode())
    if what == "another core":
        return boot.encode(compile(draw(SMALL, preset("tiny"))[0], preset("arty-a7-35t")).program.encode())
    if what == "another version":
        return (soc.contract_id() ^ 1).to_bytes(4, "little") + right[4:]
    if what == "cut":
        return right[: len(right) // 2]
    return right[:2000] + bytes([right[2000] ^ 16]) + right[2001:]  # damaged


@pytest.mark.parametrize("what", ["another core", "another version", "cut", "damaged"])
def test_no_program(what, tmp_path):
    """The board has none then, and serves at once; nobody holds a session."""
    case = tiny_case(SMALL, 2)
    path = tmp_path / "wrong.boot"
    path.write_bytes(wrong_flash(what, case))
    with VirtualBoard(TINY, "uart", step=True, flash=path) as virtual:
        virtual.step(BOOTED[SMALL])
        with Board(session(virtual)) as board:
            assert board.identity.status is Status.NO_PROGRAM and board.identity.program == 0
            counters = board.counters()
            assert counters["SESSIONS"] == 1 + (what != "another version")
            assert counters["RX_DAMAGED"] == (what in ("cut", "damaged"))
            board.load(case.program)
            check(board, case)


def test_the_command_writes_a_record(tmp_path, monkeypatch, capsys):
    """Of a model or of a program image; what it writes is what the virtual board's flash takes."""
    monkeypatch.chdir(tmp_path)
    case = tiny_case(SMALL, 1)
    draw(SMALL, preset("tiny"))[0].save(tmp_path / "small.npz")
    case.program.save(tmp_path / "small.1spk")
    for source in ("small.npz", "small.1spk"):
        assert cli.main(["boot-image", source, "--config", "tiny", "--out", "out/small.boot"]) == 0
        written = (tmp_path / "out/small.boot").read_bytes()
        assert f"wrote out/small.boot: {len(written)} bytes for core tiny" in capsys.readouterr().out
        loaded = [frames.decode(frame, frames.HOST) for frame in boot.decode(written)]
        assert b"".join(payload for kind, _, payload in loaded if kind is Kind.PROGRAM) == case.file
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out/small.boot"]
    for words, reason in (
        (["small.1spk"], f"this core is {fingerprint(preset('arty-a7-35t')):08x} (arty-a7-35t)"),
        (["absent.1spk"], "cannot read the program image absent.1spk"),
        (["small.npz", "--config", "tiny", "--out", "small.npz/x"], "cannot write small.npz/x"),
    ):
        assert cli.main(["boot-image", *words]) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1


def test_a_flash_that_cannot_be(tmp_path):
    with pytest.raises(SimulationError, match=r"cannot read .*absent; name a file that 'onespike boot-image' wrote"):
        VirtualBoard(TINY, flash=tmp_path / "absent")
    (tmp_path / "large").write_bytes(bytes(soc.FLASH_BYTES - soc.FLASH_ADDRESS + 1))
    with pytest.raises(SimulationError, match="large is too large for the flash"):
        VirtualBoard(TINY, flash=tmp_path / "large")
