"""A host that sends single frames to a ``NativeBoard``, for tests of one rule at a time."""

from onespike.contract import boards, frames
from onespike.contract.frames import Command, Kind

from ..support.cases import LARGE, SMALL, tiny_case
from ..support.native_board import NativeBoard

SYSTEM = boards.system("virtual-tiny")
FAR = {"link": "udp", "address": 0x0A000001, "port": 4000}
"""A peer that is not the UART's."""
SETTLED = 30
"""Turns after which a board has nothing left to say."""


class Host:
    """One peer of ``board``: counts fragments, remembers its session.

    Attributes: ``board``; ``session`` and ``sequence`` of the next fragment; ``answers``, lists of (kind, fields,
    payload) of the last exchange.
    """

    def __init__(self, board, **peer):
        self.board, self.peer = board, peer
        self.session = self.sequence = self.requests = 0

    def exchange(self, record, payload=b"", turns=SETTLED, **fields):
        """Send a frame; (kind, fields, payload) of all that the board sends to this peer within ``turns``."""
        self.send(record, payload, **fields)
        return self.heard(turns)

    def send(self, record, payload=b"", **fields):
        """Send a frame of this session, if nothing else is said."""
        if "session" in dict(record.as_shape()):
            fields = {"session": self.session, **fields}
        assert self.board.deliver(frames.encode(record, payload, **fields), **self.peer)

    def heard(self, turns=SETTLED):
        """What the board sends to this peer within ``turns``."""
        self.board.step(turns)
        return self.mine(self.board.sent())

    def mine(self, sent):
        """(kind, fields, payload) of what went to this peer."""
        address, port = self.peer.get("address", 0), self.peer.get("port", 0)
        return [frames.decode(one.data) for one in sent if (one.address, one.port) == (address, port)]

    def open(self, nonce=1):
        """Open a session; fields of ``Opened``."""
        opened = only(self.exchange(frames.Open, version=frames.PROTOCOL, nonce=nonce), Kind.OPENED)
        self.session, self.sequence = opened["session"], 0
        return opened

    def request(self, command, argument=0, turns=SETTLED):
        """(error, words) of the reply to a new request."""
        self.requests = (self.requests + 1) % 256
        numbered = {"number": self.requests, "command": command, "argument": argument}
        answers = self.exchange(frames.Request, turns=turns, **numbered)
        (reply,) = [(fields, payload) for kind, fields, payload in answers if kind is Kind.REPLY]
        fields, payload = reply
        assert fields["number"] == self.requests and len(payload) == 4 * fields["words"]
        return fields["error"], [int.from_bytes(payload[i : i + 4], "little") for i in range(0, len(payload), 4)]

    def program(self, image, total=None, turns=SETTLED):
        """Load a program image (bytes), or as much of ``total`` bytes as there is; the last ``State``."""
        self.request(Command.LOAD, len(image) if total is None else total)
        state = None
        for offset in range(0, len(image), frames.PAYLOAD_BYTES):
            part = image[offset : offset + frames.PAYLOAD_BYTES]
            answers = self.fragment(frames.Program, part, turns=turns, offset=offset)
            state = latest(answers) or state
        return latest(self.heard()) or state

    def fragment(self, record, payload, turns=SETTLED, **fields):
        """Send the next fragment; what the board answers."""
        answers = self.exchange(record, payload, turns, sequence=self.sequence, **fields)
        self.sequence = (self.sequence + 1) % (1 << 16)
        return answers

    def image(self, pixels, number=0, results=0, turns=SETTLED):
        """Send an image (bytes); what the board answers to all its fragments."""
        answers = []
        for offset in range(0, len(pixels), frames.PAYLOAD_BYTES):
            part = pixels[offset : offset + frames.PAYLOAD_BYTES]
            answers += self.fragment(frames.Image, part, turns, image=number, offset=offset, results=results)
        return answers

    def poll(self, results=0):
        """What the board answers to ``Poll``."""
        return self.exchange(frames.Poll, results=results)


def only(answers, kind):
    """Fields of the one frame of ``kind``."""
    (fields,) = [fields for got, fields, _ in answers if got is kind]
    return fields


def latest(answers):
    """Fields of the last ``State``, ``None`` if there is none."""
    states = [fields for kind, fields, _ in answers if kind is Kind.STATE]
    return states[-1] if states else None


def results(answers):
    """(fields, scores) of every result."""
    return [
        (fields, [int.from_bytes(payload[i : i + 4], "little", signed=True) for i in range(0, len(payload), 4)])
        for kind, fields, payload in answers
        if kind is Kind.RESULT
    ]


def small():
    """(board with the small network, host without a session, ``Case`` of 12 images)."""
    case = tiny_case(SMALL, 12)
    board = NativeBoard(SYSTEM, case.program)
    return board, Host(board), case


def large():
    """The same with the network whose images are three fragments."""
    case = tiny_case(LARGE, 4)
    board = NativeBoard(SYSTEM, case.program)
    return board, Host(board), case
