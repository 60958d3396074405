"""The driver against the board's own firmware, over links that lose, double, exchange and damage frames both ways."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onespike.compiler import compile
from onespike.contract import frames
from onespike.contract.boards import SYSTEMS
from onespike.contract.config import preset
from onespike.contract.frames import Command, Kind, SelfTest
from onespike.contract.regs import Status
from onespike.errors import BusyError, ProgramError
from onespike.golden import run
from onespike.random_networks import draw
from onespike.runtime import Board
from onespike.runtime.pixels import prepare
from onespike.runtime.session import Session
from onespike.runtime.transport import Transport

from ..support.native_board import NativeBoard

CONFIG = SYSTEMS["virtual-tiny"]
TURNS = 400
"""Turns of the firmware's main loop in which an answer comes."""


def network(seed):
    """(program, images uint8 (24, C, H, W), their scores int64 (24, classes)) of a random network."""
    model, _ = draw(seed, preset(CONFIG.core))
    program = compile(model, preset(CONFIG.core)).program
    images = np.random.default_rng(seed).integers(0, 256, (24, *model.spec.image), np.uint8)
    return program, images, run(program, prepare(program, images))


def seed_of_large_images():
    """The first seed whose images take more than one fragment."""
    tiny = preset(CONFIG.core)
    return next(s for s in range(100) if np.prod(draw(s, tiny)[0].spec.image) > 2 * frames.PAYLOAD_BYTES - 400)


PROGRAM, IMAGES, SCORES = network(seed_of_large_images())


class Faults:
    """A channel that hurts ``rate`` of its frames by ``seed``: lost, doubled, damaged, or up to three frames late."""

    def __init__(self, rate, seed):
        self.rate, self.rng = rate, np.random.default_rng(seed)
        self.late = []

    def pass_on(self, frame):
        """Frames that come out when ``frame`` goes in."""
        out = [frame]
        if self.rng.random() < self.rate:
            fault = self.rng.integers(4)
            if fault == 0:
                out = []
            elif fault == 1:
                out = [frame, frame]
            elif fault == 2:
                place = self.rng.integers(len(frame))
                out = [frame[:place] + bytes([frame[place] ^ 1 << self.rng.integers(8)]) + frame[place + 1 :]]
            else:
                self.late.append([int(self.rng.integers(1, 4)), frame])
                out = []
        for entry in self.late:
            entry[0] -= 1
        out += [held for left, held in self.late if left < 0]
        self.late = [entry for entry in self.late if entry[0] >= 0]
        return out


class NativeTransport(Transport):
    """A way to a ``NativeBoard`` as a peer of its own; ``faults`` in and out."""

    wait, timeout = 0.1, 10.0

    def __init__(self, board, link="uart", address=0, port=0, rate=0.0, seed=0):
        self.uri = f"native://{link}/{port}"
        self.board, self.peer = board, (link, address, port)
        self.inward, self.outward = Faults(rate, 2 * seed), Faults(rate, 2 * seed + 1)
        self.nonces = np.random.default_rng([port, seed])
        self.arrived = []
        self.kinds = []

    def nonce(self):
        return int(self.nonces.integers(1 << 32))

    def send(self, frame):
        self.kinds.append(frames.decode(frame, frames.HOST)[0])
        for one in self.inward.pass_on(frame):
            self.board.deliver(one, *self.peer)
            self.board.step(1)

    def receive(self, timeout):
        for _ in range(TURNS):
            for sent in self.board.sent():
                if not sent.text and (sent.link, sent.address, sent.port) == self.peer:
                    self.arrived += self.outward.pass_on(sent.data)
            while self.arrived:
                if self.accept(frame := self.arrived.pop(0)):
                    return frame
            self.board.step(1)
        return None

    def close(self):
        pass


def check(results, scores=SCORES):
    """Every image has its scores, once, in order."""
    results = list(results)
    assert [r.image for r in results] == list(range(len(scores)))
    assert not [r.error for r in results if r.error]
    assert np.array_equal([r.scores for r in results], scores)


@pytest.mark.parametrize("peer", [("uart",), ("udp", 0x0A000001, 4000)], ids=["uart", "udp"])
def test_conversation(peer):
    transport = NativeTransport(NativeBoard(CONFIG), *peer)
    with Board(Session(transport)) as board:
        assert board.core == CONFIG.core and board.identity.status is Status.NO_PROGRAM
        board.load(PROGRAM)
        assert board.identity.program == PROGRAM.encode()[-1] and board.identity.image_bytes == IMAGES[0].size
        check(board.classify(IMAGES))
        counters = board.counters()
        assert counters["IMAGES"] == 24 and counters["SESSIONS"] == 2 and counters["RX_DAMAGED"] == 0
        assert board.selftest() == []
        board.device.request(Command.LEDS, 5)
        check(board.classify(IMAGES[:3]), SCORES[:3])
        board.reset()
        assert board.identity.program == 0
    assert transport.kinds.count(Kind.POLL) == 0


