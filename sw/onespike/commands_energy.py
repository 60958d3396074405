"""The command ``onespike energy``: what an image costs, counted from real spikes."""

import sys

from . import cli
from .network import DEFAULT


def add_parsers(commands):
    """Add the command to the subparsers of ``onespike``."""
    energy = commands.add_parser("energy", help="energy of an image from its real spikes, beside an ANN's; NeuroBench")
    energy.add_argument("model", nargs="?", default=DEFAULT, help="a name or an .npz file")
    energy.add_argument("--config", default="arty-a7-35t", help="core configuration")
    energy.add_argument("--images", type=cli.positive, default=100, help="test images (default 100)")
    energy.add_argument("--dataset", default="cifar10", help="cifar10, mnist or fashion (default cifar10)")
    energy.add_argument("--data", help="folder that holds the data set")
    energy.set_defaults(run=_energy)


def _energy(args):
    from .contract.config import preset
    from .data.sample import sample
    from .energy import measure, table
    from .quantised import QuantisedModel

    model = QuantisedModel.load(cli.model_path(args.model))
    images = sample(args.dataset, args.data, args.images, model.spec.image, model.spec.classes)
    if images.missing:
        print(
            f"NO DATA: {images.missing}\nCounting on images made by formula: spikes are theirs, not a data set's.",
            file=sys.stderr,
        )
    result = measure(model, preset(args.config), images.images) | {"pixels": images.what}
    print(table(result))
    print(f"wrote {cli.write_report('energy', result)}")
