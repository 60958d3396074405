"""NIR graphs and plain networks: round trips, other frameworks on the same images, refusals, the way to the core."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
import snntorch
import torch
from snntorch import utils
from snntorch.export_nir import export_to_nir
from snntorch.import_nir import import_from_nir
from torch import nn

from onespike import cli
from onespike.compiler import compile
from onespike.contract.config import preset
from onespike.errors import ExchangeError, OutputError
from onespike.exchange import from_modules, nir_export, nir_import, quantise_plain, read_nir, write_nir
from onespike.exchange.nir_export import METADATA, NEURONS
from onespike.exchange.quantise import fit
from onespike.exchange.thresholds import SHIFT, encode, thresholds
from onespike.golden import run, run_traced
from onespike.model.integer import IntegerNetwork
from onespike.network import NetworkSpec
from onespike.quantised import QuantisedLayer, QuantisedModel

from .nir_reference import execute

TINY = preset("tiny")
SPEC = NetworkSpec.from_dict(
    {
        "name": "plain",
        "image": (1, 16, 16),
        "patch": 2,
        "classes": 10,
        "labels": [f"class {index}" for index in range(10)],
        "layers": [
            {"name": "first", "channels": 12},
            {"name": "block/half", "channels": 20, "stride": 2},
            {"name": "narrow", "channels": 20, "kernel": 1},
            {"name": "joined", "channels": 16, "shortcut": "first"},
        ],
    }
)


def plain_model(rng, spec=SPEC):
    """A model with random weights, extremes among them, whose channels fire sometimes, always and never."""
    geometry = spec.geometry()
    layers = []
    for index, (entry, channels, _, _, source) in enumerate(geometry):
        weight = rng.integers(-8, 8, (entry.channels, channels, entry.kernel, entry.kernel)).astype(np.int8)
        shortcut = None
        if source is not None:
            shortcut = rng.integers(-8, 8, (entry.channels, geometry[source][0].channels, 1, 1)).astype(np.int8)
        spread = np.sqrt((weight.astype(float) ** 2).sum((1, 2, 3))) * (100 if index == 0 else 0.5)
        scale = np.rint(rng.choice([-1, 1], entry.channels) * 40 / spread * 2**9).astype(np.int64)
        bias = rng.integers(-20, 60, entry.channels)
        weight[0], scale[1], bias[2], bias[3] = -7, 0, -(2**15), 2**15 - 1
        layers.append(QuantisedLayer(weight, shortcut, scale, 9, bias, None))
    weight = rng.integers(-8, 8, (spec.classes, spec.layers[-1].channels)).astype(np.int8)
    return QuantisedModel(spec, layers, weight, rng.integers(-500, 500, spec.classes))


def pixels_for(rng, spec=SPEC, count=6):
    return spec.arrange(rng.integers(0, 256, (count, *spec.image)).astype(np.uint8))


def spikes_of(model, pixels, config=TINY):
    """(spikes of every layer, scores) by the golden model."""
    scores, trace = run_traced(compile(model, config).program, pixels)
    return trace.levels, scores


def same(model, pixels, spikes, scores):
    """Whether ``model`` computes exactly these."""
    levels, own = spikes_of(model, pixels)
    return np.array_equal(own, scores) and all(map(np.array_equal, levels, spikes))


def in_snntorch(graph, pixels, layers):
    """(spikes of every layer, scores) by snnTorch's own import, in float32."""
    network = import_from_nir(graph)
    spikes = {}
    for name, module in network.named_children():
        module.register_forward_hook(lambda _, __, out, name=name: spikes.__setitem__(name, out))
    with torch.no_grad():
        scores, _ = network(torch.from_numpy(pixels).float())
    fired = [spikes[f"{name}_spikes".replace(".", "_").replace("/", "_")] for name in layers]
    return [f.numpy() for f in fired], scores.numpy()


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("seed", range(4))
def test_round_trip_is_exact(seed, neuron, tmp_path):
    """model -> graph -> file -> graph -> model: every spike and every score stays, in integers and in the graph."""
    rng = np.random.default_rng(seed)
    model, pixels = plain_model(rng), pixels_for(rng)
    spikes, scores = spikes_of(model, pixels)
    assert np.array_equal(IntegerNetwork(model)(torch.from_numpy(pixels)).numpy(), scores)
    write_nir(tmp_path / "plain.nir", nir_export(model, neuron))
    graph = read_nir(tmp_path / "plain.nir")

    values = execute(graph, pixels)
    assert np.array_equal(values["output"], scores)
    names = [layer.name.replace("/", "_") for layer in SPEC.layers]
    for name, fired in zip(names, spikes, strict=True):
        assert np.array_equal(values[f"{name}.spikes"], fired)

    network = nir_import(graph)
    back = quantise_plain(network)
    assert (back.spec.image, back.spec.patch, back.spec.labels) == (SPEC.image, SPEC.patch, SPEC.labels)
    assert [layer.name for layer in back.spec.layers] == names
    assert same(back, pixels, spikes, scores)
    real = network(pixels)
    assert np.array_equal(real.scores.numpy(), scores)
    assert all(np.array_equal(a.numpy(), b) for a, b in zip(real.spikes, spikes, strict=True))


