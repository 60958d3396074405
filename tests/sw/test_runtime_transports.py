"""Real sockets, pseudo terminals, processes and files under the driver's session."""

import json
import os
import socket
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onespike.contract import frames
from onespike.contract.frames import Command, Error, Kind
from onespike.errors import BoardError, BusyError, LinkError, OutputError, RecordingError
from onespike.runtime import Board
from onespike.runtime.framing import ENCODED_BYTES, Deframer, enframe
from onespike.runtime.replay import RecordingTransport, ReplayTransport
from onespike.runtime.serial import SerialTransport
from onespike.runtime.session import Session
from onespike.runtime.udp import UdpTransport
from onespike.runtime.uri import transport_at
from onespike.runtime.virtual import VirtualTransport

from .fake_board import FakeBoard
from .served import serial, udp
from .test_runtime_session import CHECK, PROGRAM, check, pictures

STATE = frames.encode(frames.State, session=1, status=2, gap=0, expected=0, limit=5, results=0)


# Framing.


@given(st.lists(st.binary(min_size=1, max_size=frames.FRAME_BYTES)), st.integers(1, 50), st.binary(max_size=40))
def test_frames_pass_a_byte_stream(contents, step, garbage):
    """However the bytes are cut, and whatever was on the line before."""
    deframer, found = Deframer(), []
    line = garbage + b"".join(enframe(content) for content in contents)
    for start in range(0, len(line), step):
        found += deframer.feed(line[start : start + step])
    assert found[len(found) - len(contents) :] == contents


def test_deframer_keeps_no_endless_piece():
    deframer = Deframer()
    for _ in range(50):
        assert deframer.feed(bytes([7]) * ENCODED_BYTES) == []
        assert len(deframer._piece) <= ENCODED_BYTES
    assert deframer.feed(enframe(b"hello")) == [b"hello"] and deframer.damaged == 1


# Serial.


def conversation(transport, size=2500):
    session = Session(transport)
    session.load_image(PROGRAM)
    images = pictures(20, size)
    check(session.run(images), images)
    session.close()


def test_serial_conversation():
    board = FakeBoard(2500, loaded=0)
    with serial(board) as (uri, _):
        conversation(transport_at(uri))
    assert board.loaded == CHECK


def test_serial_resynchronises():
    """Garbage before, between and after frames costs no frame of the board's."""
    with serial(FakeBoard()) as (uri, line):
        transport = transport_at(uri)
        os.write(line, b"garbage" + enframe(STATE) + b"\1\2\3" + enframe(STATE[:-1] + b"?") + enframe(STATE)[1:])
        assert transport.receive(5) == STATE and transport.receive(5) == STATE
        assert transport.damaged == 3
        transport.close()


def test_serial_port_is_exclusive():
    with serial(FakeBoard()) as (uri, _):
        first = transport_at(uri)
        with pytest.raises(BusyError, match=r"another program holds /dev/.*; close it"):
            transport_at(uri)
        first.close()
        transport_at(uri).close()


def test_serial_port_that_is_none(tmp_path):
    with pytest.raises(LinkError, match=r"cannot open /dev/absent \(.*\); check the cable"):
        SerialTransport("/dev/absent")
    (tmp_path / "file").touch()
    with pytest.raises(LinkError, match="cannot open"):
        SerialTransport(str(tmp_path / "file"))


def test_serial_port_that_goes_away():
    here, there = os.openpty()
    transport = SerialTransport(os.ttyname(there))
    os.close(there)
    os.close(here)
    with pytest.raises(LinkError, match="failed"):
        transport.receive(5)
    with pytest.raises(LinkError, match="failed"):
        transport.send(STATE)
    transport.close()
    transport.close()


def test_serial_waits_fit_the_rate():
    """A window of fragments is on the line before its answer can come."""
    here, there = os.openpty()
    path = os.ttyname(there)
    fast, slow = SerialTransport(path), None
    fast.close()
    slow = SerialTransport(path, baud=115200)
    slow.close()
    assert fast.wait < 0.2 and slow.wait > 0.5
    os.close(here)
    os.close(there)


# UDP.


