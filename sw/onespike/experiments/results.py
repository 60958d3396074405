"""Results: one JSON line a run, kept in a file sorted by row and seed."""

import json
from pathlib import Path

from ..cli import write_bytes
from ..errors import ExperimentError

PUBLISHED = Path(__file__).parent / "results.jsonl"
"""The committed results, which docs/results.md is made of."""


def load(path):
    """{(row, seed): result}; empty where there is no file. Raises ``ExperimentError`` on a damaged one."""
    path = Path(path)
    if not path.exists():
        return {}
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            result = json.loads(line)
            found[result["row"], result["seed"]] = result
        except (ValueError, KeyError, TypeError):
            raise ExperimentError(f"{path}: line {number} is no result; delete that line and measure again") from None
    return found


def save(path, results):
    """Write ``results``, one line each, under a temporary name, then rename."""
    lines = [json.dumps(results[key], sort_keys=True) + "\n" for key in sorted(results)]
    write_bytes(Path(path), "".join(lines).encode(), "work in a folder that can be written")


def put(path, result):
    """Add ``result`` to the file, in place of the one of the same run."""
    results = load(path)
    results[result["row"], result["seed"]] = result
    save(path, results)


def publish(source, rows, target):
    """Take the results of ``rows`` (names) over from file ``source``; returns how many.

    What ``target`` holds of these rows is replaced: no result of an earlier recipe stays behind.
    """
    fresh = {key: result for key, result in load(source).items() if key[0] in rows}
    if not fresh:
        raise ExperimentError(f"{source} holds no result of these rows; run 'onespike experiment' first")
    renewed = {row for row, _ in fresh}
    kept = {key: result for key, result in load(target).items() if key[0] not in renewed}
    save(target, kept | fresh)
    return len(fresh)
