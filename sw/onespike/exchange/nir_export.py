"""A quantised network as a NIR graph whose spikes equal the integer network's, also in float32.

Every potential is a sum of 4-bit weights, without scale and shift: those are folded into one threshold per
channel, exactly (``thresholds``). As NIR's readers want one threshold for all neurons of a node, it moves into the
bias of the convolution, half an integer below it, and every neuron fires above 1.
"""

import json
from itertools import pairwise

import numpy as np

from ..contract.config import PIXEL_BITS
from ..contract.isa import Carry, Windows
from ..errors import ExchangeError
from .nir_file import package
from .quantise import level_rows
from .thresholds import thresholds

METADATA = "onespike"
"""Key of the graph's metadata: JSON with what NIR has no place for."""
THRESHOLD = 1.0
DT = 1e-4
"""Seconds of a time step in snnTorch's exchange; NIR itself has none."""
NEURONS = ("if", "lif")
"""Spiking nodes to choose from; at one time step from rest they are the same. snnTorch 1.0.0 runs ``lif`` only."""


def nir_export(model, neuron="if"):
    """``nir.NIRGraph`` of a ``QuantisedModel`` for patched pixels 0..255; its output are the class scores.

    ``neuron``: one of ``NEURONS``. Raises ``ExchangeError`` naming the layer that is not plain.
    """
    nir = package()
    spec = model.spec
    geometry = spec.geometry()
    nodes: dict = {"input": nir.Input({"input": np.array(spec.input_shape)})}
    edges, spikes = [], ["input"]
    for index, (layer, (entry, _, side, out, source)) in enumerate(zip(model.layers, geometry, strict=True)):
        _plain(spec, entry)
        name = entry.name.replace("/", "_")  # a slash is a folder in the file
        sign, t = thresholds(layer, spec.k, level_rows(layer.weight, layer.shortcut, first=index == 0))
        bias = THRESHOLD + 0.5 - t
        parts = {name: (layer.weight, bias, side, entry.stride, spikes[-1])}
        if source is not None:
            before = geometry[source][3]
            parts[f"{name}.shortcut"] = (layer.shortcut, 0 * bias, before, before // out, spikes[source + 1])
        spikes.append(f"{name}.spikes")
        for part, (weight, bias, side, stride, origin) in parts.items():
            _add(nodes, part, _convolution(nir, weight * sign[:, None, None, None], bias, side, stride))
            edges += [(origin, part), (part, spikes[-1])]
        _add(nodes, spikes[-1], _neurons(nir, neuron, (entry.channels, out, out)))
    tail = _classifier(nir, model, geometry[-1][3])
    for name, node in tail.items():
        _add(nodes, name, node)
    chain = [spikes[-1], *tail]
    edges += pairwise(chain)
    about = {"name": spec.name, "white": 2**PIXEL_BITS - 1, "patch": spec.patch, "k": spec.k, "labels": spec.labels}
    about["weight_bits"] = spec.weight_bits
    return nir.NIRGraph(nodes, edges, metadata={METADATA: json.dumps(about)})


def _plain(spec, entry):
    here = f"layer {entry.name!r}"
    if entry.windows is not Windows.NONE or entry.carry is not Carry.NONE or spec.steps > 1:
        raise ExchangeError(f"{here}: NIR has no windows and no carries; train the network with windows none")
    if entry.levels > 1:
        raise ExchangeError(f"{here}: NIR has spikes only, no levels; train the network with levels 1")


def _add(nodes, name, node):
    if name in nodes:
        raise ExchangeError(f"layer {name!r}: the graph has a node of that name already; rename the layer")
    nodes[name] = node


def _convolution(nir, weight, bias, side, stride):
    padding = weight.shape[-1] // 2
    return nir.Conv2d((side, side), weight.astype(np.float32), stride, padding, 1, 1, bias.astype(np.float32))


def _neurons(nir, kind, shape):
    ones = np.ones(shape, np.float32)
    if kind == "if":
        return nir.IF(r=ones, v_threshold=THRESHOLD * ones, v_reset=0 * ones)
    # tau dv/dt = r i - v from v = 0: one step of dt makes v = i, whatever tau is, if r = tau / dt.
    return nir.LIF(tau=2 * DT * ones, r=2 * ones, v_leak=0 * ones, v_threshold=THRESHOLD * ones, v_reset=0 * ones)


def _classifier(nir, model, side):
    """Nodes by name. The mean over the map, as not every framework reads a sum; the weights make up for it."""
    whole, none = np.array([side, side]), np.array([0, 0])
    channels = model.weight.shape[1]
    weight = (model.weight.astype(np.int64) * side**2).astype(np.float32)
    return {
        "pool": nir.AvgPool2d(whole, whole, none),
        # Counted from the end: some frameworks put a batch in front.
        "flatten": nir.Flatten({"input": np.array([channels, 1, 1])}, start_dim=-3, end_dim=-1),
        "classifier": nir.Affine(weight, model.bias.astype(np.float32)),
        "output": nir.Output({"output": np.array([len(model.bias)])}),
    }