def test_udp_conversation():
    board = FakeBoard(2500, loaded=0)
    with udp(board) as (uri, _):
        conversation(transport_at(uri))
    assert board.loaded == CHECK


def test_udp_damage_is_counted():
    with udp(FakeBoard()) as (uri, server):
        transport = transport_at(uri)
        peer = transport._socket.getsockname()
        for datagram in (b"", b"?", STATE[:-1] + b"?", STATE + b"more", STATE):
            server.sendto(datagram, peer)
        assert transport.receive(5) == STATE and transport.damaged == 4
        assert transport.receive(0.001) is None
        transport.close()


def test_udp_to_nobody():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(LinkError, match=f"nothing listens at udp://127.0.0.1:{port}; check the address"):
        Session(UdpTransport("127.0.0.1", port, wait=5))


def test_udp_name_that_is_none():
    with pytest.raises(LinkError, match=r"cannot reach udp://board.invalid:1535"):
        UdpTransport("board.invalid")


# A virtual board.


@pytest.fixture
def simulation(tmp_path, monkeypatch):
    """``sys.executable`` of the driver: a program that notes how it was called and is a virtual board, then ends."""

    def install(body):
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/called\n{body}\necho $? > {tmp_path}/ended\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("onespike.runtime.virtual.sys.executable", str(script))
        return tmp_path

    return install


def test_virtual_board_lives_as_long_as_its_driver(simulation):
    folder = simulation(f"{sys.executable} -m tests.sw.served")
    transport = transport_at("virtual://?system=virtual-tiny&link=udp")
    assert transport.wait == 3
    conversation(transport, 100)
    assert (folder / "called").read_text() == "-m onespike_sim virtual-board --system virtual-tiny --link udp\n"
    assert (folder / "ended").read_text() == "0\n"


def test_virtual_board_that_does_not_start(simulation):
    simulation("echo no compiler >&2; false")
    with pytest.raises(BoardError, match=r"the virtual board did not start; run '.*virtual-board.*' to see why"):
        transport_at("virtual://")


def test_virtual_board_that_dies(simulation):
    simulation("echo udp://127.0.0.1:9; exec 1>&-")
    transport = transport_at("virtual://", wait=0.001)
    transport._process.wait()
    with pytest.raises(LinkError, match="the virtual board ended with status 0"):
        transport.send(STATE)
    transport.close()


