"""The trainable network: its pieces against the integer definition, gradients, export."""

import dataclasses

import numpy as np
import pytest
import torch

from onespike.contract import arith
from onespike.contract.isa import Carry, Condense, Padding, Windows
from onespike.errors import ModelError
from onespike.model import neuron
from onespike.model.integer import IntegerNetwork
from onespike.model.network import SpikingNetwork, quantise
from onespike.model.surrogate import SURROGATES, fire, surrogate_gradient
from onespike.network import LayerSpec, NetworkSpec

K = 5
UNIT = 2 ** (K + 1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def grid(rng, *shape):
    return torch.from_numpy(rng.integers(-2000, 2000, shape))


def test_float_arithmetic_is_the_integer_one(rng):
    """Element by element on the grid: leak, Omega, mean, relu, threshold."""
    a, b = grid(rng, 500), grid(rng, 500)
    ia, ib = a.numpy(), b.numpy()
    fa, fb = a.double() / UNIT, b.double() / UNIT
    gain = torch.tensor(0.7, dtype=torch.float64)

    def integers(x):
        return (x * UNIT).numpy()

    assert np.array_equal(integers(neuron.leak(fb, K)), arith.leak(ib))
    fired = fire(fb, 1 / UNIT, SURROGATES["triangle"])
    for kind, expected in (
        (Carry.SUM, arith.carry_sum(ia, ib)),
        (Carry.RESET, arith.carry_reset(ib, np.asarray(arith.fire(ib, K), np.int64), K)),
        (Carry.LEAK, arith.leak(ib)),
        (Carry.MEAN, arith.carry_mean(ia, ib)),
        (Carry.RELU, arith.carry_relu(ia, ib)),
    ):
        assert np.array_equal(
            integers(neuron.carry_over(LayerSpec("x", 1, carry=kind), fa, fb, fired, gain, K)), expected
        )
    table = arith.omega_table(K, 0.7)
    plus, minus = arith.omega_addresses(ia, ib, K)
    assert np.array_equal(integers(neuron.omega(fa, fb, gain, K)), table[plus] + table[minus])
    rounded = neuron.on_grid(fa + 0.3 / UNIT, K)
    assert np.array_equal(integers(rounded), ia)
    assert np.array_equal(fire(fa, 1 / UNIT, SURROGATES["triangle"]).numpy() > 0, arith.fire(ia, K))


def test_windows_and_condense(rng):
    for windows, side in ((Windows.N, 8), (Windows.D, 8), (Windows.D, 4)):
        maps = torch.from_numpy(rng.integers(0, 2, (2, 3, side, side))).float()
        parts = neuron.split(maps, windows)
        cover = neuron.cover(windows, side, maps)
        assert torch.equal(neuron.join(parts, windows, side), maps * cover)
        spec = LayerSpec("x", 3, windows=windows)
        assert torch.equal(neuron.condense(parts, spec, side), maps)
        if windows is Windows.D:
            assert cover[0, 0] == 1 and cover[0, side // 2] == 2 and cover[side // 2, side // 2] == 4
            msp = dataclasses.replace(spec, condense=Condense.MSP)
            assert torch.equal(neuron.condense(parts, msp, side), maps * 4)


def test_or_has_the_gradient_of_the_mean():
    parts = [torch.ones(1, 1, 3, 3, requires_grad=True) for _ in range(4)]
    neuron.condense(parts, LayerSpec("x", 1, windows=Windows.D), 4).sum().backward()
    assert parts[0].grad[0, 0].tolist() == [[1, 0.5, 0.5], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates(name):
    x = torch.tensor([-2.0, -0.4, -1e-3, 1e-3, 0.4, 2.0])
    got = SURROGATES[name](x)
    expected = {
        "rectangle": [0, 1, 1, 1, 1, 0],
        "triangle": [0, 0.6, 0.999, 0.999, 0.6, 0],
        # alpha = 4, beta = 1, in units of the threshold 0.5
        "s3nn": [
            2 * 4 * np.exp(-16) / (1 + np.exp(-16)) ** 2,
            2 * 4 * np.exp(-3.2) / (1 + np.exp(-3.2)) ** 2,
            2 * 4 * np.exp(-0.008) / (1 + np.exp(-0.008)) ** 2,
            2 / 1.002,
            2 / 1.8,
            2 / 5,
        ],
    }[name]
    assert np.allclose(got, expected, rtol=1e-5)
    # The bfloat16 table holds the same values, in whatever memory order.
    v = torch.randn(2, 3, 4, 5).bfloat16().to(memory_format=torch.channels_last)
    assert torch.equal(surrogate_gradient(v, SURROGATES[name]), SURROGATES[name](v.float() - 0.5).bfloat16())


def test_quantised_weights(rng):
    w = torch.tensor([-10.0, -0.74, 0.2, 0.26, 3.4, 9.0], requires_grad=True)
    out = quantise(w, 4, 0.5)
    assert out.tolist() == [-7, -1, 0, 1, 7, 7]
    out.sum().backward()
    assert w.grad.tolist() == [0, 2, 2, 2, 2, 0]


def networks():
    """Specs that together use every window mode, padding, carry and condense."""
    for windows in (Windows.N, Windows.D):
        for padding in Padding:
            for carry in (Carry.NONE, Carry.LEAK, Carry.OMEGA, Carry.MEAN, Carry.RELU):
                for condense in Condense if windows is Windows.D else [Condense.OR]:
                    common = {"windows": windows, "padding": padding}
                    layers = (
                        LayerSpec("a", 6),
                        LayerSpec("b", 8, stride=2, **common),
                        LayerSpec("c", 8, carry=carry, condense=condense, shortcut="a", **common),
                    )
                    yield NetworkSpec("n", (3, 16, 16), 4, layers)


@pytest.mark.parametrize(
    "spec",
    list(networks()),
    ids=lambda s: "-".join(
        str(v).split(".")[-1]
        for v in (s.layers[2].windows.name, s.layers[2].padding.name, s.layers[2].carry.name, s.layers[2].condense.name)
    ),
)
def test_float_and_integer_networks_decide_alike(spec):
    """In evaluation mode the two differ only by the rounding of folded BatchNorm."""
    net = SpikingNetwork(spec, "s3nn")
    for layer in net.layers:
        if layer.gain is not None:
            layer.gain.data.fill_(0.8)
    pixels = torch.randint(0, 256, (64, 3, 16, 16))
    loss = net(pixels.float()).square().mean()
    loss.backward()
    for layer in net.layers:
        assert layer.weight.grad.abs().sum() > 0 and (layer.gain is None or layer.gain.grad.abs() > 0)
    net.train()
    for _ in range(30):
        net(pixels.float())
    net.eval()
    model = net.export()
    exact = IntegerNetwork(model)(pixels.to(torch.uint8))
    with torch.no_grad():
        logits = net(pixels.float())
    scale = net.classifier.log_temperature.detach().exp()
    distance = (exact * scale - logits).abs().mean() / logits.std()
    assert distance < 0.3
    assert (exact.argmax(1) == logits.argmax(1)).float().mean() > 0.85


def test_carries_can_be_switched_off():
    spec = next(s for s in networks() if s.layers[2].carry is Carry.OMEGA)
    net = SpikingNetwork(spec)
    pixels = torch.randint(0, 256, (4, 3, 16, 16)).float()
    net.eval()
    for layer in net.layers:
        if layer.gain is not None:
            layer.gain.data.fill_(0.0)
    still = net(pixels)
    for layer in net.layers:
        if layer.gain is not None:
            layer.gain.data.fill_(2.0)
    assert not torch.equal(net(pixels), still)
    net.set_carrying(False)
    assert torch.equal(net(pixels), still)
    assert not net.export().layers[2].table.any()


def test_export_refuses_nan():
    net = SpikingNetwork(next(networks()))
    net.layers[1].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="layer 'b': weight holds NaN"):
        net.export()
    net = SpikingNetwork(next(networks()))
    net.classifier.bias.data[0] = float("inf")
    with pytest.raises(ModelError, match="classifier: bias holds NaN"):
        net.export()