@pytest.mark.parametrize("seed", range(2))
def test_snntorch_runs_the_graph_to_the_same_spikes(seed):
    rng = np.random.default_rng(seed)
    model, pixels = plain_model(rng), pixels_for(rng)
    spikes, scores = spikes_of(model, pixels)
    fired, given = in_snntorch(nir_export(model, "lif"), pixels, [layer.name for layer in SPEC.layers])
    assert all(map(np.array_equal, fired, spikes))
    assert np.array_equal(given, scores)


def test_calibration_keeps_what_is_exact_already(rng):
    model, pixels = plain_model(rng), pixels_for(rng)
    spikes, scores = spikes_of(model, pixels)
    assert same(quantise_plain(nir_import(nir_export(model)), pixels), pixels, spikes, scores)


def test_thresholds_and_parameters_are_inverse(rng):
    """All thresholds in reach and just beyond, through the arithmetic of the contract."""
    for top in (1, 255):
        rows = rng.integers(-8, 8, (1, 27)).astype(np.int64) * top
        reached = np.abs(rows).sum()
        wanted = np.unique(rng.integers(-reached, reached + 2, 300))
        rows = np.repeat(rows, len(wanted), 0)
        for sign in (-1, 1):
            signs = np.full(len(wanted), sign)
            low, high = np.minimum(rows * sign, 0).sum(1), np.maximum(rows * sign, 0).sum(1)
            t = np.clip(wanted, low, high + 1)
            scale, bias = encode("any", signs, t, 5, rows)
            back = QuantisedLayer(np.zeros(0), None, scale, SHIFT, bias, None)
            got = thresholds(back, 5, rows)
            assert np.array_equal(got[0], signs) and np.array_equal(got[1], t)


def test_a_threshold_beyond_the_parameters_is_refused():
    rows = np.full((1, 4), 2**30, np.int64)
    with pytest.raises(ExchangeError, match="layer 'far': a threshold of"):
        encode("far", np.ones(1, np.int64), np.array([2**31]), 5, rows)


def test_fit_finds_the_grid_and_beats_the_largest_weight(rng):
    grid = rng.integers(-8, 8, (6, 40)) * np.array([1, 0.25, -0.1, 3, 1e-3, 0])[:, None]
    integers, steps = fit(grid, 4)
    assert np.allclose(integers * steps[:, None], grid) and np.array_equal(integers[0], grid[0])
    normal = rng.normal(0, 1, (16, 200))
    integers, steps = fit(normal, 4)
    naive = np.abs(normal).max(1, keepdims=True) / 7
    error = ((integers * steps[:, None] - normal) ** 2).sum(1)
    assert integers.min() >= -8 and integers.max() <= 7
    assert (error < ((np.rint(normal / naive) * naive - normal) ** 2).sum(1)).all()


def snntorch_network(*, pooled=False):
    """A small network with random norms, in evaluation, for images (1, 16, 16)."""
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(8)
    for values in (norm.weight, norm.running_var):
        nn.init.uniform_(values.data, 0.5, 2.0)
    nn.init.normal_(norm.running_mean, std=0.2)
    second = (nn.AvgPool2d(2), nn.Conv2d(8, 12, 1)) if pooled else (nn.Conv2d(8, 12, 3, 2, 1), nn.Identity())
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, 1, 1), norm, snntorch.Leaky(0.9, threshold=0.3, init_hidden=True, reset_delay=False)),
        *(*second, snntorch.Leaky(0.5, threshold=0.1, init_hidden=True, reset_delay=False)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)),
    ).eval()


