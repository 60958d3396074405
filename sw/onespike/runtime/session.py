"""The driver's side of the link protocol (``contract.frames``), over any transport.

All retransmission is decided here, by nothing but the frames that came and the waits in which none came: no clock is
read, so a recorded conversation replays exactly.
"""

import contextlib
import zlib
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..contract import frames, isa, soc
from ..contract.frames import Command, Error, Kind
from ..contract.regs import Status
from ..errors import BoardError, ContractError, LinkError, ProgramError
from .device import Device, Identity, Result
from .patience import Patience
from .window import SendWindow, fragments, unwrap

REOPENINGS = 8
"""Times that a session is opened again for one image or program before the driver gives up."""
CUT = 3
"""Times that a board with the whole program says, after a silence, that it waits for more, until that is believed."""
ACKNOWLEDGING = {record for record in frames.HOST.values() if "results" in dict(record.as_shape())}
"""Frames that tell the board which results the host has."""
REFUSED_PROGRAM = {
    Status.BAD_MAGIC: "it is no program image",
    Status.BAD_VERSION: "it has another format version",
    Status.BAD_FINGERPRINT: "it was compiled for another core",
    Status.BAD_SECTION: "a section is malformed",
    Status.BAD_CHECKSUM: "its checksum is wrong",
}


class _LostSessionError(Exception):
    """The board cannot go on in this session; the sentence says why."""


@dataclass
class _Run:
    """Images on their way: ``source`` of more until it ``ended``, ``waiting`` (number, pixels) without a result,
    ``count`` drawn."""

    source: Any
    ended: bool = False
    waiting: deque = field(default_factory=deque)
    count: int = 0

    def draw(self):
        """Take another image from the source; false where there is none."""
        pixels = next(self.source, None)
        if pixels is None:
            self.ended = True
            return False
        self.waiting.append((self.count, pixels))
        self.count += 1
        return True


