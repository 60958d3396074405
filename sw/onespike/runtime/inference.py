"""A run of test images on a board, and what came of it: figures, confusion matrix, comparison with the golden model."""

import statistics
from dataclasses import asdict, dataclass

import numpy as np

from ..contract.program import Program
from ..data.sample import Sample
from ..golden import run
from .device import Result
from .pixels import prepare


@dataclass
class Inference:
    """``results`` of ``sample`` on the board at ``board`` (URI), which ran ``program`` at ``clock_hz``.

    ``rate`` images per second as the host saw it; ``counters`` of the board afterwards; ``mismatches`` scores that
    differ from the golden model's, ``None`` where nobody compared.
    """

    board: str
    program: Program
    sample: Sample
    results: list[Result]
    rate: float
    clock_hz: int
    counters: dict
    mismatches: int | None = None

    def compare(self):
        """Count the scores that differ from the golden model's; all of an image's where it has an error."""
        expected = run(self.program, prepare(self.program, self.sample.images))
        self.mismatches = sum(
            len(row) if result.error else int((result.scores != row).sum())
            for result, row in zip(self.results, expected, strict=True)
        )

    @property
    def failed(self):
        """Results that have an error."""
        return [result for result in self.results if result.error]

    @property
    def top1(self):
        """Per cent of images whose prediction is their label; ``None`` without labels."""
        if self.sample.labels is None:
            return None
        return 100 * float((self._predictions() == self.sample.labels).mean())

    @property
    def latency_cycles(self):
        """Median latency in clock cycles."""
        return int(statistics.median(result.latency_cycles for result in self.results))

    def names(self):
        """Names of the classes."""
        return self.program.metadata.get("labels") or [str(c) for c in range(self.program.classes)]

    def confusion(self):
        """Images int64 (classes, classes) by label (row) and prediction (column); ``None`` without labels."""
        if self.sample.labels is None:
            return None
        matrix = np.zeros((self.program.classes, self.program.classes), np.int64)
        for result, label in zip(self.results, self.sample.labels, strict=True):
            if not result.error:
                matrix[label, result.prediction] += 1
        return matrix

    def to_dict(self):
        """JSON types only."""
        labels, matrix = self.sample.labels, self.confusion()
        rows = []
        for index, result in enumerate(self.results):
            row = {**asdict(result), "scores": result.scores.tolist()}
            rows.append(row if labels is None else {**row, "label": int(labels[index])})
        return {
            "board": self.board,
            "network": self.program.metadata.get("network"),
            "core": self.program.config.name,
            "images": len(self.results),
            "pixels": self.sample.what,
            "top1": self.top1,
            "mismatched_scores": self.mismatches,
            "images_with_errors": len(self.failed),
            "images_per_second": round(self.rate, 2),
            "latency_cycles": self.latency_cycles,
            "clock_hz": self.clock_hz,
            "confusion": None if matrix is None else matrix.tolist(),
            "counters": self.counters,
            "results": rows,
        }

    def table(self):
        """Confusion matrix and figures as text."""
        lines = []
        if (matrix := self.confusion()) is not None:
            names = self.names()
            wide = max(map(len, names))
            cell = max(5, len(str(matrix.max())) + 1)
            lines.append(" " * wide + "".join(f"{name[: cell - 1]:>{cell}}" for name in names))
            for name, row in zip(names, matrix, strict=True):
                lines.append(f"{name:>{wide}}" + "".join(f"{count or '.':>{cell}}" for count in row))
            lines.append("")
        top1 = "not known (no labels)" if self.top1 is None else f"{self.top1:.2f} %"
        lines.append(f"{len(self.results)} images ({self.sample.what}) on {self.board}: top-1 {top1}")
        lines.append(f"{self.rate:.1f} images/s as this host sees it")
        if self.latency_cycles:
            real = f"{self.latency_cycles / self.clock_hz * 1e6:,.0f} us at {self.clock_hz / 1e6:g} MHz"
            lines[-1] += f"; median latency on the board {self.latency_cycles:,} cycles = {real}"
        if self.failed:
            lines.append(f"{len(self.failed)} images have no right result; the first: {self.failed[0].error}")
        if self.mismatches is not None:
            total = len(self.results) * self.program.classes
            lines.append(f"{self.mismatches} of {total} scores differ from the golden model")
        return "\n".join(lines)

    def _predictions(self):
        return np.array([result.prediction for result in self.results])
