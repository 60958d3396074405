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
from onespike.model.surrogate import SURROGATES, fire, surrogate_gradient, surrogate_named
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
    assert np.array_equal(integers(neuron.omega(fa, fb, *neuron.sine_table(gain, K), K)), table[plus] + table[minus])
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
            for carry in (Carry.NONE, Carry.LEAK, Carry.OMEGA, Carry.MEAN, Carry.RELU, Carry.SUM):
                for condense in Condense if windows is Windows.D else [Condense.OR]:
                    common = {"windows": windows, "padding": padding}
                    layers = (
                        LayerSpec("a", 6),
                        LayerSpec("b", 8, stride=2, **common),
                        LayerSpec("c", 8, carry=carry, condense=condense, shortcut="a", **common),
                    )
                    yield NetworkSpec("n", (3, 16, 16), 4, layers)


def others():
    """Specs with levels, time steps, other tables, few bits."""
    plain = next(s for s in networks() if s.layers[2].carry is Carry.OMEGA)

    def variant(name, network=(), first=(), **settings):
        layers = [dataclasses.replace(layer, **dict(first)) for layer in plain.layers[:2]]
        layers.append(dataclasses.replace(plain.layers[2], **settings))
        spec = dataclasses.replace(plain, name=name, layers=tuple(layers), **dict(network))
        spec.check()
        return spec

    steps = {"windows": Windows.N, "padding": Padding.WINDOW, "carry": Carry.RESET}
    yield variant("levels", first={"levels": 3}, levels=3)
    yield variant("two steps", {"steps": 2}, {**steps, "levels": 3}, **steps, levels=3)
    yield variant("four steps", {"steps": 4}, steps, **steps)
    yield variant("chains of two windows", {"groups": 2})
    yield variant("learnt", table="learnt")
    yield variant("theta", theta=0.3)
    yield variant("8-bit ANN", {"weight_bits": 8}, {"levels": 255}, levels=255, carry=Carry.NONE)
    yield variant("binary weights", weight_bits=1)
    yield variant("one bit of input", {"encoding": "threshold"})


@pytest.mark.parametrize("spec", list(others()), ids=lambda spec: spec.name)
def test_other_networks_decide_alike(spec):
    test_float_and_integer_networks_decide_alike(spec)


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
        if layer.series is not None:
            layer.series.data[:, :3] = 0.2
    pixels = torch.from_numpy(spec.arrange(torch.randint(0, 256, (64, *spec.image)).to(torch.uint8).numpy())).int()
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


@pytest.mark.parametrize(("bits", "levels"), [(2, 1), (4, 1), (4, 3), (8, 1), (8, 255)])
def test_a_new_network_is_not_sure_of_anything(bits, levels):
    """Logits of a network as it is made are of the size of one, whatever its weights and levels count in."""
    layers = [LayerSpec(f"l{index}", 16, levels=levels) for index in range(3)]
    net = SpikingNetwork(NetworkSpec("n", (3, 16, 16), 4, tuple(layers), weight_bits=bits))
    logits = net(torch.randint(0, 256, (64, 3, 16, 16)).float())
    assert 0.05 < (logits - logits.mean(0)).std() < 2


def test_export_refuses_nan():
    net = SpikingNetwork(next(networks()))
    net.layers[1].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="layer 'b': weight holds NaN"):
        net.export()
    net = SpikingNetwork(next(networks()))
    net.classifier.bias.data[0] = float("inf")
    with pytest.raises(ModelError, match="classifier: bias holds NaN"):
        net.export()


def test_a_learnt_table_is_the_series():
    spec = next(s for s in others() if s.name == "learnt")
    net = SpikingNetwork(spec)
    series = net.layers[2].series
    series.data[:] = torch.rand(2, 8, generator=torch.Generator().manual_seed(4)) * 0.4 - 0.2
    table = net.export().layers[2].table
    a, b = torch.meshgrid(torch.arange(-300, 300, 7), torch.arange(-300, 300, 11), indexing="ij")
    learnt = neuron.series_table(series.detach().double(), K)
    got = neuron.omega(a.double() / UNIT, b.double() / UNIT, *learnt, K) * UNIT
    expected = table[(a + b).numpy() % len(table)] + table[(a - b).numpy() % len(table)]
    assert np.array_equal(got.numpy(), expected)
    assert net.roughness() == (series**2 * torch.arange(1, 9) ** 4).sum()