class Session(Device):
    """A board's session over ``transport``; opened at once, and again whenever the board loses it.

    A board that lost its program gets it again, and images without a result are sent again, so every image is
    answered once. Raises ``LinkError`` where nothing happens for the transport's ``timeout``, ``BusyError`` where
    another host holds the board that long, ``ContractError`` where it is of another version.
    """

    def __init__(self, transport):
        self.transport = transport
        self.uri = transport.uri
        self._patience = Patience(transport)
        self._image = b""  # of the program that the board must have; empty: whatever it has
        self._classes = None  # of that program
        self._run = None
        self._reopened = 0
        self._number = None
        self._connect()

    # Operations of a device.

    @property
    def identity(self):
        return replace(self._identity, status=self._status)

    def load(self, program):
        words = program.encode()
        mine = self._identity.fingerprint
        theirs = isa.unpack(isa.Header, isa.from_words(words[: isa.HEADER_WORDS]))["fingerprint"]
        if theirs != mine:
            raise ProgramError(
                f"the program was compiled for core {theirs:08x} ({program.config.name}), the board at {self.uri} has "
                f"{mine:08x}; compile it for this board's core"
            )
        self.load_image(words.astype("<u4").tobytes(), program.classes)

    def load_image(self, image, classes=None):
        """Load a program image (bytes), whatever it holds: the board judges it.

        Every image must have ``classes`` scores then, or any number where it is ``None``. Raises ``ProgramError`` with
        the board's reason where it refuses the program; the one before is loaded again when it is needed.
        """
        self._begin()
        before = self._image, self._classes
        self._image, self._classes = image, classes
        try:
            self._persist(lambda: None)
        except BaseException:
            self._image, self._classes = before
            self._lost = True  # a new session tells what the board has now
            raise

    def run(self, images):
        self._begin()
        run = self._run = _Run(iter(images))
        try:
            while self._persist(lambda: self._advance(run)):
                while self._received in self._results:
                    fields, payload = self._results.pop(self._received)
                    self._received += 1
                    self._reopened = 0
                    number, _ = run.waiting.popleft()
                    yield self._result(number, fields, payload)
                    if self._run is not run:
                        raise BoardError(f"another operation took {self.uri} from this one; do one after the other")
        finally:
            if self._run is run:
                self._run = None
                if run.waiting:
                    self._lost = True  # a new session makes the board forget what is on its way

    def request(self, command, argument=0):
        if self._run is None:
            self._begin()
        return self._persist(lambda: self._ask(command, argument))

    def reset(self):
        self._begin()
        self._image, self._classes = b"", None
        self._persist(lambda: self._ask(Command.RESET))
        self._connect()

    def close(self):
        try:
            if self._number is not None:
                with contextlib.suppress(LinkError):  # a board that is gone needs no goodbye
                    self._send(frames.Close)
        finally:
            self._number = None
            self.transport.close()

    # Sessions.

    def _begin(self):
        """Start an operation that has the board for itself."""
        if self._run is not None:
            self._run, self._lost = None, True
        self._reopened = 0
        self._patience.progress()

    def _connect(self):
        """Open a new session."""
        nonce = self.transport.nonce()
        opening = frames.encode(frames.Open, version=frames.PROTOCOL, nonce=nonce)
        self._lost = True
        while True:
            self.transport.send(opening)
            while (frame := self.transport.receive(self.transport.wait)) is not None:
                kind, fields, _ = frames.decode(frame)
                if kind is Kind.OPENED and fields["nonce"] == nonce:
                    self._opened(fields)
                    return
                if kind is Kind.REFUSED and fields["refused"] is Kind.OPEN and fields["nonce"] == nonce:
                    self._not_opened(fields["error"])
                else:
                    self._patience.useless()
            self._patience.silence()

    def _opened(self, fields):
        if fields["contract"] != soc.contract_id():
            self.transport.send(frames.encode(frames.Close, session=fields["session"]))
            raise ContractError(
                f"the board at {self.uri} was built with contract {fields['contract']:08x}, this driver with "
                f"{soc.contract_id():08x}; use driver and board of one version"
            )
        if not fields["clock_hz"]:
            raise BoardError(f"the board at {self.uri} says that its clock has 0 Hz; update its gateware")
        names = ("fingerprint", "contract", "clock_hz", "program", "image_bytes")
        self._status = _status(fields)
        self._identity = Identity(status=self._status, **{name: fields[name] for name in names})
        self._number = fields["session"]
        self._lost = False
        self._window = SendWindow(fields["window"])
        self._results = {}  # index -> (fields, payload) of results that arrived
        self._received = 0  # results taken, in order
        self._told = 0  # of these, the board knows
        self._begun = 0  # images of this session
        self._tag = fields["nonce"]  # number of its first image: a result of another session is none of ours
        self._missing = None  # result that was asked for because a later one came
        self._unanswered = False  # a silence made us ask where the board is
        self._requests = 0
        self._replies = []

    def _not_opened(self, error):
        if error is Error.VERSION:
            raise ContractError(
                f"the board at {self.uri} does not speak version {frames.PROTOCOL} of the protocol, as this driver "
                "does; use driver and board of one version"
            )
        self._patience.busy()

    def _persist(self, step):
        """``step()`` in an open session with the right program; again in a new one as often as the old one is lost."""
        if self._number is None:
            raise BoardError(f"the board at {self.uri} was closed; open it again")
        while True:
            try:
                if self._lost:
                    self._connect()
                if self._image and not self._is_loaded():
                    self._load()
                return step()
            except _LostSessionError as reason:
                self._lost = True
                self._reopened += 1
                if self._reopened > REOPENINGS:
                    raise LinkError(
                        f"the board at {self.uri} lost the session {self._reopened} times in a row (at last: {reason}); "
                        "check its power, and whether another host uses it"
                    ) from None

    # The program.

    def _is_loaded(self):
        body, check = self._image[: -frames.CHECK_BYTES], int.from_bytes(self._image[-frames.CHECK_BYTES :], "little")
        # A damaged image may end in the checksum of the one that is loaded: the board is to judge it.
        return self._status is Status.READY and self._identity.program == check == zlib.crc32(body)

    def _load(self):
        self._ask(Command.LOAD, len(self._image))
        self._status, waits = Status.NO_PROGRAM, 0
        self._window.add(fragments(frames.Program, self._image))
        while self._window.base < self._window.end or self._status is not Status.READY:
            asked = self._unanswered and self._window.base == self._window.end
            if self._exchange():
                self._patience.progress()
            if self._status in REFUSED_PROGRAM:
                self._refuse_program(REFUSED_PROGRAM[self._status])
            waits += asked and not self._unanswered and self._status is Status.LOADING
            if waits == CUT:
                self._refuse_program("it is cut, the board waits for the rest")
        self._connect()  # to hear what the board has now
        if not self._is_loaded():
            raise _LostSessionError("the program was gone as soon as it was loaded")

    def _refuse_program(self, why):
        self._lost = True
        raise ProgramError(f"the board at {self.uri} refuses the program: {why}; compile it again for this board")

    # Images.

    def _advance(self, run):
        """Send images while there is room, and take a frame; false when all images have their results."""
        self._send_fragments()
        while (begun := self._begun - self._received) < frames.RESULTS and self._window.hungry:
            if begun == len(run.waiting) and not run.draw():
                break
            number = (self._tag + self._begun) % (1 << 32)
            self._window.add(fragments(frames.Image, run.waiting[begun][1], image=number))
            self._begun += 1
            self._send_fragments()
        if not run.waiting and run.ended:
            return False
        self._exchange()
        return True

    def _result(self, number, fields, payload):
        scores = np.frombuffer(payload, "<i4").astype(np.int64)
        error, prediction = None, int(scores.argmax()) if len(scores) else -1
        if self._classes not in (None, len(scores)):
            error = f"the board gave {len(scores)} scores, the program has {self._classes} classes; load it again"
            prediction = -1
        measured = {name: fields[name] for name in ("cycles", "array_cycles", "weight_waits", "spikes")}
        return Result(number, scores, prediction, fields["latency"], error=error, **measured)

    # Frames.

    def _send(self, record, payload=b"", **values):
        if record in ACKNOWLEDGING:
            self._told = self._received
            values["results"] = self._received % (1 << 16)
        self.transport.send(frames.encode(record, payload, session=self._number, **values))

    def _send_fragments(self):
        while self._window.sendable:
            sequence, part = self._window.take()
            self._send(part.record, part.payload, sequence=sequence % (1 << 16), **part.fields)

    def _exchange(self):
        """Send what may be sent, take a frame; in silence, ask. True if the board accepted fragments."""
        self._send_fragments()
        full = self._begun - self._told >= frames.RESULTS
        if full and self._received > self._told and self._window.stuck:
            self._send(frames.Poll)  # the board waits for room among its results, which no fragment can give it
        base = self._window.base
        if not self._take():
            self._unanswered = True
            self._send(frames.Poll)
        return self._window.base > base

    def _take(self):
        """Act on the next frame; false where none came in time."""
        frame = self.transport.receive(self.transport.wait)
        if frame is None:
            was = self._patience.half_gone
            self._patience.silence()
            if self._patience.half_gone and not was:
                raise _LostSessionError("no answer")
            return False
        kind, fields, payload = frames.decode(frame)
        actions = {
            Kind.STATE: self._take_state,
            Kind.RESULT: self._take_result,
            Kind.REPLY: self._take_reply,
            Kind.REFUSED: self._take_refusal,
        }
        if fields["session"] != self._number or kind not in actions or not actions[kind](fields, payload):
            self._patience.useless()
        return True

    def _take_state(self, fields, _):
        expected = fields["expected"]
        if unwrap(expected, self._window.base) < self._window.base:
            return False
        news = self._window.update(expected, fields["limit"])
        self._status = _status(fields)
        if self._unanswered:
            self._window.rewind()
        elif fields["gap"]:
            self._window.gap(expected)
        self._unanswered = False
        return news

    def _take_result(self, fields, payload):
        index = unwrap(fields["index"], self._received)
        if not self._received <= index < self._begun or index in self._results:
            return False
        if fields["image"] != (self._tag + index) % (1 << 32) or len(payload) != 4 * fields["classes"]:
            return False
        self._results[index] = fields, payload
        self._patience.progress()
        if self._received not in self._results and self._missing != self._received:
            self._missing = self._received
            self._send(frames.Poll)
        return True

    def _take_reply(self, fields, payload):
        if self._replies or fields["number"] != self._requests % 256 or len(payload) != 4 * fields["words"]:
            return False
        self._replies.append((fields["error"], tuple(np.frombuffer(payload, "<u4").tolist())))
        return True

    def _take_refusal(self, fields, _):
        refused, error = fields["refused"], fields["error"]
        if error is Error.NO_SESSION:
            raise _LostSessionError("the session is not open")
        if refused in (Kind.IMAGE, Kind.PROGRAM):
            if unwrap(fields["nonce"] % (1 << 16), self._window.base) < self._window.base:
                return False
            if refused is Kind.PROGRAM and error is Error.SIZE:
                self._refuse_program("its length or its header is wrong")
            raise _LostSessionError(f"it refused a fragment of kind {refused.name} ({error.name})")
        return False

    def _ask(self, command, argument=0):
        """Words of the reply to a request."""
        while True:
            self._requests += 1
            error, words = self._answer(number=self._requests % 256, command=command, argument=argument)
            if error is Error.NONE:
                self._patience.progress()
                return words
            if error is Error.WORKING:
                while self._take():
                    pass
            elif command is Command.LOAD and error is Error.SIZE:
                self._refuse_program(f"{argument} bytes are no possible length")
            else:
                raise BoardError(f"the board at {self.uri} refuses {command.name} ({error.name}); update its gateware")

    def _answer(self, **request):
        """(error, words) of the reply to this request, asked until it comes."""
        self._replies.clear()
        while not self._replies:
            self._send(frames.Request, **request)
            while not self._replies and self._take():
                pass
        return self._replies.pop()


def _status(fields):
    """The core's status in a frame; one that this driver does not know is none in which anything runs."""
    try:
        return Status(fields["status"])
    except ValueError:
        return None
