"""The paper-A neuron in PyTorch, float with the integer roundings (real units, threshold 0.5).

Windows are given in the order TL, TR, BL, BR. A potential map split into windows is a list of four
tensors (batch, channels, side, side).
"""

import math

import torch

from ..contract.isa import Carry, Condense, Windows
from . import surrogate as sg


def window_frame(windows, side):
    """(window side, offset between windows) of a map of ``side`` pixels (paper A, section 3.1)."""
    if windows is Windows.D:
        return 3 * side // 4, side // 4
    return side // 2, side // 2


def _corners(windows, side):
    """Rows and columns of the four windows of a map of ``side`` pixels."""
    size, offset = window_frame(windows, side)
    return [(..., slice(y, y + size), slice(z, z + size)) for y in (0, offset) for z in (0, offset)]


class _Split(torch.autograd.Function):
    """Windows of maps; autograd's own gradient of a view would fill a whole map of zeros for each of them."""

    @staticmethod
    def forward(ctx, x, windows):
        ctx.windows, ctx.side = windows, x.shape[-1]
        return tuple(x[corner] for corner in _corners(windows, ctx.side))

    @staticmethod
    def backward(ctx, *grads):
        return _sum_at_places(grads, ctx.windows, ctx.side), None


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx, windows, side, *parts):
        ctx.windows = windows
        return _sum_at_places(parts, windows, side)

    @staticmethod
    def backward(ctx, grad):
        return None, None, *(grad[corner] for corner in _corners(ctx.windows, grad.shape[-1]))


def _sum_at_places(parts, windows, side):
    # In the convolutions' memory order: they and BatchNorm are several times slower on a mixture of orders.
    shape = (*parts[0].shape[:-2], side, side)
    order = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    total = torch.empty(shape, dtype=parts[0].dtype, device=parts[0].device, memory_format=order)
    if windows is not Windows.N:  # its windows cover the map, and do not overlap
        total.zero_()
    for part, corner in zip(parts, _corners(windows, side), strict=True):
        if windows is Windows.N:
            total[corner] = part
        else:
            total[corner] += part
    return total


def split(x, windows):
    """The four windows of maps ``x`` (..., side, side), each a view."""
    return list(_Split.apply(x, windows))


def join(parts, windows, side):
    """Maps (..., side, side): the sum of the four windows at their places."""
    return _Join.apply(windows, side, *parts)


def cover(windows, side, like):
    """How many windows lie over each pixel: (side, side)."""
    size, _ = window_frame(windows, side)
    return join([torch.ones(size, size, dtype=like.dtype, device=like.device) for _ in range(4)], windows, side)


class _Exact(torch.autograd.Function):
    """An exact function forwards, a line of ``slope`` backwards: one pass less over memory for every step of it."""

    @staticmethod
    def forward(ctx, v, function, slope):
        ctx.slope = slope
        return function(v)

    @staticmethod
    def backward(ctx, grad):
        return grad if ctx.slope == 1 else grad * ctx.slope, None, None


def on_grid(v, k):
    """``v`` rounded half up to the integer grid 1 / 2**(k+1), gradient passed straight through."""
    scale = 2 ** (k + 1)
    return _Exact.apply(v, lambda v: (v * scale).add_(0.5).floor_().div_(scale), 1)


def leak(v, k):
    """Integer leak (v>>2) + (v>>3) + (v>>5) of a potential on the grid."""
    scale = 2 ** (k + 1)

    def shifts(v):
        total = (v * (scale / 4)).floor_()
        total += (v * (scale / 8)).floor_()
        total += (v * (scale / 32)).floor_()
        return total.div_(scale)

    return _Exact.apply(v, shifts, 0.40625)


class _Omega(torch.autograd.Function):
    """S(a+b) + S(a-b) by index: no sine of a potential is computed, and the sums are those of the core.

    ``table`` holds S before rounding, float64 (16 TH,); ``slope`` its derivative. ``a`` and ``b`` lie on the grid.
    """

    @staticmethod
    def forward(ctx, a, b, table, slope, k):
        unit = 2 ** (k + 1)
        x, y = (a * unit).int(), (b * unit).int()
        plus, minus = ((x + y).bitwise_and_(len(table) - 1), (x - y).bitwise_and_(len(table) - 1))
        ctx.save_for_backward(plus, minus, slope.to(a.dtype))
        values = on_grid(table, k).to(a.dtype)
        return sg.lookup(plus, values) + sg.lookup(minus, values)

    @staticmethod
    def backward(ctx, grad):
        plus, minus, slope = ctx.saved_tensors
        upper, lower = grad * sg.lookup(plus, slope), grad * sg.lookup(minus, slope)
        table = None
        if ctx.needs_input_grad[2]:
            table = torch.zeros(len(slope), device=grad.device)
            for index in (plus, minus):
                at, what = (sg.memory_order(x, grad).reshape(-1) for x in (index, grad))
                table.index_add_(0, at, what.float())
            table = table.double()
        return upper + lower, upper - lower, table, None, None


