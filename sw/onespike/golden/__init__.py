"""The golden model: NumPy, integers only, runs a compiled program."""

from .classifier import decide
from .network import Trace, run, run_traced, spike_words

__all__ = ["Trace", "decide", "run", "run_traced", "spike_words"]
