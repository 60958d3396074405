"""What a core can run: refusals that name the layer, the limit and what to do."""

import numpy as np

from ..contract.arith import TOP_LEVEL
from ..contract.config import PIXEL_BITS, SCORE_BITS
from ..contract.isa import Carry, Layer, Windows, pack
from ..errors import LimitError
from .layout import chain_side, kept_potentials, parameter_entries, scan_side


def _refuse(where, what, value, limit, config, advice):
    raise LimitError(f"{where}: {what} {value} is beyond the limit of {limit} of {config.name}; {advice}")


def check_network(spec, config):
    """Limits that follow from the description alone."""
    geometry = spec.geometry()
    if spec.weight_bits > config.weight_bits:
        _refuse("network", "weight_bits", spec.weight_bits, config.weight_bits, config, "train with fewer bits")
    if spec.k != config.k:
        raise LimitError(
            f"network: trained for k = {spec.k}, {config.name} has k = {config.k}; train or build for the other"
        )
    if spec.input_shape[0] > 2**PIXEL_BITS - 1:
        _refuse(
            "image", "channels after patching", spec.input_shape[0], 2**PIXEL_BITS - 1, config, "use a smaller patch"
        )
    if spec.input_shape[1] % 2:
        raise LimitError(f"image: its side of {spec.input_shape[1]} pixels after patching must be even; pad the image")
    if len(geometry) + 1 > config.layers:
        _refuse(
            "network", "number of layers with classifier", len(geometry) + 1, config.layers, config, "use fewer layers"
        )
    entries = sum(parameter_entries(count, config) for count in (*(e.channels for e in spec.layers), spec.classes))
    if entries > config.channels:
        _refuse("network", "number of channels and classes", entries, config.channels, config, "use fewer channels")
    tables = sum(layer.carry is Carry.OMEGA for layer in spec.layers)
    if tables > config.tables:
        _refuse("network", "number of Omega layers", tables, config.tables, config, "use another carry in some")
    following = [layer for layer, *_ in geometry[1:]] + [None]
    for (layer, _, _, side, _), after in zip(geometry, following, strict=True):
        where = f"layer {layer.name!r}"
        if layer.levels > TOP_LEVEL:
            _refuse(where, "levels", layer.levels, TOP_LEVEL, config, "train it with spikes or levels 0 to 3")
        if layer.windows is Windows.D and side**2 > config.condense_words:
            _refuse(where, "dilated map of pixels", side**2, config.condense_words, config, "use windows N there")
        walked = max(chain_side(layer, side), scan_side(layer, side, config)) ** 2
        if walked > config.positions:
            _refuse(where, "positions of a window", walked, config.positions, config, "use a smaller map")
        kept = kept_potentials(layer, side, config)
        if after is not None and after.carry.takes_previous and kept > config.potential_words:
            _refuse(
                where,
                "words of kept potentials",
                kept,
                config.potential_words,
                config,
                "use fewer channels or windows N",
            )


def check_descriptors(layers, names):
    """Every field fits its descriptor."""
    for name, layer in zip(names, layers, strict=True):
        try:
            pack(Layer, **layer)
        except ValueError as error:
            raise LimitError(f"layer {name!r}: {error}; use fewer channels or a smaller map") from None


def check_weights(count, config):
    """The weight memory holds them all."""
    if count > config.blocks:
        _refuse("network", "number of weight blocks", count, config.blocks, config, "use fewer channels or layers")


def accumulator_bits(weights, top):
    """Signed bits that every partial sum of rows ``weights`` (o, c) times levels 0..``top`` fits.

    Sums are bounded by the positive and the negative weights apart. Bit planes arrive most significant
    first, so what has been summed after some planes is a level shifted down: the bound covers it.
    """
    weights = weights.astype(np.int64)
    high = int(np.maximum(weights, 0).sum(1).max(initial=0)) * top
    low = int(np.minimum(weights, 0).sum(1).min(initial=0)) * top
    return max(high.bit_length(), (-low - 1).bit_length() if low else 0) + 1


def check_accumulator(name, bits, config):
    """The accumulators of a layer fit."""
    if bits > config.acc_bits:
        _refuse(
            f"layer {name!r}", "accumulator width in bits", bits, config.acc_bits, config, "use fewer inputs or bits"
        )


def check_score(weights, bias, top, positions):
    """Class scores fit their stream word."""
    worst = int((np.abs(weights.astype(np.int64)).sum(1) * top * positions + np.abs(bias)).max())
    if worst >= 2 ** (SCORE_BITS - 1):
        raise LimitError(f"classifier: scores reach {worst}, a score has {SCORE_BITS} bits; use a smaller last map")