def test_a_build_ends_with_an_interrupt(simulation):
    """It does not look at its input: it is ended, and so is what it started."""
    compiler = (
        "from signal import *; pthread_sigmask(SIG_BLOCK, [SIGTERM]); print('udp://127.0.0.1:9', flush=True); "
        "sigwait([SIGTERM]); print('ended', file=open('build', 'w'))"
    )
    folder = simulation(f'cd $(dirname $0); {sys.executable} -c "{compiler}"')

    def interrupted(*given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        VirtualTransport(interrupted)
    assert (folder / "build").read_text() == "ended\n"


def test_virtual_board_is_closed_twice(simulation):
    simulation(f"{sys.executable} -m tests.sw.served")
    transport = transport_at("virtual://?link=udp")
    transport.close()
    transport.close()


def test_virtual_board_needs_no_simulation_package():
    """The driver starts the simulation as a process; it never imports it, nor torch."""
    code = "import sys, onespike.runtime; print(*[m for m in sys.modules if m.startswith(('onespike_', 'torch'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_missing_package_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "onespike.runtime.serial")
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(BoardError, match=r"package serial is missing, which serial:///dev/x needs; install it"):
        transport_at("serial:///dev/x")


# Recordings.


def lossy(board):
    """A conversation with silences, damage and a reset."""

    def mangle(number, frame):
        if number == 17:
            board.reset(keep_program=False)
        return [] if number % 11 == 5 else [frame]

    board.mangle_in = mangle
    return board


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "session.rec"
    conversation(RecordingTransport(lossy(FakeBoard(2500, loaded=0)), path))
    return path


def test_recording_replays(recording):
    transport = ReplayTransport(recording)
    assert (transport.wait, transport.timeout) == (FakeBoard.wait, FakeBoard.timeout)
    conversation(transport)
    with pytest.raises(RecordingError, match="ends here"):
        transport.receive(1)


def test_recording_of_a_dead_link_replays(tmp_path):
    with pytest.raises(LinkError) as first:
        conversation(RecordingTransport(UdpTransport("127.0.0.1", 9, wait=5), tmp_path / "r"))
    with pytest.raises(LinkError) as second:
        conversation(ReplayTransport(tmp_path / "r"))
    assert str(first.value) == str(second.value)


def test_driver_that_does_something_else(recording):
    session = Session(ReplayTransport(recording))
    with pytest.raises(
        RecordingError, match=r"session.rec line 5: the driver sends .*, recorded is .*; record it again"
    ):
        session.request(Command.COUNTERS)
    with pytest.raises(RecordingError, match="draws a number, recorded is 'receive'"):
        session.transport.nonce()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "is no recording"),
        ("[]", "line 1 is damaged"),
        ('{"format": "else"}', "is no recording"),
        ('{"format": "onespike-recording", "version": 9}', "is a recording of version 9, this driver plays 1"),
        ('{"format": "onespike-recording", "version": 1}', "has a damaged header"),
        ('{"format": "onespike-recording", "version": 1, "wait": 0, "timeout": 1}', "has a damaged header"),
        ('{"format": "onespike-recording", "version": 1, "wait": 1, "timeout": Infinity}', "has a damaged header"),
        ('{"format": "onespike-recording", "version": 1, "wait": 1e-320, "timeout": 1}', "has a damaged header"),
        ('{"format": "onespike-recording", "version": 1, "timeout": 1, "wait": 1' + 400 * "0" + "}", "damaged header"),
        (100_000 * "[", "line 1 is damaged"),
    ],
)
def test_damaged_recording(tmp_path, line, reason):
    (tmp_path / "r").write_text(line)
    with pytest.raises(RecordingError, match=reason):
        ReplayTransport(tmp_path / "r")


@pytest.mark.parametrize("event", [{"nonce": "x"}, {"nonce": -1}, {"nonce": 1 << 32}, {"nonce": 1, "send": 1}])
def test_damaged_event(recording, event):
    lines = recording.read_text().splitlines()
    lines[1] = json.dumps(event)
    recording.write_text("\n".join(lines))
    with pytest.raises(RecordingError, match="record it again"):
        Session(ReplayTransport(recording))


@pytest.mark.parametrize("frame", ["", "0011"])
def test_damaged_frame_in_a_recording(recording, frame):
    lines = recording.read_text().splitlines()
    lines[3] = json.dumps({"receive": frame})
    recording.write_text("\n".join(lines))
    with pytest.raises(RecordingError, match="line 4 is damaged"):
        Session(ReplayTransport(recording))


def test_recording_that_is_absent_or_cannot_be_written(tmp_path):
    with pytest.raises(RecordingError, match="cannot read the recording"):
        ReplayTransport(tmp_path / "absent")
    with pytest.raises(OutputError, match="cannot write the recording"):
        RecordingTransport(FakeBoard(), tmp_path / "absent" / "r")


def test_recording_on_a_full_disk(tmp_path):
    """The error is the one of the disk, and the link is closed."""
    board = FakeBoard()
    transport = RecordingTransport(board, tmp_path / "r")
    with pytest.raises(OutputError, match=r"cannot write the recording .* \(No space left on device\)"):
        with Board(Session(transport)) as opened:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, transport._file.fileno())
            os.close(full)
            opened.counters()
    assert board.closed and transport._file.closed


def test_recorded_frames_are_what_went_over_the_link(tmp_path):
    board = FakeBoard()
    board.refuse = Error.BUSY
    with pytest.raises(BoardError):
        Session(RecordingTransport(board, tmp_path / "r"))
    events = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert events[0]["uri"] == "fake://" and events[1] == {"nonce": 1000}
    assert frames.decode(bytes.fromhex(events[2]["send"]), frames.HOST)[0] is Kind.OPEN
    assert frames.decode(bytes.fromhex(events[3]["receive"]))[0] is Kind.REFUSED
    assert events[4] == {"receive": None}
