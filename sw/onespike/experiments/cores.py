"""Which core a row's network runs on: the smallest preset that takes it, else one with larger memories."""

from dataclasses import replace

from ..compiler import compile
from ..contract.config import preset
from ..errors import LimitError

LARGE = replace(
    preset("arty-a7-35t"), name="arty-a7-35t-large", spike_words=8192, blocks=2048, channels=2048, layers=32, tables=16,
    potential_words=4096, acc_bits=18,
)  # fmt: skip
"""The array of the Arty A7-35T with memories that no A7-35T has: for networks that are beyond every board."""
LARGE_8 = replace(LARGE, name="arty-a7-35t-large-8bit", array="da", weight_bits=8)
"""The same for 8-bit weights, whose sums are too wide for the lanes of the DSP blocks."""
CORES = (preset("tiny"), preset("arty-a7-35t"), preset("arty-a7-100t"), LARGE, LARGE_8)
"""Smallest first."""


def is_board(name):
    """Whether the core called ``name`` is one that a board can hold."""
    return name not in (LARGE.name, LARGE_8.name)


def core_for(model):
    """(``Compiled``, None) of ``model`` for the first of ``CORES`` that takes it, or (None, why the last one does not)."""
    refusal = None
    for config in CORES:
        try:
            return compile(model, config), None
        except LimitError as error:
            refusal = str(error)
    return None, refusal
