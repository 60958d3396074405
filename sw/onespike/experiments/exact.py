"""The core of a row's network in simulation against the golden model: one run of each row, a process each."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

from ..errors import ExperimentError
from .measure import fingerprint
from .run import folder_of

IMAGES = 8
AT_A_TIME = 2
"""Simulations side by side: each takes a CPU core, and a gigabyte while it is built."""


def simulate(model, dataset, data_root=None, images=IMAGES):
    """{core, images, mismatched_bits, cycles, predicted_cycles} of the first test images on the simulated core."""
    command = [sys.executable, "-m", "onespike_sim", "exact", str(model), "--dataset", dataset, "--images", str(images)]
    if data_root:
        command += ["--data", str(data_root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # A core that differs ends with status 1, and its figures all the same.
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    raise ExperimentError(f"{model}: the simulation failed ({reason.removeprefix('onespike: ')})")


def waiting(rows, out, known):
    """(row, recipe) of the first run of each row that is measured, has a core and was not simulated yet."""
    found = []
    for row in rows:
        for recipe in row.recipes:
            result = known.get((row.name, recipe.seed))
            if result is None or not result["core"]:
                continue
            if result["run"] == fingerprint(folder_of(out, row, recipe)) and result["exact"] is None:
                found.append((row, recipe))
            break
    return found


def exact_all(rows, out, known, jobs, data_root=None):
    """Simulate what waits; yields (row, recipe, result with ``exact``, None) or (row, recipe, None, error)."""
    with ThreadPoolExecutor(min(jobs, AT_A_TIME)) as pool:
        futures = {
            pool.submit(simulate, folder_of(out, row, recipe) / "model.npz", recipe.dataset, data_root): (row, recipe)
            for row, recipe in waiting(rows, out, known)
        }
        for future in as_completed(futures):
            row, recipe = futures[future]
            try:
                found = future.result()
            except ExperimentError as error:
                yield row, recipe, None, str(error)
                continue
            yield row, recipe, known[row.name, recipe.seed] | {"exact": found}, None
