"""The virtual board when things go wrong: hosts that die, resets, a hung CPU, damaged links, garbage, bad programs.

After every fault the board serves, and every image is answered once and right.
"""

import itertools
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest

from onespike.compiler import compile
from onespike.contract import frames, isa
from onespike.contract.boards import SYSTEMS
from onespike.contract.config import preset
from onespike.errors import BusyError, DataError, LinkError, ProgramError
from onespike.random_networks import draw
from onespike.runtime import Board
from onespike.runtime.session import Session
from onespike_sim.virtual.run import VirtualBoard
from onespike_sim.virtual.stepped import SteppedTransport

from ..support.cases import LARGE, SMALL, tiny_case
from ..support.faults import DamagingPort, LossyTransport
from ..support.links import open_board
from .test_virtual import check

TINY = SYSTEMS["virtual-tiny"]
WAIT = 2e-3
"""Seconds of the board's time in which it answers."""
IMAGES = int(os.environ.get("ONESPIKE_FAULT_IMAGES", "300"))
"""Images over a bad link, and a measure for the garbage; ``make faults`` has more."""
GARBAGE_BYTES = 45 * IMAGES


def stepped(virtual, seed):
    """A transport whose time is the board's, so that a fault comes at the same cycle every time."""
    nonces = (int(n) for n in itertools.starmap(np.random.default_rng(seed).integers, itertools.repeat((0, 1 << 32))))
    return SteppedTransport(virtual, TINY.clock_hz, WAIT, nonces)


@pytest.mark.parametrize("link", ["uart", "udp"])
def test_killed_host(link):
    """The next host gets the board: at once over the UART, when the lease has run out over UDP."""
    case = tiny_case(LARGE, 2)
    with VirtualBoard(TINY, link) as virtual:
        with open_board(virtual.uri, case.program) as board:
            check(board, case)
        for what in ("image", "program", "frame") if link == "uart" else ("image", "program"):
            command = [sys.executable, "-m", "tests.support.board_host", virtual.uri, what]
            host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert host.stdout.readline() == "begun\n"
            host.kill()
            host.communicate()
            with open_board(virtual.uri, case.program) as board:
                check(board, case)


@pytest.mark.parametrize("link", ["uart", "udp"])
def test_reset_button(link):
    """Pressed in the middle of a run: the driver loads the program again, and every image is answered once."""
    case = tiny_case(LARGE, 12)

    def pixels():
        for number, content in enumerate(case.pixels):
            if number in (2, 9):
                virtual.press_reset()
            yield content

    with VirtualBoard(TINY, link, step=True) as virtual:
        session = Session(stepped(virtual, 1))
        session.load(case.program)
        assert np.array_equal([r.scores for r in session.run(pixels())], case.scores)


