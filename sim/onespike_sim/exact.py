"""``python -m onespike_sim exact``: one model on the core that ``onespike experiment`` names for it, as a line of JSON."""

import json
from pathlib import Path

from onespike.cli import positive
from onespike.data.sample import sample
from onespike.errors import LimitError, MismatchError
from onespike.experiments.cores import core_for
from onespike.quantised import QuantisedModel

from .verify import compare


def add_parser(commands):
    """Add the command to the subparsers of ``onespike_sim``."""
    exact = commands.add_parser("exact", help="a model of an experiment through the core that takes it; prints JSON")
    exact.add_argument("model", type=Path, help="an .npz file")
    exact.add_argument("--images", type=positive, default=8)
    exact.add_argument("--dataset", default="cifar10")
    exact.add_argument("--data", help="folder that holds the data set")
    exact.set_defaults(run=_exact)


def _exact(args):
    model = QuantisedModel.load(args.model)
    compiled, refusal = core_for(model)
    if compiled is None:
        raise LimitError(refusal)
    found = sample(args.dataset, args.data, args.images, model.spec.image, model.spec.classes)
    pixels = model.spec.arrange(found.images)
    verdict = compare(compiled.program, pixels, name=f"exact-{model.spec.name}")
    wrong = int(verdict.mismatched.sum())
    result = {
        "core": compiled.program.config.name,
        "images": len(pixels),
        "pixels": found.what,
        "mismatched_bits": wrong,
        "cycles": round(verdict.run.cycles),
        "predicted_cycles": round(compiled.report.cycles),
    }
    print(json.dumps(result))
    if wrong:
        raise MismatchError(f"core and golden model differ in {wrong} bits; see {Path('build/sim')}")