@pytest.mark.parametrize("seed", range(6))
def test_networks_of_many_shapes(seed):
    program, images, scores = network(seed)
    with Board(Session(NativeTransport(NativeBoard(CONFIG)))) as board:
        board.load(program)
        check(board.classify(images), scores)


@given(seed=st.integers(0, 1 << 20), rate=st.sampled_from([0.01, 0.05, 0.2]), link=st.sampled_from(["uart", "udp"]))
@example(seed=0, rate=0.3, link="udp")
@settings(max_examples=30, deadline=None, print_blob=True)
def test_every_image_is_answered_once_and_right(seed, rate, link):
    """Whatever the link does to frames in both directions; hypothesis prints what failed."""
    transport = NativeTransport(NativeBoard(CONFIG), link, 1, 2, rate, seed)
    session = Session(transport)
    session.load(PROGRAM)
    board = Board(session, PROGRAM)
    check(board.classify(IMAGES))
    assert board.counters()["IMAGES"] >= len(IMAGES)


@given(seed=st.integers(0, 1 << 20), when=st.lists(st.integers(0, 120), max_size=4))
@settings(max_examples=20, deadline=None, print_blob=True)
def test_watchdog_bites_in_the_middle(seed, when):
    """CPU and links start anew at any frame, over a link that loses some besides."""
    native = NativeBoard(CONFIG)
    transport = NativeTransport(native, "udp", 1, 2, 0.03, seed)
    send = transport.send

    def biting(frame):
        if len(transport.kinds) in when:
            native.reboot()
        send(frame)

    transport.send = biting
    board = Board(Session(transport))
    board.load(PROGRAM)
    check(board.classify(IMAGES))


def test_run_that_was_left_in_the_middle_of_an_image():
    """The board fills the image up with zeros and drops its scores; the next run is right."""
    native = NativeBoard(CONFIG)
    for _ in range(5):
        board = Board(Session(NativeTransport(native)))
        board.load(PROGRAM)
        for result in board.classify(IMAGES):
            if result.image == 2:
                break
        check(board.classify(IMAGES[5:]), SCORES[5:])


def test_two_hosts():
    """The second one is refused while the first is there, and takes over when it is silent; no image is lost."""
    native = NativeBoard(CONFIG, PROGRAM)
    first, second = (NativeTransport(native, "udp", 1, port) for port in (1, 2))
    board = Board(Session(first))
    board.load(PROGRAM)
    results = board.classify(IMAGES)
    seen = [next(results) for _ in range(3)]
    second.timeout = 0.4  # shorter than the lease
    with pytest.raises(BusyError, match="another host uses the board"):
        Session(second)
    native.wait(CONFIG.lease_cycles)
    other = Board(Session(second), PROGRAM)
    check(other.classify(IMAGES[:4]), SCORES[:4])
    other.close()
    check([*seen, *results])


def test_host_that_was_killed_over_uart():
    """The next one over the same port has the board at once."""
    native = NativeBoard(CONFIG, PROGRAM)
    killed = Board(Session(NativeTransport(native)))
    killed.load(PROGRAM)
    next(killed.classify(IMAGES))
    board = Board(Session(NativeTransport(native, seed=1)))
    board.load(PROGRAM)
    check(board.classify(IMAGES))


def spoilt(words, how):
    words = words.copy()
    if how == "magic":
        words[0] ^= 1
    elif how == "version":
        words[1] += 1
    elif how == "core":
        words[2] ^= 1
    elif how == "checksum":
        words[len(words) // 2] ^= 1
    elif how == "cut":
        words = words[:-40]
    elif how == "padded":
        words = np.append(words, np.zeros(40, np.uint32))
    return words.astype("<u4").tobytes()


REASONS = {
    "magic": "no program image",
    "version": "another format version",
    "core": "for another core",
    "checksum": "checksum",
    "cut": "it is cut",
    "padded": "a section is malformed",
}


@pytest.mark.parametrize(("how", "reason"), REASONS.items())
def test_program_that_the_board_refuses(how, reason):
    """The board says why, runs nothing of it, and takes a good one afterwards."""
    transport = NativeTransport(NativeBoard(CONFIG))
    session = Session(transport)
    with pytest.raises(ProgramError, match=f"refuses the program: .*{reason}.*; compile it again"):
        session.load_image(spoilt(PROGRAM.encode(), how))
    board = Board(session)
    board.load(PROGRAM)
    check(board.classify(IMAGES[:5]), SCORES[:5])


def test_selftest_of_wrong_scores():
    board = Board(Session(NativeTransport(NativeBoard(CONFIG))), PROGRAM)
    board.device.load(PROGRAM)
    (mask,) = board.device.request(Command.SELFTEST, 12345)
    assert mask >> SelfTest.IMAGE.value & 1
