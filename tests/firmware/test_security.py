"""What an attacker on a link cannot do to the firmware, or to the driver: the claims of docs/security.md.

``NativeBoard`` raises ``AssertionError`` on every access that the firmware must not make.
"""

import random
import zlib

import pytest
from amaranth.hdl import Shape

from onespike.contract import frames, isa, soc
from onespike.contract.frames import Command, Error, Kind
from onespike.contract.regs import Status
from onespike.errors import OnespikeError
from onespike.runtime.session import Session

from ..support.cases import LARGE, SMALL, tiny_case
from ..support.native_board import NativeBoard
from ..sw.fake_board import FakeBoard
from ..sw.fake_board import scores as right_scores
from .host import FAR, SYSTEM, Host, large, latest, results, small

SEED = 20240502
NEVER = (1 << 32) - 1
"""Clock cycles that no test waits: a core that hangs."""
UART = {}
PEERS = (UART, FAR, {"link": "udp", "address": 0xFFFFFFFF, "port": 0xFFFF})
HONEST = {"link": "udp", "address": 0x0A000063, "port": 9999}


def serves(board, case):
    """A host that obeys gets its session, its program and the right scores, whatever was before."""
    board.library.model_latency(2000)
    board.step(100)  # frames that wait in their slots may still open a session
    board.wait(SYSTEM.lease_cycles)
    board.step(100)
    board.sent()
    host = Host(board, **HONEST)
    host.open(nonce=0xC0FFEE)
    assert host.request(Command.RESET)[0] is Error.NONE
    assert host.program(case.file)["status"] == Status.READY.value
    for number, pixels in enumerate(case.pixels[:3]):
        ((fields, scores),) = results(host.image(pixels, number=number, results=number, turns=60))
        assert fields["index"] == fields["image"] == number
        assert scores == case.scores[number].tolist()


# A core that hangs: no program is known that brings this about, none is trusted not to.


def test_a_session_cannot_take_all_slots():
    """Fragments beyond the limit leave slots free for whoever comes next."""
    board, host, case = large()
    host.open()
    board.library.model_latency(NEVER)
    for number in range(frames.RESULTS):
        host.image(case.pixels[0], number=number, turns=3)
    state = latest(host.poll())
    assert state["limit"] == state["expected"]
    serves(board, case)


def test_text_cannot_take_the_last_slots_of_a_core_that_hangs():
    """Feeds of a session that is over hold five slots; the image that text loads must not take the others."""
    board, host, case = large()
    host.open()
    board.library.model_latency(NEVER)
    for number in range(2):
        host.image(case.pixels[0], number=number)  # as many as the core takes
    for _ in range(2):
        host.send(frames.Poll, results=0)  # in the first slots, so that the fragments come into the last ones
    for number in range(soc.WINDOW):
        part, at = divmod(number, 3)
        payload = case.pixels[0][at * frames.PAYLOAD_BYTES :][: frames.PAYLOAD_BYTES]
        where = {"sequence": host.sequence + number, "image": 2 + part, "offset": at * frames.PAYLOAD_BYTES}
        host.send(frames.Image, payload, results=0, **where)
    board.step(20)
    host.exchange(frames.Close)
    board.type(b"db load 100%")
    board.step(50)
    serves(board, case)


def test_a_self_test_that_never_ends_ends_with_its_session():
    board, host, case = small()
    host.open()
    board.library.model_latency(NEVER)
    host.send(frames.Request, number=1, command=Command.SELFTEST, argument=0)
    assert host.heard() == []
    assert host.exchange(frames.Request, number=2, command=Command.RESET, argument=0) == []
    host.open(nonce=2)
    assert host.request(Command.RESET)[0] is Error.NONE
    serves(board, case)


def test_an_inference_by_text_that_never_ends_ends_with_a_session():
    board, _, case = small()
    board.library.model_latency(NEVER)
    data = case.pixels[0]
    board.type(b"db load %d%%" % len(data))
    board.step(100)
    for start in range(0, len(data), 31):
        board.type(b"db " + data[start : start + 31].hex().encode() + b"%")
        board.step(100)
    board.type(b"infer 1000 1000%")
    board.step(100)
    assert any(b"m-warmup-start" in sent.data for sent in board.sent())
    serves(board, case)


# Numbers from outside.


@pytest.mark.parametrize("beyond", [1, 8, 0x7FFF, 0x8000, 0xFFFF - 8])
def test_results_that_do_not_exist_cannot_be_acknowledged(beyond):
    board, host, case = small()
    host.open()
    for number in range(3):
        told = number + beyond
        ((fields, scores),) = results(host.image(case.pixels[number], number=number, results=told))
        assert fields["image"] == number and scores == case.scores[number].tolist()
        again = results(host.poll(results=told + 1))
        assert [fields["index"] for fields, _ in again] == list(range(number + 1))
    serves(board, case)


