"""Training the runs of rows, several at a time."""

import multiprocessing
import os
from pathlib import Path

import torch

from ..errors import OnespikeError
from ..train import Trainer, images_of


def folder_of(out, row, recipe):
    """Where the run of ``row`` with the seed of ``recipe`` keeps its files."""
    return Path(out) / row.name / f"seed-{recipe.seed}"


def train(rows, out, jobs, data_root=None):
    """Train every run of ``rows`` that has no card yet, ``jobs`` at a time; yields (row, recipe, error or None).

    A run that was cut off goes on where it was. The images are read once and shared by the processes.
    """
    runs = [(row, recipe, out, data_root) for row in rows for recipe in row.recipes]
    runs.sort(key=lambda run: run[1].seed)  # every row once before any of them again
    runs = [run for run in runs if not (folder_of(out, *run[:2]) / "card.json").exists()]
    for dataset, jpeg in sorted({(recipe.dataset, recipe.jpeg > 0) for _, recipe, *_ in runs}):
        images_of(dataset, data_root, jpeg)
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    with multiprocessing.get_context("fork").Pool(jobs, torch.set_num_threads, (threads,)) as pool:
        for index, error in pool.imap_unordered(_train_one, list(enumerate(runs))):
            yield runs[index][0], runs[index][1], error


def _train_one(numbered):
    index, (row, recipe, out, data_root) = numbered
    folder = folder_of(out, row, recipe)
    try:
        Trainer(recipe, folder, data_root, resume=folder.exists(), spec=row.spec, teachers=out).run()
    except OnespikeError as error:
        return index, str(error)
    return index, None