@pytest.mark.parametrize("theta", [0.3, 0.5])
def test_a_sine_table_is_the_integer_one(theta):
    values, _ = neuron.sine_table(torch.tensor(0.9).double(), K, theta)
    assert np.array_equal((neuron.on_grid(values, K) * UNIT).numpy(), arith.omega_table(K, 0.9, theta))


@pytest.mark.parametrize("kind", ["sine", "series"])
def test_omega_has_the_gradients_of_its_formula(kind, rng):
    """Of a + b and a - b within -4..4, where the table does not repeat yet, against autograd."""
    grids = [torch.from_numpy(rng.integers(-127, 128, (2, 3, 4, 4))).double() / UNIT for _ in range(2)]
    a, b = (grid.contiguous(memory_format=torch.channels_last).requires_grad_() for grid in grids)
    factor = torch.randn(2, 3, 4, 4, dtype=torch.double)
    if kind == "sine":
        shape = torch.tensor(0.7, dtype=torch.double, requires_grad=True)
        table = neuron.sine_table(shape, K)
        formula = 0.8 * shape * torch.sin(torch.pi / 4 * a) * torch.cos(torch.pi / 4 * b)
    else:
        shape = (torch.rand(2, 8, dtype=torch.double) - 0.5).requires_grad_()
        table = neuron.series_table(shape, K)
        turns = torch.pi / 4 * torch.arange(1, 9).double()

        def series(x):
            return (torch.sin(x[..., None] * turns) * shape[0] + torch.cos(x[..., None] * turns) * shape[1]).sum(-1)

        formula = series(a + b) + series(a - b)
    value = neuron.omega(a, b, *table, K)
    assert (value - formula).abs().max() <= 1 / UNIT
    found = torch.autograd.grad((value * factor).sum(), (a, b, shape))
    expected = torch.autograd.grad((formula * factor).sum(), (a, b, shape))
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_form_with_the_cosine_inside_has_no_integers():
    spec = next(s for s in others() if s.name == "learnt")
    inside = dataclasses.replace(spec.layers[2], table="inside")
    net = SpikingNetwork(dataclasses.replace(spec, layers=(*spec.layers[:2], inside)))
    assert not net.exports
    a, b = torch.tensor(0.5).double(), torch.tensor(1.0).double()
    value = 0.8 * np.sin(np.pi / 8 * np.cos(np.pi / 4))
    assert abs(neuron.omega_inside(a, b, 1.0, K) - value) <= 0.5 / UNIT
    with pytest.raises(ModelError, match="cosine inside the sine has no table"):
        net.export()


def test_levels_have_a_gradient_at_each_threshold():
    v = torch.tensor([0.2, 0.5, 0.6, 1.1, 1.6, 4.0], requires_grad=True)
    fired = fire(v, 1 / UNIT, SURROGATES["rectangle"], 3)
    assert fired.tolist() == [0, 0, 1, 2, 3, 3]  # 0.5 itself is not above the threshold
    fired.sum().backward()
    assert v.grad.tolist() == [1, 1, 2, 2, 1, 0]


def every_bfloat16():
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    return bits[~bits.isnan()].view(1, -1, 1, 1)


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("k", [1, 5, 6, 9])
def test_levels_are_exact_at_every_bfloat16_potential(k, levels):
    v, step = every_bfloat16(), 2.0 ** -(k + 1)
    counted = sum((v.double() >= 0.5 * n + step / 2).double() for n in range(1, levels + 1))
    for potentials in (v, v.float()):
        fired = fire(potentials, step, SURROGATES["triangle"], levels)
        assert fired.dtype is potentials.dtype
        assert torch.equal(fired.double(), counted)