def test_an_answer_is_bounded():
    """What a small frame brings to an address that may be forged: a state and eight results, once."""
    board, host, case = small()
    host.open()
    for number in range(frames.RESULTS):
        host.image(case.pixels[number], number=number)
    host.send(frames.Poll, results=0)
    board.step(500)
    sizes = [len(sent.data) for sent in board.sent()]
    result = frames.size(frames.Result) + frames.CHECK_BYTES
    assert len(sizes) == 1 + frames.RESULTS and max(sizes) == result + 4 * case.program.classes
    assert sum(sizes) <= frames.size(frames.State) + frames.CHECK_BYTES + frames.RESULTS * (result + 4 * frames.CLASSES)


@pytest.mark.parametrize("offset", [4, 1020, 0x7FFFFFFC, 0x80000000, 0xFFFFFC00, 0xFFFFFFFC, 0xFFFFFFFF])
@pytest.mark.parametrize("length", [0, 4, 1020, 1023, 1024])
def test_program_fragments_anywhere_else_are_refused(offset, length):
    host, case = Host(NativeBoard(SYSTEM)), tiny_case(SMALL, 12)
    host.open()
    host.request(Command.LOAD, len(case.file))
    answers = host.fragment(frames.Program, bytes(length), offset=offset)
    assert [fields["error"] for kind, fields, _ in answers if kind is Kind.REFUSED] == [Error.SIZE]
    serves(host.board, case)


