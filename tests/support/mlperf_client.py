"""A host of the MLPerf Tiny serial protocol, as its public runner is one.

Commands are text that ends with ``%``; the board answers with lines, the last of which is ``m-ready``.
"""

import contextlib
import re
from dataclasses import dataclass

PIECE = 31
"""Bytes of an image that the runner sends in one command."""
NAME = r"m-name-dut-\[([^]]+)\]"
ATTEMPTS = 3
"""Times that the runner asks for the name of a device: it may have begun to listen in the middle of the question."""


@dataclass(frozen=True)
class Inference:
    """``microseconds`` by the board's clock for all timed runs, ``scores`` of the last one."""

    microseconds: int
    scores: list[float]


class MlperfClient:
    """Speaks over ``port``, an open ``serial.Serial`` with a timeout; a missing answer is an ``AssertionError``."""

    def __init__(self, port):
        self._port = port

    def command(self, text):
        """Lines of the answer to ``text``, without ``m-ready``."""
        self._port.write(text.encode() + b"%")
        lines = []
        while True:
            line = self._port.readline()
            assert line.endswith(b"\n"), f"{text!r} got only {lines} and {line!r}"
            lines.append(line.decode("ascii").strip())
            if lines[-1] == "m-ready":
                return lines[:-1]

    def name(self):
        """Name of the device."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(AssertionError):
                return self._only(NAME, self.command("name"))
        return self._only(NAME, self.command("name"))

    def profile(self):
        """(Profile of the firmware, model)."""
        lines = self.command("profile")
        return self._only(r"m-profile-\[([^]]+)\]", lines), self._only(r"m-model-\[([^]]+)\]", lines)

    def timestamp(self):
        """Microseconds of the board's clock."""
        return int(self._only(r"m-lap-us-([0-9]+)", self.command("timestamp")))

    def load(self, image):
        """Send an image; returns the lines of the answer to its last piece."""
        self.command(f"db load {len(image)}")
        for start in range(0, len(image), PIECE):
            last = self.command(f"db {image[start : start + PIECE].hex()}")
        return last

    def printed(self):
        """The image as the board prints it."""
        lines = [line.removeprefix("m-buffer-") for line in self.command("db print") if line.startswith("m-buffer-")]
        return bytes.fromhex("".join(lines).replace("-", ""))

    def infer(self, number, warm_up):
        """Run the image ``number`` times after ``warm_up`` times; returns an ``Inference``."""
        lines = self.command(f"infer {number} {warm_up}")
        begin, end = (int(found[1]) for line in lines if (found := re.fullmatch(r"m-lap-us-([0-9]+)", line)))
        scores = self._only(r"m-results-\[([^]]+)\]", lines)
        return Inference(end - begin, [float(score) for score in scores.split(",") if score.strip()])

    def _only(self, pattern, lines):
        found = [match[1] for line in lines if (match := re.fullmatch(pattern, line))]
        assert len(found) == 1, f"{pattern} matches {found} of {lines}"
        return found[0]