def test_surrogate_table_holds_the_formula_at_every_bfloat16_potential():
    v = every_bfloat16()
    for levels in (1, 3):
        formula = sum(SURROGATES["s3nn"](v.float() - 0.5 * n) for n in range(1, levels + 1)).nan_to_num().bfloat16()
        for order in (torch.contiguous_format, torch.channels_last):
            table = surrogate_gradient(v.contiguous(memory_format=order), SURROGATES["s3nn"], levels)
            assert torch.equal(table, formula)


@pytest.mark.parametrize("windows", [Windows.N, Windows.D])
def test_split_and_join_have_the_gradients_of_views(windows):
    x = torch.randn(2, 3, 8, 8, dtype=torch.double, requires_grad=True)
    size, offset = neuron.window_frame(windows, 8)
    places = [(..., slice(y, y + size), slice(z, z + size)) for y in (0, offset) for z in (0, offset)]
    factors = [torch.randn(2, 3, size, size, dtype=torch.double) for _ in places]
    (expected,) = torch.autograd.grad(sum((x[p] * f).sum() for p, f in zip(places, factors, strict=True)), x)
    (found,) = torch.autograd.grad(
        sum((w * f).sum() for w, f in zip(neuron.split(x, windows), factors, strict=True)), x
    )
    assert torch.allclose(found, expected)
    parts = [f.clone().requires_grad_() for f in factors]
    joined = neuron.join(parts, windows, 8)
    assert joined.is_contiguous(memory_format=torch.channels_last)
    for gradient, place in zip(torch.autograd.grad((joined * x.detach()).sum(), parts), places, strict=True):
        assert torch.equal(gradient, x.detach()[place])


def test_time_steps_are_computed_once_while_they_are_equal():
    spec = next(s for s in others() if s.name == "two steps")
    net = SpikingNetwork(spec)
    net.set_carrying(False)
    channels, height, width = spec.input_shape
    pixels = torch.randint(0, 256, (2, channels, height // 2, width // 2)).float().repeat(1, 1, 2, 2)
    assert [layer.distinct for layer in net.layers] == [1] * len(net.layers)
    once = net(pixels)
    for layer in net.layers:
        layer.steps = 1  # computes all four windows
    assert torch.allclose(net(pixels), once, atol=1e-4)


@pytest.mark.parametrize("windows", [Windows.N, Windows.D])
def test_two_chains_of_two_windows_are_two_windows_of_the_whole_height(windows, rng):
    """Paper A's g = 2: a left and a right window, the kernels seeing across their border."""
    spec = LayerSpec("x", 3, windows=windows, carry=Carry.OMEGA)
    before, current = (grid(rng, 2, 3, 8, 8).double() / UNIT / 8 for _ in range(2))
    before, current = (neuron.on_grid(x, K) for x in (before, current))
    surrogate, gain = SURROGATES["triangle"], torch.tensor(0.9).double()
    _, spikes = neuron.chain(
        neuron.split(current, windows), neuron.split(before, windows), spec, gain, K,
        lambda v: fire(v, 1 / UNIT, surrogate), pairs=True,
    )  # fmt: skip
    found = neuron.condense(spikes, spec, 8)
    size, offset = neuron.window_frame(windows, 8)
    left = current[..., :size]
    right = current[..., offset : offset + size] + neuron.omega(
        before[..., :size], left, *neuron.sine_table(gain, K), K
    )
    expected = torch.zeros(2, 3, 8, 8, dtype=torch.double)
    expected[..., :size] += fire(left, 1 / UNIT, surrogate)
    expected[..., offset : offset + size] += fire(right, 1 / UNIT, surrogate)
    assert torch.equal(found, (expected > 0).double())


def test_named_surrogates():
    x = torch.tensor([-0.2, 0.3])
    assert torch.equal(surrogate_named("s3nn:2:0.5")(x), SURROGATES["s3nn"](x, alpha=2.0, beta=0.5))
    for bad in ("s3nn:2", "s3nn:a:b", "s3nn:nan:1", "s3nn:0:1", "s3nn:2:inf", "triangle:1:2", "step"):
        with pytest.raises(ModelError, match="no surrogate gradient"):
            surrogate_named(bad)