def _positions(k, device):
    """Potentials -4 <= x < 4 that the entries of a table stand for, float64 (16 TH,), in the order of their indices."""
    x = torch.arange(2 ** (k + 4), device=device).double() / 2 ** (k + 1)
    return x - 8 * torch.floor(x / 8 + 0.5)


def sine_table(gain, k, theta=0.5):
    """(S, dS/dx) with S = 0.4 gain sin(pi theta x / 2), half of Eq. 5 (P3); float64 (16 TH,)."""
    turn = math.pi / 2 * theta
    angle = turn * _positions(k, gain.device)
    gain = gain.double()
    return 0.4 * gain * torch.sin(angle), 0.4 * gain * turn * torch.cos(angle)


def series_table(series, k):
    """(S, dS/dx) of a learnt table: ``series`` (2, n) amplitudes of sines and cosines of n harmonics of period 8.

    A table of 16 TH entries is one period, so a learnt table is a learnt series: smooth where its upper
    harmonics are small.
    """
    turns = math.pi / 4 * torch.arange(1, series.shape[1] + 1, device=series.device).double()
    angles = turns * _positions(k, series.device)[:, None]
    sines, cosines = series.double()
    values = torch.sin(angles) @ sines + torch.cos(angles) @ cosines
    return values, torch.cos(angles) @ (turns * sines) - torch.sin(angles) @ (turns * cosines)


def omega(a, b, table, slope, k):
    """S(a+b) + S(a-b), rounded: 0.4 gain * 2 sin(pi theta a / 2) cos(pi theta b / 2) of a sine table (Eq. 5, P3)."""
    return _Omega.apply(a, b, table, slope.detach(), k)


def omega_inside(a, b, gain, k):
    """0.8 gain * sin(pi a / 4 * cos(pi b / 4)): the form of paper A's published code. No one-dimensional table holds it."""
    return on_grid(0.8 * gain * torch.sin(math.pi / 4 * a * torch.cos(math.pi / 4 * b)), k)


def roughness(series):
    """Mean square of the second derivative of ``series_table``, in units of (pi / 4)**4 / 2."""
    order = torch.arange(1, series.shape[1] + 1, device=series.device)
    return (series**2 * order**4).sum()


def carry_over(spec, a, b, fired, shape, k):
    """Carry into the next window from ``b``, this layer's potential, and ``a``, the layer before's.

    ``fired``: the spikes or levels of ``b``; ``shape`` of an Omega carry: its table, (S, dS/dx), or the gain of the
    form that has none.
    """
    kind = spec.carry
    if kind is Carry.OMEGA:
        return omega_inside(a, b, shape, k) if spec.table == "inside" else omega(a, b, *shape, k)
    if kind is Carry.MEAN:
        i = (a + b) * 2**k
        return leak(sg.straight_through(torch.floor(i) / 2 ** (k + 1), (a + b) / 2), k)
    if kind is Carry.RELU:
        return leak((a + b).clamp(min=0), k)
    if kind is Carry.SUM:
        return leak(a + b, k)
    if kind is Carry.RESET:
        return leak(b - sg.THRESHOLD * fired.detach(), k)
    return leak(b, k)


def chain(u, previous, spec, shape, k, fire, pairs=False):
    """Potentials and spikes of the windows in their order; no reset at one time step.

    ``u``: currents of four windows, or of fewer where the others repeat them; ``previous``: potentials of the layer
    before, or None; ``shape``: the learnt gain or series of an Omega carry; ``fire`` maps a potential to spikes;
    ``pairs``: the third window begins a chain of its own.
    Returns (potentials, spike maps), lists as long as ``u``.
    """
    if spec.carry is Carry.NONE:
        return u, [fire(v) for v in u]
    if spec.carry is Carry.OMEGA and spec.table != "inside":
        shape = sine_table(shape, k, spec.theta) if spec.table == "sine" else series_table(shape, k)
    potentials, spikes = [], []
    for index, current in enumerate(u):
        v = on_grid(current, k)
        if index and not (pairs and index == 2):
            a = on_grid(previous[index - 1], k) if spec.carry.takes_previous else None
            v = v + carry_over(spec, a, potentials[-1], spikes[-1], shape, k)
        potentials.append(v)
        spikes.append(fire(v))
    return potentials, spikes


def condense(spikes, spec, side):
    """One map from four windows: OR, or the MSp level 0..4 (A3, P5)."""
    if spec.windows is Windows.N:
        return join(spikes, Windows.N, side)
    total = join(spikes, spec.windows, side)
    over = cover(spec.windows, side, total)
    if spec.condense is Condense.MSP:
        return total * (4 / over)
    return sg.condense_or(total, over)
