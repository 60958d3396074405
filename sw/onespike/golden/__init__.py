"""The golden model: NumPy, integers only, runs a compiled program."""

from .classifier import decide
from .network import Trace, run, spike_words

__all__ = ["Trace", "decide", "run", "spike_words"]
