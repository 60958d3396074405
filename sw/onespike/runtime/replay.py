"""Recordings: what went over a link, in order, and the transport that plays one back.

A recording is JSON lines. The first is a header: ``format``, ``version``, ``uri``, ``wait``, ``timeout``. Every other
one is an event: ``{"send": HEX}``, ``{"receive": HEX}`` or ``{"receive": null}`` (nothing came in time),
``{"nonce": NUMBER}``, ``{"error": SENTENCE}`` (the link failed). A driver decides on nothing but these, so it does the
same again when they come again.
"""

import json
import os
from pathlib import Path

from ..contract import frames
from ..errors import LinkError, OutputError, RecordingError
from .transport import Transport

FORMAT = "onespike-recording"
VERSION = 1


class RecordingTransport(Transport):
    """Passes everything on to ``inner`` (a ``Transport``) and writes it to ``path``.

    Raises ``OutputError`` where the file cannot be written.
    """

    def __init__(self, inner, path):
        self.inner = inner
        self.uri, self.wait, self.timeout = inner.uri, inner.wait, inner.timeout
        try:
            self._file = os.fdopen(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), "w", 1, encoding="ascii"
            )
        except OSError as error:
            raise OutputError(f"cannot write the recording {path} ({error.strerror}); choose another place") from None
        self._path = path
        self._write(format=FORMAT, version=VERSION, uri=self.uri, wait=self.wait, timeout=self.timeout)

    @property
    def damaged(self):
        """Frames that ``inner`` dropped: they are not in the recording."""
        return self.inner.damaged

    def send(self, frame):
        self._write(send=frame.hex())
        self._failing(self.inner.send, frame)

    def receive(self, timeout):
        frame = self._failing(self.inner.receive, timeout)
        self._write(receive=None if frame is None else frame.hex())
        return frame

    def nonce(self):
        nonce = self.inner.nonce()
        self._write(nonce=nonce)
        return nonce

    def close(self):
        try:
            self._file.close()
        except OSError as error:
            raise self._full(error) from None
        finally:
            self.inner.close()

    def _failing(self, call, argument):
        try:
            return call(argument)
        except LinkError as error:
            self._write(error=str(error))
            raise

    def _write(self, **event):
        try:
            self._file.write(json.dumps(event) + "\n")
        except OSError as error:
            raise self._full(error) from None

    def _full(self, error):
        return OutputError(f"cannot write the recording {self._path} ({error.strerror}); free some space")


class ReplayTransport(Transport):
    """Plays the board's part of a recording.

    Raises ``RecordingError`` where the file is none, and at the first frame that the driver sends differently, or
    when it wants more than was recorded.
    """

    def __init__(self, path):
        self.uri = f"replay://{path}"
        self._path = Path(path)
        try:
            lines = self._path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no text"
            raise RecordingError(f"cannot read the recording {path} ({reason}); record one with --record") from None
        self._events = [self._event(number, line) for number, line in enumerate(lines, 1)]
        header = self._events[0] if self._events else {}
        if header.get("format") != FORMAT:
            raise RecordingError(f"{path} is no recording; name a file that --record wrote")
        if header.get("version") != VERSION:
            raise RecordingError(
                f"{path} is a recording of version {header.get('version')}, this driver plays {VERSION}; record it again"
            )
        try:
            self.wait, self.timeout = float(header["wait"]), float(header["timeout"])
            if not (1e-9 < self.wait < 1e9 and 1e-9 < self.timeout < 1e9):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RecordingError(f"{path} has a damaged header; record it again") from None
        self._position = 1

    def send(self, frame):
        recorded = self._next("send", "sends a frame")
        if recorded != frame.hex():
            raise RecordingError(
                f"{self._path} line {self._position}: the driver sends {frame[:12].hex()}..., recorded is "
                f"{str(recorded)[:24]}...; record it again"
            )
        self._fail()

    def receive(self, timeout):
        self._fail()
        frame = self._next("receive", "waits for a frame")
        if frame is None:
            return None
        try:
            frame = bytes.fromhex(frame)
            frames.decode(frame)
        except (TypeError, ValueError):
            raise self._damaged(self._position) from None
        return frame

    def nonce(self):
        nonce = self._next("nonce", "draws a number")
        if not isinstance(nonce, int) or not 0 <= nonce < 1 << 32:
            raise self._damaged(self._position)
        return nonce

    def close(self):
        pass

    def _event(self, number, line):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            raise self._damaged(number)
        return event

    def _damaged(self, number):
        return RecordingError(f"{self._path} line {number} is damaged; record it again")

    def _next(self, kind, what):
        """The value of the next event, which must be of ``kind``."""
        if self._position == len(self._events):
            raise RecordingError(f"the driver {what}, but {self._path} ends here; record it again")
        event = self._events[self._position]
        self._position += 1
        if kind not in event:
            raise RecordingError(
                f"{self._path} line {self._position}: the driver {what}, recorded is "
                f"{next(iter(event), 'nothing')!r}; record it again"
            )
        return event[kind]

    def _fail(self):
        """Raise what the link raised here."""
        if self._position < len(self._events) and "error" in self._events[self._position]:
            self._position += 1
            raise LinkError(self._events[self._position - 1]["error"])
