"""Results of a row over its seeds: means and spreads."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """One row: the results of its seeds, at least one."""

    runs: tuple[dict, ...]

    @property
    def first(self):
        """The result of the lowest seed, for what every seed has in common."""
        return self.runs[0]

    def values(self, key):
        """What the runs have under ``key``, those that have nothing left out."""
        return [run[key] for run in self.runs if run.get(key) is not None]

    def mean(self, key="test"):
        """Mean over the seeds, ``None`` where there is no value."""
        values = self.values(key)
        return statistics.fmean(values) if values else None

    def spread(self, key="test"):
        """Standard deviation over the seeds (n - 1), ``None`` of fewer than two."""
        values = self.values(key)
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def microjoules(self):
        """Mean energy of an image in integers, with memory; ``None`` off the core."""
        values = [run["microjoules"]["with_memory"]["spiking"] for run in self.runs if run["core"]]
        return statistics.fmean(values) if values else None

    @property
    def exact(self):
        """The comparison of one run with the core, ``None`` where there was none."""
        return next((run["exact"] for run in self.runs if run["exact"]), None)


def summaries(results):
    """{row: ``Summary``} of {(row, seed): result}."""
    rows: dict[str, list] = {}
    for row, seed in sorted(results):
        rows.setdefault(row, []).append(results[row, seed])
    return {row: Summary(tuple(runs)) for row, runs in rows.items()}
