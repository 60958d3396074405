"""The commands that exchange networks with other frameworks: ``onespike export-nir`` and ``onespike import-nir``."""

import argparse
from pathlib import Path

from . import cli
from .exchange.nir_export import NEURONS


def add_parsers(commands):
    """Add the commands to the subparsers of ``onespike``."""
    export = commands.add_parser("export-nir", help="trained model -> NIR graph, if the network is plain")
    export.add_argument("model", help="a name or an .npz file")
    export.add_argument("--out", metavar="FILE", help="graph to write (default build/NAME.nir)")
    export.add_argument("--neuron", choices=NEURONS, default=NEURONS[0], help="spiking nodes (default if; snnTorch: lif)")
    export.set_defaults(run=_export)

    import_ = commands.add_parser("import-nir", help="NIR graph -> trained model, quantised without training")
    import_.add_argument("graph", help="a .nir file")
    import_.add_argument("--white", type=_above_zero, help="what the graph takes for a pixel of 255 (default 1.0)")
    import_.add_argument("--calibrate", metavar="DATASET", help="move the thresholds with training images of this set")
    import_.add_argument("--data", help="folder that holds the data set")
    import_.add_argument("--count", type=cli.positive, default=256, help="images to calibrate with (default 256)")
    import_.add_argument("--out", metavar="FILE", help="model to write (default build/NAME.npz)")
    import_.set_defaults(run=_import)


def _above_zero(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _export(args):
    from .exchange import nir_export, write_nir
    from .quantised import QuantisedModel

    graph = nir_export(QuantisedModel.load(cli.model_path(args.model)), args.neuron)
    out = Path(args.out or f"build/{Path(args.model).stem}.nir")
    write_nir(out, graph)
    print(f"wrote {out}: {len(graph.nodes)} nodes, pixels 0..255")


def _import(args):
    from .exchange import nir_import, quantise_plain, read_nir

    network = nir_import(read_nir(args.graph), white=args.white)
    images = _images(network.spec, args) if args.calibrate else None
    model = quantise_plain(network, images, card={"source": Path(args.graph).name})
    out = Path(args.out or f"build/{Path(args.graph).stem}.npz")
    model.save(out)
    weights = sum(layer.weight.size for layer in model.layers) + model.weight.size
    print(f"wrote {out}: {len(model.layers)} spiking layers, {weights} weights of {model.spec.weight_bits} bits")


def _images(spec, args):
    """Training images as the core takes them, uint8 (n, *input_shape)."""
    from .data import load

    data = load(args.calibrate, args.data)
    data.require(spec.image, spec.classes)
    return spec.arrange(data.train_images[: args.count])
