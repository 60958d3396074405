"""A chain of PyTorch modules with snnTorch's neurons as a plain network."""

import numpy as np
from torch import nn

from ..errors import ExchangeError
from .build import Builder, Map, refuse


def from_modules(network, shape, *, white=1.0, name="imported", **settings):
    """``PlainNetwork`` of a ``Sequential`` (or its list of (name, module)), for images ``shape`` (C, H, W).

    Knows Conv2d, BatchNorm2d as it is in evaluation, ``snntorch.Leaky``, AvgPool2d, AdaptiveAvgPool2d(1), Flatten,
    Linear, Identity and Dropout. ``white``: what the network takes for a pixel of 255. ``settings``: see ``Builder.finish``.
    Raises ``ExchangeError`` naming the module that the core cannot run.
    """
    builder = Builder(shape, white)
    value = builder.image
    parts = network.named_children() if isinstance(network, nn.Module) else network
    for part, module in parts:
        value = _module(builder, part, module, value)
    return builder.finish(value, name=name, **settings)


def _module(builder, name, module, value):
    if isinstance(module, (nn.Identity, nn.Dropout, nn.Dropout2d)):
        return value
    if isinstance(module, nn.Conv2d):
        return _convolution(builder, name, module, value)
    if isinstance(module, nn.BatchNorm2d):
        return builder.scale(name, value, *_norm(module))
    if isinstance(module, nn.AdaptiveAvgPool2d) and isinstance(value, Map):
        if module.output_size not in (1, (1, 1)):
            refuse(name, "the classifier counts spikes over the whole map; pool it to one pixel")
        return builder.pool(name, value, value.side, value.side, 0, average=True)
    if isinstance(module, nn.AvgPool2d):
        sizes = (_square(name, size) for size in (module.kernel_size, module.stride, module.padding))
        return builder.pool(name, value, *sizes, average=True)
    if isinstance(module, nn.Flatten):
        return builder.flatten(name, value)
    if isinstance(module, nn.Linear):
        return builder.linear(name, value, _array(module.weight), _bias(module, module.out_features))
    if isinstance(module, _leaky()):
        if module.inhibition or float(module.graded_spikes_factor) != 1:
            refuse(name, "inhibition and graded spikes are not supported: a neuron of the core fires 0 or 1 by itself")
        return builder.fire(name, value, 1.0, _array(module.threshold))
    return refuse(name, f"the core has nothing for a {type(module).__name__}")


def _leaky():
    try:
        import snntorch
    except ImportError:
        raise ExchangeError("the package snntorch is missing; pip install snntorch") from None
    return snntorch.Leaky


def _convolution(builder, name, module, value):
    if module.padding_mode != "zeros" or _square(name, module.dilation) != 1 or isinstance(module.padding, str):
        refuse(name, "padding must be zeros, given as a number, and the kernel not dilated")
    stride, padding = _square(name, module.stride), _square(name, module.padding)
    return builder.convolution(name, value, _array(module.weight), _bias(module, module.out_channels), stride, padding)


def _norm(module):
    """(gain, offset) of a BatchNorm in evaluation."""
    if module.running_var is None:
        raise ExchangeError("BatchNorm without running statistics cannot be folded; train it with them")
    mean, variance = _array(module.running_mean), _array(module.running_var)
    gain = 1 / np.sqrt(variance + module.eps)
    if not module.affine:
        return gain, -mean * gain
    gain = gain * _array(module.weight)
    return gain, _array(module.bias) - mean * gain


def _bias(module, count):
    return np.zeros(count) if module.bias is None else _array(module.bias)


def _array(tensor):
    return tensor.detach().double().cpu().numpy()


def _square(name, value):
    """The one number of a size that may be given for both directions."""
    sizes = {value} if isinstance(value, int) else set(value)
    if len(sizes) != 1:
        refuse(name, f"{value} is not the same in both directions")
    return sizes.pop()