@pytest.mark.parametrize("start", [0, 1, 9, 10, 11, 0xFFFFFFF])
@pytest.mark.parametrize("count", [0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
def test_sections_that_wrap(start, count):
    """The walk to the last layer stays inside the fragment, and ends."""
    host, case = Host(NativeBoard(SYSTEM)), tiny_case(SMALL, 12)
    host.open()
    words = case.program.encode().copy()
    words[isa.HEADER_WORDS] = isa.Target.LAYERS.value | start << 4
    words[isa.HEADER_WORDS + 1] = count
    words[-1] = zlib.crc32(words[:-1].astype("<u4").tobytes())
    assert host.program(words.astype("<u4").tobytes())["status"] != Status.READY.value
    serves(host.board, case)


@pytest.mark.parametrize(
    "line",
    [
        b"db " + b"0" * 124,
        b"db " + b"f" * 123,
        b"db load " + b"9" * 119,
        b"infer " + b"1" * 121,
        b" " * 127,
        b"x" * 127,
    ],
)
def test_longest_lines(line):
    """A line of all that the buffer holds is a command, one character more is none."""
    board, _, case = small()
    assert len(line) <= 127
    for text in (line.ljust(127), line.ljust(128)):
        board.type(text[:100])
        board.step(5)
        board.type(text[100:] + b"%")
        board.step(50)
        answer = b"".join(sent.data for sent in board.sent())
        assert answer.endswith(b"m-ready\r\n") if len(text) == 127 else answer == b""
        board.type(b"\n")
        board.step(5)
    serves(board, case)


# Anything at all.


class Attacker:
    """Sends whatever often gets far: frames with a right CRC, over all links, in a session or in none; text."""

    def __init__(self, board, draw, case):
        self.board, self.draw, self.case = board, draw, case
        self.session, self.expected, self.results = 0, 0, 0
        self.peer, self.lost = UART, True

    def step(self):
        """Do one thing; learn from the answers."""
        draw = self.draw
        often, seldom = (self.image, self.image, self.image, self.request, self.frame), (self.program, self.type)
        what = draw.choice(often if draw.random() < 0.9 else seldom)
        if self.lost and draw.random() < 0.7:
            what = self.open
        what(self.peer if draw.random() < 0.8 else draw.choice(PEERS))
        if draw.random() < 0.02:
            self.board.wait(draw.choice((1 << 20, SYSTEM.lease_cycles, 1 << 32)))
        if draw.random() < 0.05:
            self.board.library.model_latency(draw.choice((0, 2000, 50_000, NEVER)))
        self.board.step(draw.choice((0, 1, 1, 2, 5, 40)))
        for sent in self.board.sent():
            if not sent.text:
                kind, fields, _ = frames.decode(sent.data)
                if kind is Kind.OPENED:
                    self.session, self.expected, self.results = fields["session"], 0, 0
                    self.lost = False
                    self.peer = next(peer for peer in PEERS if peer.get("address", 0) == sent.address)
                elif kind is Kind.STATE:
                    self.expected, self.results = fields["expected"], fields["results"]
                elif kind is Kind.REFUSED:
                    self.lost |= fields["error"] is Error.NO_SESSION
                    if fields["error"] is Error.NO_PROGRAM and draw.random() < 0.3:
                        self.program(self.peer)

    def number(self, bits):
        """Small, at an edge, or any."""
        draw, most = self.draw, (1 << bits) - 1
        return (
            draw.choice(
                (draw.randrange(12), most - draw.randrange(12), (most >> 1) + draw.randrange(3), draw.getrandbits(bits))
            )
            & most
        )

    def open(self, peer):
        self.board.deliver(frames.encode(frames.Open, version=frames.PROTOCOL, nonce=self.number(32)), **peer)

    def frame(self, peer):
        """Any bytes behind a kind."""
        draw = self.draw
        kind = draw.choice((*(kind.value for kind in frames.HOST), draw.randrange(256)))
        session = self.session if draw.random() < 0.8 else self.number(8)
        if kind == Kind.OPEN.value:
            session = frames.PROTOCOL if draw.random() < 0.9 else self.number(8)
        length = draw.choice((2, 6, 8, 10, 14, 300, frames.FRAME_BYTES - frames.CHECK_BYTES - 2))
        rest = draw.randbytes(length) if draw.random() < 0.5 else bytes(length)
        self.seal(bytes([kind, session]) + rest, peer)

    def seal(self, body, peer):
        self.board.deliver(body + zlib.crc32(body).to_bytes(frames.CHECK_BYTES, "little"), **peer)

    def sequence(self):
        return self.expected if self.draw.random() < 0.8 else self.number(16)

    def image(self, peer):
        """A fragment, or a window of them at once."""
        draw = self.draw
        for ahead in range(draw.choice((1, 1, 3, 9))):
            offset = draw.choice((0, 0, 0, 1024, 2048, self.number(16)))
            length = len(self.case.pixels[0]) - offset if draw.random() < 0.8 else self.number(10)
            results = draw.choice((self.results, self.results, self.number(16)))
            fields = {"image": self.number(32), "offset": offset, "results": results}
            sequence = (self.sequence() + ahead) % (1 << 16)
            payload = draw.randbytes(max(0, min(length, frames.PAYLOAD_BYTES)))
            frame = frames.encode(frames.Image, payload, session=self.session, sequence=sequence, **fields)
            self.board.deliver(frame, **peer)

    def program(self, peer):
        """Fragments of a program, right or spoilt, and how it is announced."""
        draw, file = self.draw, bytearray(self.case.file)
        for _ in range(draw.choice((0, 0, 1, 2))):
            file[draw.randrange(len(file))] ^= 1 << draw.randrange(8)
        total = draw.choice((len(file), len(file), len(file) + 4 * draw.randrange(600), self.number(32)))
        self.ask(Command.LOAD, total, peer)
        self.board.step(3)
        for number, offset in enumerate(range(0, draw.choice((1, len(file))), frames.PAYLOAD_BYTES)):
            part = bytes(file[offset : offset + frames.PAYLOAD_BYTES])
            fields = {"offset": offset if draw.random() < 0.9 else self.number(32), "sequence": self.expected + number}
            fields["sequence"] %= 1 << 16
            self.board.deliver(frames.encode(frames.Program, part, session=self.session, **fields), **peer)
            self.board.step(draw.choice((0, 1, 1, 3)))

    def request(self, peer):
        command = self.draw.choice((Command.COUNTERS, Command.LEDS, Command.SELFTEST, self.draw.choice(list(Command))))
        self.ask(command, self.number(32), peer)

    def ask(self, command, argument, peer):
        fields = {"number": self.number(8), "command": command, "argument": argument}
        self.board.deliver(frames.encode(frames.Request, session=self.session, **fields), **peer)

    def type(self, _):
        """Commands in a row, some of them cut."""
        draw = self.draw
        words = (b"name%", b"db load %d%%" % self.number(14), b"db " + b"0f" * draw.randrange(70) + b"%", b"db print%",
                 b"infer 3 1%", b"infer 1000 1000%", b"results%", b"db load 192%", b"\0", b"x" * 60, b"%%%", b"timestamp%",
                 draw.randbytes(20))  # fmt: skip
        self.board.type(b"".join(draw.choices(words, k=draw.randrange(1, 4)))[:127])


@pytest.mark.parametrize("network", [SMALL, LARGE])
@pytest.mark.parametrize("part", range(4))
def test_after_any_attack_an_honest_host_is_served(network, part):
    """No access that is forbidden in between, and the right scores afterwards: no slot, no feed, no state is lost."""
    case = tiny_case(network, 4)
    for seed in range(SEED + 10 * part, SEED + 10 * part + 10):
        print(f"seed {seed}")
        board = NativeBoard(SYSTEM, case.program, score=lambda pixels: case.program.classes * [int(pixels.sum())])
        attacker = Attacker(board, random.Random(seed), case)
        for _ in range(120):
            attacker.step()
        board._score = board._golden
        serves(board, case)


def test_a_stranger_disturbs_no_session():
    """Frames of all kinds from somebody else: the holder's images are answered, each at once."""
    board, host, case = small()
    host.open()
    print(f"seed {SEED}")
    attacker = Attacker(board, random.Random(SEED), case)
    attacker.session = host.session  # it knows the number
    for number in range(200):
        attacker.image(FAR) if number % 3 else attacker.frame(FAR)
        board.step(10)  # a flood would fill the slots
        attacker.request(FAR)
        pixels = case.pixels[number % 12]
        answers = host.mine(board.sent()) + host.image(pixels, number=number, results=number, turns=60)
        ((fields, scores),) = results(answers)
        assert fields["image"] == number and scores == case.scores[number % 12].tolist()


# The other end: a board that lies.


class Liar(FakeBoard):
    """Says frames of all kinds with a right CRC beside its own, or instead: often in the session, often wrong."""

    def __init__(self, draw):
        super().__init__(2500)
        self.draw, self.mangle_out, self.heard = draw, self.lie, 0

    def receive(self, timeout):
        self.heard += 1
        assert self.heard < 20_000, "the driver does not come to an end"
        return super().receive(timeout)

    def lie(self, number, frame):
        return [frame] * (self.draw.random() < 0.7) + [self.invent() for _ in range(self.draw.randrange(4))]

    def invent(self):
        draw, record = self.draw, self.draw.choice(list(frames.BOARD.values()))
        payload = draw.randbytes(draw.choice((0, 3, 4, 40, 41, 56, 1024)))
        likely = {
            "session": self.session or 0, "nonce": self.nonce_open or 0, "window": soc.WINDOW,
            "contract": self.contract, "fingerprint": self.fingerprint, "error": Error.NONE,
            "number": draw.randrange(4), "expected": draw.randrange(20), "limit": draw.randrange(30),
            "status": draw.randrange(10), "index": draw.randrange(8), "image": (self.nonce_open or 0) + draw.randrange(8),
            "words": len(payload) // 4, "classes": len(payload) // 4,
        }  # fmt: skip
        fields = {}
        for name, field in record.as_shape():
            if name in likely and draw.random() < 0.9:
                fields[name] = likely[name]
            elif name not in ("kind", "reserved"):
                width = Shape.cast(field.shape).width
                enum = isinstance(field.shape, type)
                fields[name] = draw.choice(list(field.shape)) if enum else draw.choice((0, 1, (1 << width) - 1))
        return frames.encode(record, payload, **fields)


PROGRAM = bytes(4000) + zlib.crc32(bytes(4000)).to_bytes(4, "little")
OPERATIONS = {
    "run": lambda session: [result.error for result in session.run(6 * [bytes(2500)])],
    "request": lambda session: session.request(Command.SELFTEST, 1),
    "load": lambda session: session.load_image(PROGRAM),
    "reset": lambda session: session.reset(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_board_that_lies_costs_an_error_at_most(operation):
    """An operation ends, with a result or with an error of the package, whatever the board says."""
    ends = set()
    for seed in range(SEED, SEED + 60):
        print(f"seed {seed}")
        try:
            OPERATIONS[operation](Session(Liar(random.Random(seed))))
            ends.add("result")
        except OnespikeError as error:
            ends.add(type(error).__name__)
    assert len(ends) > 1, f"all runs end with {ends}: these lies are too tame"


@pytest.mark.parametrize("kind", ["state", "refusal"])
def test_a_forged_frame_costs_a_new_session_at_most(kind):
    """Somebody says in the board's name that it has fragments that are lost, or no session."""
    board = FakeBoard(2500)
    forged = {
        "state": (frames.State, {"status": Status.READY, "gap": 0, "expected": 3, "limit": 8, "results": 0}),
        "refusal": (frames.Refused, {"refused": Kind.POLL, "error": Error.NO_SESSION, "nonce": 0}),
    }
    record, fields = forged[kind]

    def forge(number, frame):
        if board.sessions > 1 or frame[0] != Kind.IMAGE.value:
            return [frame]
        board.queue.append(frames.encode(record, session=board.session, **fields))
        return []

    board.mangle_in = forge
    images = [bytes([number]) * 2500 for number in range(4)]
    answers = list(Session(board).run(images))
    assert [answer.scores.tolist() for answer in answers] == [right_scores(image).tolist() for image in images]
    assert board.sessions == 2
