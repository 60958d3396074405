"""The golden model: NumPy, integers only, runs a compiled program."""

from .activity import effective_sop, effective_sop_by_layer, fired_spikes, silent_beats
from .classifier import decide
from .network import Trace, run, run_traced, spike_words

__all__ = [
    "Trace",
    "decide",
    "effective_sop",
    "effective_sop_by_layer",
    "fired_spikes",
    "run",
    "run_traced",
    "silent_beats",
    "spike_words",
]
