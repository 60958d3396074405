"""Energy of a network from its real spikes, beside an ANN of the same shape; NeuroBench's metrics.

``assumptions`` prices operations, ``counts`` counts them, ``neurobench`` does so by NeuroBench's definitions,
``paper`` recomputes a published table.
"""

import numpy as np

from ..compiler import compile
from ..contract.config import PIXEL_BITS
from ..errors import DataError
from ..golden import effective_sop_by_layer, run_traced
from ..golden.network import BATCH
from .assumptions import FLOAT_ADD, FLOAT_MAC
from .counts import ARITHMETIC, ann_work, spiking_work
from .neurobench import Workload, repeats, static_metrics
from .table import table

__all__ = ["measure", "table"]


def measure(model, config, images):
    """What ``model`` takes on core ``config`` for an image, averaged over ``images`` uint8 (n, C, H, W): JSON types.

    ``layers`` and ``ann`` hold the counts of ``counts.Work`` and their ``picojoules``, the image's arrival first;
    ``microjoules`` three totals {``spiking``, ``ann``, ``ratio``}: as the ``papers`` count, in integers (``arithmetic``), and
    ``with_memory``; ``neurobench`` the metrics in NeuroBench's names.

    Raises ``DataError`` where there is no image or it does not fit, ``LimitError`` where the core cannot run the network.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != model.spec.image or not len(images):
        raise DataError(
            f"images are {images.dtype} {images.shape}, the network takes at least one of uint8 {model.spec.image}; "
            "convert or crop them"
        )
    compiled = compile(model, config)
    workload = Workload(model, compiled.program)
    adds = np.zeros(len(compiled.program.layers))
    arranged = model.spec.arrange(images)
    for start in range(0, len(images), BATCH):
        pixels = arranged[start : start + BATCH]
        _, trace = run_traced(compiled.program, pixels)
        adds += effective_sop_by_layer(compiled.program, pixels, trace)
        workload.add(pixels, trace)
    spiking = spiking_work(model, compiled, (adds / len(images)).tolist())
    ann = ann_work(model, compiled)
    return {
        "network": model.spec.name,
        "config": config.name,
        "images": len(images),
        "layers": [vars(work) | {"picojoules": work.picojoules()} for work in spiking],
        "ann": [vars(work) | {"picojoules": work.picojoules()} for work in ann],
        "microjoules": {
            "papers": _beside(_papers(model.spec, spiking), FLOAT_MAC.pj * sum(work.dense for work in ann)),
            "arithmetic": _beside(_sum(spiking, ARITHMETIC), _sum(ann, ARITHMETIC)),
            "with_memory": _beside(_sum(spiking), _sum(ann)),
        },
        "neurobench": static_metrics(model, config) | workload.metrics(),
    }


def _sum(works, parts=None):
    """Picojoules of all layers, of some ``parts`` or all."""
    return sum(pj for work in works for part, pj in work.picojoules().items() if parts is None or part in parts)


def _papers(spec, spiking):
    """Picojoules as the papers count: a float32 add for every spike at a synapse, in the first layer a MAC for every pixel.

    Pixels that are encoded as spikes cost adds there too; each stands in all eight planes.
    """
    _, first, *others = spiking
    pixels = FLOAT_MAC.pj * first.dense if spec.encoding == "planes" else FLOAT_ADD.pj * first.effective
    return (pixels / PIXEL_BITS + FLOAT_ADD.pj * sum(work.effective for work in others)) / repeats(spec)


def _beside(spiking, ann):
    return {"spiking": spiking / 1e6, "ann": ann / 1e6, "ratio": ann / spiking}
