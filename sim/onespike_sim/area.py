"""How large a core will be, estimated from its sizes without synthesis.

Block memories and DSP blocks follow from the sizes alone. LUTs and flip-flops of a unit are a sum of terms
that grow as its parts do (bits of tables, of accumulators, of spike words); the factors come from cores that
were synthesised, by ``python -m onespike_sim explore --calibrate``, and lie in ``area.json``.
"""

import json
import os
from pathlib import Path

import numpy as np

from onespike.contract.config import BANKS, PARAMETER_BITS, POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import LAYER_WORDS, WORD_BITS
from onespike_hw.engine.condense import COUNT_BITS

FACTORS = Path(__file__).with_name("area.json")
RESOURCES = ("lut", "ff", "lutram")
"""What is estimated with factors; ``lutram`` here includes shift registers."""
_HALF_BLOCKS = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
"""Width and depth of half a block memory of the 7 series (RAMB18E1 with separate ports)."""
_TABLE_PORT = 6
"""Bits of a 32-deep LUT memory with a read port of its own: four LUTs (RAM32M)."""


def _ceil(a, b):
    return -(-a // b)


def terms(config):
    """Unit -> numbers that its size is made of; the first is 1."""
    tables = 4 * WINDOWS * config.groups * _ceil(config.outputs * config.table_sum_bits, _TABLE_PORT)
    engines = config.groups * config.outputs * config.table_sum_bits
    sums = WINDOWS * config.outputs * config.sum_bits
    array = {
        "tree": [1, sums, sums * config.lanes, config.outputs * config.lanes * config.weight_bits],
        "da": [1, tables, engines, sums * config.groups],
        "da-simd": [1, tables, engines, config.links * config.lanes * WINDOWS],
    }[config.array]
    results = WINDOWS * config.outputs * config.acc_bits
    lanes = config.neurons * config.acc_bits
    return {
        f"array.{config.array}": array,
        "accumulators": [1, results],
        "classifier": [1, lanes],
        "condense": [1, config.word],
        "core": [1],
        "drain": [1, config.outputs * config.acc_bits, lanes],
        "encoder": [1, config.word],
        "loader": [1, config.weight_word_bits],
        "neuron": [1, config.neurons],
        "queue": [1, config.in_flight],
        "registers": [1],
        "sequencer": [1],
        "spikes": [1, config.word],
        # A depth that is no power of two is put together from such blocks, whose outputs are multiplexed.
        "weights": [1, config.weight_word_bits * (_ceil(config.weight_words, 512).bit_count() - 1)],
        "windows": [1],
    }


def _half_blocks(width, depth):
    return min(_ceil(width, bits) * _ceil(depth, rows) for bits, rows in _HALF_BLOCKS)


def block_memories(config):
    """Blocks of 36 Kbit."""
    halves = _half_blocks(config.weight_word_bits, config.weight_words)
    halves += BANKS * _half_blocks(WINDOWS * config.word, _ceil(config.spike_words, BANKS))
    kept = config.neurons * (WINDOWS - 1) * POTENTIAL_BITS
    halves += _half_blocks(kept, config.potential_words)
    halves += _half_blocks(config.neurons * 2 * PARAMETER_BITS, _ceil(config.channels, config.neurons))
    halves += config.neurons * (WINDOWS - 1) * _half_blocks(config.table_bits, config.tables * config.table_words)
    halves += _half_blocks(COUNT_BITS * config.word, 2 * config.condense_words)
    return (halves + _half_blocks(WORD_BITS, LAYER_WORDS * config.layers)) / 2


def dsp_blocks(config):
    """A chain per output, and a multiplier per window and lane of the neurons."""
    chains = config.outputs * config.links if config.array == "da-simd" else 0
    return chains + WINDOWS * config.neurons


def estimate(config, factors):
    """Estimated cells of a core: dictionary as of ``synth.Counts``, without ``carry``."""
    sizes = terms(config)
    total = {
        resource: round(sum(float(np.dot(factors[unit][resource], values)) for unit, values in sizes.items()))
        for resource in RESOURCES
    }
    return total | {"bram": block_memories(config), "dsp": dsp_blocks(config)}


def load():
    """The committed factors: unit -> resource -> one factor per term."""
    return json.loads(FACTORS.read_text())


def _cells(counts):
    return {"lut": counts.lut, "ff": counts.ff, "lutram": counts.lutram + counts.srl}


def calibrate(samples):
    """Factors by least squares from ``samples``, pairs of a configuration and its ``synth.Resources``."""
    points = {}
    for config, resources in samples:
        modules = {name: _cells(counts) for name, counts in resources.modules.items()}
        inside = [cells for name, cells in modules.items() if name.count(".") == 1]
        modules["core.core"] = {name: modules["core"][name] - sum(c[name] for c in inside) for name in RESOURCES}
        for unit, values in terms(config).items():
            points.setdefault(unit, []).append((values, modules[f"core.{unit.split('.')[0]}"]))
    factors = {}
    for unit, measured in sorted(points.items()):
        matrix = np.array([values for values, _ in measured], float)
        factors[unit] = {}
        for resource in RESOURCES:
            target = np.array([cells[resource] for _, cells in measured], float)
            # Relative errors count: a small core matters as much as a large one.
            weight = 1 / np.maximum(target, 1)
            solution = np.linalg.lstsq(matrix * weight[:, None], target * weight, rcond=None)[0]
            factors[unit][resource] = [round(float(v), 5) for v in solution]
    return factors


def save(factors):
    """Replace the committed factors."""
    temporary = FACTORS.with_suffix(".tmp")
    temporary.write_text(json.dumps(factors, indent=1, sort_keys=True) + "\n")
    os.replace(temporary, FACTORS)
