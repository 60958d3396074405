"""Memories as deep as a network needs: cores of other sizes that run it, for benchmarks and exploration."""

from dataclasses import replace
from typing import Any

from . import compile

# Deeper than any network here, within the fields of the descriptors.
_ROOMY: dict[str, Any] = {
    "spike_words": 1 << 15, "blocks": 1 << 13, "channels": 1 << 12, "layers": 64, "tables": 8,
    "potential_words": 1 << 14, "acc_bits": 18,
}  # fmt: skip
_STEPS = {"spike_words": 256, "blocks": 16, "channels": 64, "potential_words": 256, "tables": 4, "layers": 16}
_NAMES = {"spike words": "spike_words", "weight blocks": "blocks", "potential words": "potential_words"}


def fit(model, config):
    """``config`` with memories and accumulators just large enough for ``model``, in whole steps.

    Raises ``LimitError`` where no depth would help.
    """
    used = compile(model, replace(config, **_ROOMY)).report.memory
    sizes: dict[Any, int] = {_NAMES.get(name, name): count for name, (count, _) in used.items()}
    acc_bits = sizes.pop("acc bits")
    depths: dict[str, Any] = {name: max(1, -(-count // _STEPS[name])) * _STEPS[name] for name, count in sizes.items()}
    return replace(config, **depths, acc_bits=acc_bits)
