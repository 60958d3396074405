"""The command that trains networks with a recurrent block: ``onespike train-recurrent``."""

from .errors import NetworkError
from .recurrent import BlockSpec, load_description

BLOCK = {"cell": ("lstm", "gru", "rnn"), "windows": ("n", "d"), "carry": ("none", "leak", "omega")}
RECIPE = {"dataset": str, "epochs": int, "batch": int, "rate": float, "shift": int, "surrogate": str, "seed": int}
"""Settings of block and recipe that replace the description's, by the names of ``BlockSpec`` and ``Recipe``."""


def add_parsers(commands):
    """Add the command to the subparsers of ``onespike``."""
    parser = commands.add_parser("train-recurrent", help="train a network with a recurrent block")
    parser.add_argument("--network", default="recurrent-mnist", help="description: a name or a .toml file")
    for name, choices in BLOCK.items():
        parser.add_argument(f"--{name}", choices=choices, help="instead of the description's")
    parser.add_argument("--hidden", type=int, help="size of h of one direction")
    for name, kind in RECIPE.items():
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--data", help="folder that holds the data set")
    parser.add_argument("--out", default="build/train/recurrent.npz", help="model file to write")
    parser.set_defaults(run=_train)


def _train(args):
    from .train_recurrent import Recipe, Trainer

    front, block, recipe = load_description(args.network)
    block = BlockSpec.from_dict(block.to_dict() | _given(args, (*BLOCK, "hidden")))
    try:
        recipe = Recipe(**recipe | _given(args, RECIPE))
    except TypeError as error:
        raise NetworkError(f"the description's [recipe] table is malformed: {error}") from None
    model = Trainer(front, block, recipe, args.data).run()
    model.save(args.out)
    print(f"held out {model.card['held_out']:.2f} %, test {model.card['test']:.2f} %; wrote {args.out}")


def _given(args, names):
    """The settings of ``names`` that the command line has."""
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}