@pytest.mark.parametrize("pooled", [False, True])
def test_modules_are_read_exactly(pooled, rng):
    """BatchNorm folded, pooling folded, thresholds moved: the same scores as snnTorch itself."""
    network, pixels = snntorch_network(pooled=pooled), rng.integers(0, 256, (40, 1, 16, 16)).astype(np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels).float() / 255).numpy()
    read = from_modules(network, (1, 16, 16))
    assert [layer.stride for layer in read.spec.layers] == [1, 2]
    np.testing.assert_allclose(read(pixels).scores.numpy(), expected, atol=1e-3)
    assert np.array_equal(read(pixels).scores.numpy().argmax(1), expected.argmax(1))


def test_snntorchs_own_export_is_read(rng):
    """What snnTorch writes: a batch-free input, LIF nodes with one threshold, an average pool."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, 1, 1),
        snntorch.Leaky(torch.full((6, 8, 8), 0.9), threshold=torch.full((6, 8, 8), 0.4), init_hidden=True),
        nn.AvgPool2d(8),
        nn.Flatten(),
        nn.Linear(6, 4),
    )
    pixels = rng.integers(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    graph = export_to_nir(network, torch.zeros(1, 1, 8, 8), ignore_dims=[0])
    utils.reset(network)
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels).float() / 255).numpy()
    np.testing.assert_allclose(nir_import(graph)(pixels).scores.numpy(), expected, atol=1e-4)


def chain(*middle, image=(1, 8, 8), classes=2, channels=4, tail=True):
    """A graph of named nodes in a row: a convolution, ``middle``, and a classifier."""
    conv = nir.Conv2d((8, 8), np.ones((channels, image[0], 3, 3)), 1, 1, 1, 1, np.zeros(channels))
    nodes = {"in": nir.Input({"input": np.array(image)}), "conv": conv, **dict(middle)}
    if tail:
        nodes |= {
            "pool": nir.SumPool2d(np.full(2, image[-1]), np.full(2, image[-1]), np.zeros(2, int)),
            "flat": nir.Flatten({"input": None}, 0, -1),
            "head": nir.Linear(np.ones((classes, channels))),
        }
    nodes["out"] = nir.Output({"output": None})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


def fires(kind, **given):
    ones = np.ones(4)
    return kind(**{name: value * ones for name, value in given.items()})


@pytest.mark.parametrize(
    ("node", "border"),
    [
        (fires(nir.IF, r=1.0, v_threshold=1.5), 1.5),
        (fires(nir.IF, r=1e4, v_threshold=1.5), 1.5),
        (fires(nir.LIF, tau=4e-4, r=2.0, v_leak=0.0, v_threshold=1.0), 2.0),
        (fires(nir.CubaLIF, tau_syn=2e-4, tau_mem=2e-4, r=2.0, v_leak=0.0, v_threshold=1.0, w_in=1.0), 2.0),
        (nir.Threshold(np.full(4, 2.5)), 2.5),
    ],
)
def test_every_neuron_fires_above_its_border(node, border):
    """One time step from rest, worked out by hand; the middle pixel alone reaches a neuron of weight one."""
    network = nir_import(chain(("spike", node)), white=255)
    for pixel in range(5):
        image = np.zeros((1, 1, 8, 8), np.uint8)
        image[0, 0, 4, 4] = pixel
        assert network(image).spikes[0].any() == (pixel > border)


SPIKE = ("spike", nir.Threshold(np.ones(4)))


def conv(outputs=4, inputs=4, kernel=3, stride=1, padding=1, dilation=1, fill=1.0):
    return nir.Conv2d((8, 8), np.full((outputs, inputs, kernel, kernel), fill), stride, padding, dilation, 1, np.zeros(outputs))


def pooling(size, stride):
    return nir.AvgPool2d(np.array([size, size]), np.array([stride, stride]), np.array([0, 0]))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (chain(SPIKE, ("big", conv(kernel=5, padding=2)), ("s", SPIKE[1])), "'big': kernel 5x5"),
        (chain(SPIKE, ("wide", conv(padding=0)), ("s", SPIKE[1])), "'wide': kernel 3x3, stride 1, padding 0"),
        (chain(SPIKE, ("holes", conv(dilation=2)), ("s", SPIKE[1])), "'holes': dilated kernels"),
        (chain(SPIKE, ("other", conv(inputs=3)), ("s", SPIKE[1])), "'other': weights .* do not fit 4 input channels"),
        (chain(SPIKE, ("nan", conv(fill=np.nan)), ("s", SPIKE[1])), "'nan': it holds NaN"),
        (chain(SPIKE, ("p", pooling(2, 2)), ("c", conv()), ("s", SPIKE[1])), "'c': after a pooling of 2 x 2"),
        (chain(SPIKE, ("p", pooling(2, 2)), ("q", pooling(2, 2))), "'q': pooling must follow a spiking layer"),
        (chain(SPIKE, ("half", pooling(4, 4))), "'pool': pooling must follow"),
        (chain(SPIKE, ("again", SPIKE[1])), "'again': neurons must follow a convolution"),
        (chain(("second", conv()), SPIKE), "'second': a convolution must follow a spiking layer"),
        (chain(("line", nir.Linear(np.ones((4, 4)))), SPIKE), "'line': a linear part must follow the pooling"),
        (chain(SPIKE, ("early", nir.Flatten({"input": None}, 0, -1))), "'early': the classifier counts spikes"),
        (chain(SPIKE, ("delay", nir.Delay(np.ones(4)))), "'delay': the core has no Delay"),
        (chain(SPIKE, tail=False), "the output is not a linear classifier"),
        (chain(SPIKE, image=(1, 8, 6)), "square images"),
        (chain(SPIKE, image=(1, 7, 7)), "layer 'conv': output side 7/1 must be a multiple"),
        (
            chain(("leaks", fires(nir.LIF, tau=1e-4, r=1.0, v_leak=0.1, v_threshold=1.0))),
            "'leaks': a leak towards another potential",
        ),
        (chain(("strong", fires(nir.IF, r=2.0, v_threshold=3.0))), "'strong': its r is neither 1 nor 1/dt"),
        (
            chain(("uneven", nir.Threshold(np.arange(256.0).reshape(4, 8, 8)))),
            "'uneven': its neurons differ within a channel",
        ),
    ],
)
def test_what_the_core_cannot_run_is_refused_by_name(graph, message):
    with pytest.raises(ExchangeError, match=message):
        nir_import(graph)


def rewired(edges, **more):
    """The graph of ``chain`` with further nodes and edges."""
    graph = chain(SPIKE)
    graph.nodes |= more
    graph.edges = [edge for edge in graph.edges if edge not in edges["without"]] + edges["with"]
    return graph


def test_wrong_connections_are_refused():
    tail = ("spike", "pool")
    cases = [
        (rewired({"without": [], "with": [("spike", "conv")]}), "feeds back"),
        (rewired({"without": [], "with": []}, lost=conv()), "'lost': nothing leads to it"),
        (rewired({"without": [], "with": [("in", "spike")]}), "'spike': the core adds convolutions only"),
        (
            rewired(
                {"without": [tail], "with": [("spike", "b"), ("in", "c"), ("b", "t"), ("c", "t"), ("t", "pool")]},
                b=conv(), c=conv(inputs=1), t=SPIKE[1],
            ),
            "'t': beside the layer before",
        ),
        (
            rewired({"without": [tail], "with": [("in", "c"), ("c", "t"), ("t", "pool")]}, c=conv(inputs=1), t=SPIKE[1]),
            "does not follow the layer before",
        ),
        (
            rewired(
                {"without": [tail], "with": [("spike", "b"), ("spike", "c"), ("b", "t"), ("c", "t"), ("t", "pool")]},
                b=conv(), c=conv(kernel=1, padding=0, stride=2), t=SPIKE[1],
            ),
            "'t': the convolutions that it adds have different shapes",
        ),
    ]  # fmt: skip
    for graph, message in cases:
        with pytest.raises(ExchangeError, match=message):
            nir_import(graph)


def test_neurons_after_the_classifier_are_refused():
    graph = chain(SPIKE)
    graph.nodes["last"] = nir.Threshold(np.ones(2))
    graph.edges = [*graph.edges[:-1], ("head", "last"), ("last", "out")]
    with pytest.raises(ExchangeError, match="'last': the core's output are the scores"):
        nir_import(graph)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"windows": "n"}, "layer 'narrow': NIR has no windows and no carries"),
        ({"levels": 3}, "layer 'narrow': NIR has spikes only, no levels"),
        ({"name": "output"}, "layer 'output': the graph has a node of that name"),
    ],
)
def test_networks_that_are_not_plain_are_refused(change, message, rng):
    plain = SPEC.to_dict()
    plain["layers"] = [layer | change if layer["name"] == "narrow" else layer for layer in plain["layers"]]
    with pytest.raises(ExchangeError, match=message):
        nir_export(plain_model(rng, NetworkSpec.from_dict(plain)))


def test_modules_that_the_core_lacks_are_refused():
    for module, message in (
        (nn.MaxPool2d(2), "the core has nothing for a MaxPool2d"),
        (nn.Conv2d(8, 8, 3, padding="same"), "padding must be zeros, given as a number"),
        (nn.Conv2d(8, 8, 3, padding=(1, 0)), "not the same in both directions"),
        (nn.AdaptiveAvgPool2d(2), "pool it to one pixel"),
        (snntorch.Leaky(0.9, inhibition=True), "inhibition"),
    ):
        network = snntorch_network()
        network[5] = module if isinstance(module, snntorch.Leaky) else network[5]
        network[3] = network[3] if isinstance(module, snntorch.Leaky) else module
        with pytest.raises(ExchangeError, match=message):
            from_modules(network, (1, 16, 16))


def test_damaged_files_and_notes_are_refused(tmp_path, rng):
    bad = tmp_path / "bad.nir"
    bad.write_bytes(b"no HDF5 at all")
    with pytest.raises(ExchangeError, match=r"bad\.nir is not a NIR graph"):
        read_nir(bad)
    with pytest.raises(ExchangeError, match="no NIR file at"):
        read_nir(tmp_path / "missing.nir")
    nir.write(tmp_path / "one.nir", nir.Linear(np.ones((2, 2))))
    with pytest.raises(ExchangeError, match=r"one\.nir is not a NIR graph"):
        read_nir(tmp_path / "one.nir")
    with pytest.raises(OutputError, match="cannot write"):
        write_nir(bad / "below.nir", chain(SPIKE))
    graph = nir_export(plain_model(rng))
    for note in ("{", '{"patch": "two"}', '{"unknown": 1}', "7"):
        graph.metadata[METADATA] = note
        with pytest.raises(ExchangeError, match="metadata 'onespike' is damaged"):
            nir_import(graph)
    graph.metadata[METADATA] = json.dumps({"patch": 3})
    with pytest.raises(ExchangeError, match="no patches of 3 x 3"):
        nir_import(graph)


def test_commands(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    model, pixels = plain_model(rng), pixels_for(rng)
    model.save("plain.npz")
    assert cli.main(["export-nir", "plain.npz"]) == 0
    assert cli.main(["import-nir", "build/plain.nir", "--out", "back.npz"]) == 0
    assert "4 spiking layers" in capsys.readouterr().out
    assert same(QuantisedModel.load("back.npz"), pixels, *spikes_of(model, pixels))
    assert cli.main(["export-nir", "arty-cifar10"]) == 2
    assert "layer 'block1.conv1': NIR has no windows" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["import-nir", "build/plain.nir", "--white", "0"])


def example():
    path = Path(__file__).parents[2] / "sw/examples/snntorch_to_core.py"
    spec = importlib.util.spec_from_file_location("snntorch_to_core", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_trains_and_reaches_the_core(no_data, monkeypatch, tmp_path, capsys):
    """Images by formula, a short training: what it learnt is still there in integers."""
    monkeypatch.setattr("onespike.data.IDX_URLS", {"mnist": "http://127.0.0.1:9/", "fashion": "http://127.0.0.1:9/"})
    out = tmp_path / "trained.npz"
    arguments = ["--channels", "8", "--images", "1280", "--epochs", "2", "--test", "300", "--config", "tiny"]
    report = example().main([*arguments, "--calibrate", "200", "--out", str(out)])
    printed = capsys.readouterr()
    assert "NO DATA" in printed.err and f"{report['agree']} of 300 formula test images" in printed.out
    assert report["top1_real"] > 40 and report["agree"] > 225
    model = QuantisedModel.load(out)
    assert model.spec.image == (1, 32, 32) and run(compile(model, TINY).program, np.zeros((1, 4, 16, 16), np.uint8)).shape
