"""A wrong arithmetic must be noticed: each mutation here has to fail the oracle's comparison."""

import types

import pytest

from onespike.contract import arith

from .test_arith import disagreements

MUTATIONS = {
    "rounding dropped": ("round_shift", lambda x, n: x >> n),
    "ties towards minus infinity": ("round_shift", lambda x, n: -((-x + ((1 << n) >> 1)) >> n)),
    "upper saturation dropped": ("saturate", lambda x, bits: max(x, -(1 << bits - 1))),
    "lower saturation dropped": ("saturate", lambda x, bits: min(x, (1 << bits - 1) - 1)),
    "saturation one step early": ("saturate", lambda x, bits: max(min(x, (1 << bits - 1) - 2), -(1 << bits - 1))),
    "threshold not strict": ("fire", lambda v, k: v >= 1 << k),
    "leak terms floored together": ("leak", lambda v: (13 * v) >> 5),
    "leak term missing": ("leak", lambda v: (v >> 2) + (v >> 3)),
    "mean without halving": ("carry_mean", lambda a, b: arith.leak(a + b)),
    "relu missing": ("carry_relu", lambda a, b: arith.leak(a + b)),
    "sum rectified": ("carry_sum", lambda a, b: arith.leak(max(a + b, 0))),
    "sum halved": ("carry_sum", lambda a, b: arith.leak((a + b) >> 1)),
    "hard reset": ("carry_reset", lambda b, level, k: arith.leak(0 if level else b)),
    "reset by one threshold": ("carry_reset", lambda b, level, k: arith.leak(b - (min(level, 1) << k))),
    "reset after the leak": ("carry_reset", lambda b, level, k: arith.leak(b) - (level << k)),
    "first threshold of levels not strict": ("fire_level", lambda v, k: min(max(v >> k, 0), 3)),
    "fourth level": ("fire_level", lambda v, k: min(max((v - 1) >> k, 0), 4)),
    "levels where spikes are": ("fired", lambda v, levels, k: arith.fire_level(v, k)),
    "omega arguments swapped": ("omega_addresses", lambda a, b, k: ((a + b) % (16 << k), (b - a) % (16 << k))),
    "omega period halved": ("omega_addresses", lambda a, b, k: ((a + b) % (8 << k), (a - b) % (8 << k))),
    "level not normalised": ("condense_level", lambda count, cover: count),
    "planes least significant first": ("combine_plane", lambda acc, total: acc + 2 * total),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    function, wrong = MUTATIONS[name]
    mutant = types.SimpleNamespace(**{key: getattr(arith, key) for key in dir(arith) if not key.startswith("_")})
    setattr(mutant, function, wrong)
    assert function in disagreements(mutant)
