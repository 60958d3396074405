"""A board of the driver's tests: the link protocol in its plainest form, as a transport without time.

It shares nothing with firmware or driver but the contract. Scores are the CRC-32s of (class, image), so every wrong,
lost or exchanged byte shows.
"""

import zlib
from collections import deque

import numpy as np

from onespike.contract import frames, soc
from onespike.contract.frames import Command, Error, Kind
from onespike.contract.regs import Status
from onespike.runtime.transport import Transport

CLOCK_HZ = 100_000_000
FINGERPRINT = 0x12345678


def scores(image, classes=10):
    """Scores int64 (classes,) that the board gives an image (bytes)."""
    return (
        np.array([zlib.crc32(bytes([c]) + image) for c in range(classes)], np.uint32).astype(np.int32).astype(np.int64)
    )


class FakeBoard(Transport):
    """Attributes to change: ``loaded`` and ``image_bytes`` the program; ``refuse`` an ``Error`` for every Open;
    ``contract``, ``fingerprint``; ``status_after_load``; ``deaf`` hears nothing; ``hung`` finishes no image;
    ``working`` requests refused before one is done; ``classes``; ``window`` of fragments.
    ``frames`` and ``log`` hold every frame that was sent, ``silences`` counts the waits in vain; ``mangle_in`` and ``mangle_out`` take
    (number of the frame, frame) and give the list of frames that arrive instead.
    """

    uri = "fake://"
    wait, timeout = 0.1, 4.0

    def __init__(self, image_bytes=3072, loaded=0xABCD):
        self.image_bytes, self.loaded = image_bytes, loaded
        self.refuse = None
        self.contract, self.fingerprint = soc.contract_id(), FINGERPRINT
        self.status_after_load = Status.READY
        self.deaf = self.hung = False
        self.working = 0
        self.window = soc.WINDOW
        self.classes = 10
        self.frames, self.sent, self.received = [], 0, 0
        self.silences = 0
        self.mangle_in = self.mangle_out = lambda number, frame: [frame]
        self.queue = deque()
        self.nonces = iter(range(1000, 1_000_000))
        self.sessions = 0
        self.closed = False
        self.status = Status.READY if loaded else Status.NO_PROGRAM
        self.reset()

    def reset(self, keep_program=True):
        """What the reset button does."""
        self.nonce_open = None
        self.session = None
        if not keep_program:
            self.loaded, self.status = 0, Status.NO_PROGRAM

    # The transport.

    def nonce(self):
        return next(self.nonces)

    def send(self, frame):
        assert not self.closed
        self.frames.append(frame)
        arriving = self.mangle_in(self.sent, frame)
        self.sent += 1
        for one in arriving:
            if not self.deaf:
                self._handle(one)

    def receive(self, timeout):
        assert timeout == self.wait
        while self.queue:
            if self.accept(frame := self.queue.popleft()):
                return frame
        self.silences += 1
        return None

    def close(self):
        self.closed = True

    @property
    def log(self):
        """Frames that the driver sent, as (kind, fields, payload)."""
        return [frames.decode(frame, frames.HOST) for frame in self.frames]

    def kinds(self):
        """Kinds of the frames that the driver sent."""
        return [kind for kind, _, _ in self.log]

    # The board.

    def _say(self, record, payload=b"", **values):
        frame = frames.encode(record, payload, session=self.session or 0, **values)
        self.queue.extend(self.mangle_out(self.received, frame))
        self.received += 1

    def _handle(self, frame):
        try:
            kind, fields, payload = frames.decode(frame, frames.HOST)
        except ValueError:
            return
        if kind is Kind.OPEN:
            self._open(fields["nonce"])
        elif fields["session"] != self.session:
            number = fields.get("sequence", 0)
            if kind is not Kind.CLOSE:
                self.queue.append(
                    frames.encode(
                        frames.Refused, session=fields["session"], refused=kind, error=Error.NO_SESSION, nonce=number
                    )
                )
        elif kind is Kind.CLOSE:
            self.session = None
        elif kind is Kind.REQUEST:
            self._request(fields)
        elif kind is Kind.POLL:
            self._acknowledge(fields["results"])
            self._state()
            for index in range(self.acknowledged, self.done):
                self._result(index)
        else:
            self._fragment(kind, fields, payload)

    def _open(self, nonce):
        if self.refuse is not None:
            self._say(frames.Refused, refused=Kind.OPEN, error=self.refuse, nonce=nonce)
            return
        if nonce != self.nonce_open:
            self.nonce_open = nonce
            self.sessions += 1
            self.session = self.sessions % 256
            self.expected = self.done = self.acknowledged = self.begun = 0
            self.image, self.program, self.number = b"", None, None
            self.gap = False
            self.results, self.last_request = {}, None
        self._say(
            frames.Opened,
            window=self.window,
            status=self.status,
            nonce=nonce,
            fingerprint=self.fingerprint,
            contract=self.contract,
            program=self.loaded,
            image_bytes=self.image_bytes if self.loaded else 0,
            clock_hz=CLOCK_HZ,
        )

    def _state(self):
        full = self.begun - self.acknowledged == frames.RESULTS
        whole = (self.image_bytes - len(self.image) - 1) // frames.PAYLOAD_BYTES + 1 if self.image else 0
        self._say(
            frames.State,
            status=self.status,
            gap=int(self.gap),
            expected=self.expected % 65536,
            limit=(self.expected + (min(whole, self.window) if full else self.window)) % 65536,
            results=self.done % 65536,
        )

    def _acknowledge(self, results):
        """``results`` of 16 bits: between what was acknowledged and what is done."""
        new = self.acknowledged + (results - self.acknowledged) % 65536
        if new <= self.done:
            for index in range(self.acknowledged, new):
                del self.results[index]
            self.acknowledged = new

    def _fragment(self, kind, fields, payload):
        if kind is Kind.IMAGE:
            self._acknowledge(fields["results"])
        if fields["sequence"] != self.expected % 65536:
            if (fields["sequence"] - self.expected) % 65536 < 32768 and not self.gap:
                self.gap = True
                self._state()
            return
        if kind is Kind.PROGRAM:
            self._program(payload)
        elif error := self._image_error(fields, payload):
            self._say(frames.Refused, refused=kind, error=error, nonce=fields["sequence"])
            return
        else:
            if not self.image:
                self.begun += 1
                assert self.begun - self.acknowledged <= frames.RESULTS, "more images than the board has room for"
            self.image += payload
            self._finish_image(fields["image"])
        self.expected += 1
        self.gap = False
        self._state()

    def _image_error(self, fields, payload):
        if self.status is not Status.READY:
            return Error.NO_PROGRAM
        rest = min(frames.PAYLOAD_BYTES, self.image_bytes - len(self.image))
        return Error.SIZE if fields["offset"] != len(self.image) or len(payload) != rest else None

    def _finish_image(self, number):
        if len(self.image) == self.image_bytes:
            if not self.hung:
                self.results[self.done] = number, self.image
                self.done += 1
                self._result(self.done - 1)
            self.image = b""

    def _result(self, index):
        number, image = self.results[index]
        values = scores(image, self.classes)
        self._say(
            frames.Result,
            values.astype("<i4").tobytes(),
            index=index % 65536,
            image=number,
            latency=7,
            cycles=6,
            array_cycles=5,
            weight_waits=4,
            spikes=3,
            classes=self.classes,
        )

    def _program(self, payload):
        assert self.program is not None, "a fragment of a program that was not announced"
        self.program += payload
        self.status = Status.LOADING
        if len(self.program) == self.length:
            self.status = self.status_after_load
            if self.status is Status.READY:
                self.loaded = int.from_bytes(self.program[-4:], "little")

    def _request(self, fields):
        if fields["number"] != self.number:
            self.number = fields["number"]
            self.last_request = self._do(fields["command"], fields["argument"])
        error, words = self.last_request
        payload = np.array(words, "<u4").tobytes()
        self._say(frames.Reply, payload, number=self.number, error=error, words=len(words))

    def _do(self, command, argument):
        if self.working:
            self.working -= 1
            return Error.WORKING, []
        if command is Command.COUNTERS:
            return Error.NONE, range(len(frames.COUNTERS))
        if command is Command.LOAD:
            if argument % 4 or not argument:
                return Error.SIZE, []
            self.program, self.length, self.loaded, self.status = b"", argument, 0, Status.NO_PROGRAM
        elif command is Command.RESET:
            self.loaded, self.status = 0, Status.NO_PROGRAM
        else:
            return Error.UNKNOWN, []
        return Error.NONE, []