def test_hung_cpu():
    """The watchdog bites as long as the CPU hangs; then the driver recovers."""
    case = tiny_case(LARGE, 12)

    def pixels():
        for number, content in enumerate(case.pixels):
            if number == 5:
                virtual.toggle_hang()
                virtual.step(5 * TINY.watchdog_cycles // 2)
                virtual.toggle_hang()
            yield content

    with VirtualBoard(TINY, "udp", step=True) as virtual:
        session = Session(stepped(virtual, 1))
        session.load(case.program)
        assert np.array_equal([r.scores for r in session.run(pixels())], case.scores)
        assert Board(session).counters()["WATCHDOG_RESETS"] >= 2


def test_two_hosts_over_udp():
    """The second one is told that the board is taken, again and again; the first one notices nothing."""
    case = tiny_case(LARGE, 6)
    with VirtualBoard(TINY, "udp", step=True) as virtual:
        first = Session(stepped(virtual, 1))
        first.load(case.program)
        results = first.run(iter(case.pixels))
        scores = [next(results).scores]
        for seed in range(2, 5):
            with pytest.raises(BusyError, match="another host uses the board"):
                Session(SteppedTransport(virtual, TINY.clock_hz, WAIT / 20, iter([seed])))
            scores.append(next(results).scores)
        scores += [r.scores for r in results]
        assert np.array_equal(scores, case.scores)


def test_two_hosts_on_one_terminal():
    case = tiny_case(SMALL, 4)
    with VirtualBoard(TINY) as virtual, open_board(virtual.uri, case.program) as board:
        with pytest.raises(BusyError, match="holds"):
            open_board(virtual.uri)
        check(board, case)


@pytest.mark.parametrize("link", ["uart", "udp"])
def test_garbage(link, rng):
    """Random bytes, whole random frames with a right CRC among them; then the board serves."""
    case = tiny_case(SMALL, 4)
    with VirtualBoard(TINY, link) as virtual:
        with open_board(virtual.uri, case.program) as board:
            check(board, case)
            transport, sent = board.device.transport, 0
            while sent < GARBAGE_BYTES:
                noise = rng.integers(0, 256, rng.integers(1, frames.FRAME_BYTES), np.uint8).tobytes()
                if rng.random() < 0.5:
                    noise = frames.encode(frames.Image, noise[: frames.PAYLOAD_BYTES], **random_fields(rng))
                send = transport.send if link == "udp" or rng.random() < 0.5 else transport._port.write
                send(noise)
                sent += len(noise)
            check(board, case)


def random_fields(rng):
    """Fields of an ``Image`` frame, any values."""
    widths = {"session": 8, "sequence": 16, "image": 32, "offset": 16, "results": 16}
    return {name: int(rng.integers(1 << width)) for name, width in widths.items()}


def test_damaged_uart(rng):
    """Bytes dropped, doubled, flipped and inserted in a hundredth of the frames both ways."""
    case = tiny_case(SMALL, IMAGES)
    with VirtualBoard(TINY, step=True) as virtual:
        transport = stepped(virtual, 1)
        port = transport.inner._port = DamagingPort(transport.inner._port, rng, 0.01, mean=60)
        session = Session(transport)
        session.load(case.program)
        answered(case, session.run(iter(case.pixels)))
    print(f"{port.damages} frames damaged, {transport.damaged} of them the board's")
    assert port.damages > 0


def test_lossy_udp(rng):
    """Datagrams lost, doubled and out of order both ways."""
    case = tiny_case(SMALL, IMAGES)
    with VirtualBoard(TINY, "udp", step=True) as virtual:
        transport = LossyTransport(stepped(virtual, 1), rng, 0.03)
        session = Session(transport)
        session.load(case.program)
        answered(case, session.run(iter(case.pixels)))
    print(f"{transport.faults} datagrams lost, doubled or out of order")
    assert transport.faults > 0


def answered(case, results):
    """Every image once, in order, right."""
    results = list(results)
    assert [r.image for r in results] == list(range(len(case.images)))
    assert [r.error for r in results] == [None] * len(results)
    assert np.array_equal([r.scores for r in results], case.scores)


def spoilt(case, damage):
    """The program image of ``case`` with a fault."""
    words = case.program.encode()
    if damage == "cut":
        return words[:-5].astype("<u4").tobytes()
    if damage == "corrupted":
        words[isa.HEADER_WORDS + 20] ^= np.uint32(1)
        return words.astype("<u4").tobytes()
    if damage == "too large":
        return words.astype("<u4").tobytes() + bytes(4 << 20)
    words[("magic", "version", "fingerprint").index(damage)] ^= np.uint32(1)
    words[-1] = zlib.crc32(words[:-1].astype("<u4").tobytes())
    return words.astype("<u4").tobytes()


def test_bad_programs():
    """Refused with the reason, or never complete; what was there before is gone, and a right one runs."""
    case = tiny_case(LARGE, 2)
    reasons = {
        "magic": "no program image",
        "version": "another format version",
        "fingerprint": "for another core",
        "corrupted": "checksum is wrong",
        "cut": "it is cut",
        "too large": "length",
    }
    with VirtualBoard(TINY, "udp", step=True) as virtual:
        session = Session(stepped(virtual, 1))
        for damage, reason in reasons.items():
            with pytest.raises(ProgramError, match=reason):
                session.load_image(spoilt(case, damage))
            session.load(case.program)
            answered(case, session.run(iter(case.pixels)))


def test_program_for_another_core_is_not_even_sent():
    model, _ = draw(SMALL, preset("tiny"))
    other = compile(model, preset("arty-a7-35t")).program
    with VirtualBoard(TINY, "udp") as virtual, open_board(virtual.uri) as board:
        with pytest.raises(ProgramError, match="compile it for this board's core"):
            board.load(other)


def test_images_of_the_wrong_size():
    """The driver refuses them; a host that sends them is refused by the board, and the next one is served."""
    case = tiny_case(LARGE, 3)
    with VirtualBoard(TINY, "udp") as virtual, open_board(virtual.uri, case.program) as board:
        with pytest.raises(DataError, match="the program takes"):
            board.classify(case.images[:, :, :-2])
        for wrong in (case.pixels[0][:-1], case.pixels[0] + b"0"):
            with pytest.raises(LinkError, match=r"refused a fragment of kind IMAGE \(SIZE\)"):
                list(board.device.run([wrong]))
            check(board, case)
