"""The engine: from spike words and weights to spikes."""

from .da import DaArray
from .tree import TreeArray


def make_array(config):
    """The accumulator array that ``config`` names."""
    if config.array == "tree":
        return TreeArray(config)
    return DaArray(config, simd=config.array == "da-simd")
