"""A NIR graph as a plain network: one chain of Conv2d and spiking nodes, pooling and a linear classifier.

Spiking nodes are taken for one time step of length ``dt`` from rest, forward Euler, as snnTorch and NIR's own
examples discretise them; leak and reset then never show.
"""

import json
from graphlib import CycleError, TopologicalSorter

import numpy as np

from ..errors import ExchangeError
from .build import Builder, refuse
from .nir_export import DT, METADATA
from .nir_file import package


def nir_import(graph, *, white=None, dt=DT, name=None):
    """``PlainNetwork`` of a ``nir.NIRGraph``.

    ``white``: what the graph takes for a pixel of 255 (default: what an export noted, else 1.0).
    Raises ``ExchangeError`` naming the node that the core cannot run.
    """
    nir = package()
    about = _about(graph)
    inputs, outputs = (_only(graph, kind) for kind in (nir.Input, nir.Output))
    before: dict = {node: [] for node in graph.nodes}
    for origin, target in graph.edges:
        before[target].append(origin)
    noted = about.pop("white", 1.0)
    builder = Builder(graph.input_type[inputs], noted if white is None else white)
    values: dict = {inputs: builder.image}
    for part in _order(before):
        if part == inputs:
            continue
        value = builder.add(part, [values[origin] for origin in before[part]])
        values[part] = value if part == outputs else _node(nir, builder, part, graph.nodes[part], value, dt)
    about["name"] = name or about.get("name", "imported")
    return builder.finish(values[outputs], **about)


def _about(graph):
    """What an export noted of the network; empty for graphs from elsewhere."""
    known = {"name": str, "white": (int, float), "patch": int, "k": int, "weight_bits": int, "labels": list}
    try:
        about = json.loads(graph.metadata.get(METADATA, "{}"))
        if not all(isinstance(about[key], known[key]) for key in about):
            raise ValueError("a value of the wrong kind")
    except (ValueError, KeyError, TypeError) as error:
        raise ExchangeError(f"the graph's metadata {METADATA!r} is damaged ({error}); export it again") from error
    return about


def _only(graph, kind):
    names = [name for name, node in graph.nodes.items() if isinstance(node, kind)]
    if len(names) != 1:
        raise ExchangeError(f"the graph has {len(names)} {kind.__name__} nodes; the core runs graphs with one")
    return names[0]


def _order(before):
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        refuse(error.args[1][0], "it feeds back into itself; the core runs networks of one time step, without recurrence")


def _node(nir, builder, name, node, value, dt):
    """Value of one node."""
    if isinstance(node, nir.Conv2d):
        if _square(name, node.dilation) != 1:
            refuse(name, "dilated kernels are not supported; use a kernel of 3 or of 1")
        padding = {"same": node.weight.shape[-1] // 2, "valid": 0}.get(str(node.padding))
        padding = _square(name, node.padding) if padding is None else padding
        return builder.convolution(name, value, node.weight, node.bias, _square(name, node.stride), padding)
    if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
        sizes = (_square(name, size) for size in (node.kernel_size, node.stride, node.padding))
        return builder.pool(name, value, *sizes, average=isinstance(node, nir.AvgPool2d))
    if isinstance(node, nir.Flatten):
        return builder.flatten(name, value)
    if isinstance(node, (nir.Linear, nir.Affine)):
        bias = node.bias if isinstance(node, nir.Affine) else np.zeros(len(node.weight))
        return builder.linear(name, value, node.weight, bias)
    if isinstance(node, (nir.IF, nir.LIF, nir.CubaLIF, nir.Threshold)):
        threshold = node.threshold if isinstance(node, nir.Threshold) else node.v_threshold
        gain = _gain(nir, name, node, dt)
        return builder.fire(name, value, _by_channel(name, gain), _by_channel(name, threshold))
    return refuse(name, f"the core has no {type(node).__name__}; it runs Conv2d, IF, LIF, CubaLIF, Threshold, pooling, Linear")


def _gain(nir, name, node, dt):
    """What one time step from rest makes of a neuron's input."""
    if isinstance(node, nir.Threshold):
        return np.ones(1)
    if isinstance(node, nir.IF):
        # dv/dt = r i makes r * dt of a step. snnTorch counts in steps and writes 1, SpikingJelly 1 / dt: the same neuron.
        if not any(np.allclose(node.r, once) for once in (1.0, 1 / dt)):
            refuse(name, "its r is neither 1 nor 1/dt, so what one time step makes of its input is not known; scale the weights")
        return np.ones(1)
    if np.any(np.asarray(node.v_leak)):
        refuse(name, "a leak towards another potential than 0 is not supported; move it into the bias")
    if isinstance(node, nir.LIF):
        return np.asarray(node.r, np.float64) * dt / node.tau
    return np.asarray(node.w_in, np.float64) * dt / node.tau_syn * node.r * dt / node.tau_mem


def _by_channel(name, values):
    """One number or (outputs,) of a parameter that has one entry for every neuron (outputs, side, side)."""
    values = np.asarray(values, np.float64)
    if values.size == 1:
        return values.reshape(())
    rows = values.reshape(len(values), -1)
    if np.ptp(rows, axis=1).any():
        refuse(name, "its neurons differ within a channel; the core has one threshold per channel")
    return rows[:, 0]


def _square(name, value):
    """The one number of a size that may be given for both directions."""
    sizes = np.unique(np.asarray(value))
    if len(sizes) != 1:
        refuse(name, f"{tuple(np.asarray(value).tolist())} is not the same in both directions")
    return int(sizes[0])
