"""A small executor of NIR graphs for one time step, in float32: separate from the importer that it checks."""

from graphlib import TopologicalSorter

import nir
import torch
import torch.nn.functional as F

DT = 1e-4


def execute(graph, pixels):
    """Node name -> values of its output, arrays with a batch in front, for ``pixels`` (n, C, H, W)."""
    before = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    values = {}
    for name in TopologicalSorter(before).static_order():
        node = graph.nodes[name]
        x = torch.from_numpy(pixels).float() if isinstance(node, nir.Input) else sum(values[a] for a in before[name])
        values[name] = _apply(node, x)
    return {name: value.numpy() for name, value in values.items()}


def _apply(node, x):
    def tensor(array):
        return torch.from_numpy(array).float()

    match node:
        case nir.Conv2d():
            stride, padding = (tuple(int(v) for v in pair) for pair in (node.stride, node.padding))
            return F.conv2d(x, tensor(node.weight), tensor(node.bias), stride, padding)
        case nir.AvgPool2d():
            return F.avg_pool2d(x, tuple(int(v) for v in node.kernel_size))
        case nir.Flatten():
            return x.flatten(1)
        case nir.Affine():
            return F.linear(x, tensor(node.weight), tensor(node.bias))
        case nir.IF():
            return (tensor(node.r) * x > tensor(node.v_threshold)).float()
        case nir.LIF():
            return (tensor(node.r) * x * DT / tensor(node.tau) > tensor(node.v_threshold)).float()
    return x  # input and output
