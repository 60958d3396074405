"""The trained model file: integers only, one ``.npz`` without pickle.

What training leaves behind and everything downstream starts from: the network description, integer
weights, folded BatchNorm and Omega tables. The card (recipe, seed, accuracy) travels inside.
"""

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .contract.config import PARAMETER_BITS
from .contract.isa import Carry
from .errors import ModelError, NetworkError
from .network import NetworkSpec

FORMAT = 1


@dataclass
class QuantisedLayer:
    """Integers of one layer.

    ``weight`` int8 (outputs, inputs, kernel, kernel); ``shortcut`` int8 (outputs, inputs, 1, 1) or
    None; ``scale`` and ``bias`` int64 (outputs,) of 16 signed bits; ``shift`` 0..15; ``table`` int64
    (16 TH,) or None.
    """

    weight: np.ndarray
    shortcut: np.ndarray | None
    scale: np.ndarray
    shift: int
    bias: np.ndarray
    table: np.ndarray | None


@dataclass
class QuantisedModel:
    """A trained network in integers; ``weight`` int8 (classes, channels) and ``bias`` of the classifier."""

    spec: NetworkSpec
    layers: list[QuantisedLayer]
    weight: np.ndarray
    bias: np.ndarray
    card: dict = field(default_factory=dict)

    def __post_init__(self):
        self.check()

    def check(self):
        """Raise ``ModelError`` where an array has the wrong shape, an impossible value or a NaN."""
        spec = self.spec
        geometry = spec.geometry()
        if len(self.layers) != len(geometry):
            raise ModelError(f"model holds {len(self.layers)} layers, its description {len(geometry)}; export it again")
        limit = 2 ** (PARAMETER_BITS - 1)
        for layer, (entry, channels, _, _, source) in zip(self.layers, geometry, strict=True):
            where = f"layer {entry.name!r}"
            top = 2 ** (max(2, entry.weight_bits or spec.weight_bits) - 1)
            shape = (entry.channels, channels, entry.kernel, entry.kernel)
            skip = None if source is None else (entry.channels, geometry[source][0].channels, 1, 1)
            _integers(f"{where}: weights", layer.weight, shape, -top, top)
            if (layer.shortcut is None) != (skip is None):
                raise ModelError(f"{where}: shortcut weights and description disagree; export the model again")
            if skip is not None:
                _integers(f"{where}: shortcut weights", layer.shortcut, skip, -top, top)
            _integers(f"{where}: scale", layer.scale, (entry.channels,), -limit, limit)
            _integers(f"{where}: bias", layer.bias, (entry.channels,), -limit, limit)
            if not 0 <= layer.shift <= 15:
                raise ModelError(f"{where}: shift {layer.shift} is outside 0..15; export the model again")
            if (layer.table is None) != (entry.carry is not Carry.OMEGA):
                raise ModelError(
                    f"{where}: an Omega table belongs to carry omega and to nothing else; export the model again"
                )
            if layer.table is not None:
                half = 2**spec.k * 4
                _integers(f"{where}: Omega table", layer.table, (2 ** (spec.k + 4),), -half, half)
        top = 2 ** (spec.weight_bits - 1)
        _integers("classifier: weights", self.weight, (spec.classes, geometry[-1][0].channels), -top, top)
        _integers("classifier: bias", self.bias, (spec.classes,), -limit, limit)

    def save(self, path):
        """Write the file under a temporary name, then rename it."""
        path = Path(path)
        arrays: dict = {"classifier.weight": self.weight, "classifier.bias": self.bias}
        for index, layer in enumerate(self.layers):
            for name in ("weight", "shortcut", "scale", "bias", "table"):
                if (value := getattr(layer, name)) is not None:
                    arrays[f"{index}.{name}"] = value
        header = {
            "format": FORMAT,
            "network": self.spec.to_dict(),
            "shift": [layer.shift for layer in self.layers],
            "card": self.card,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header, sort_keys=True)), **arrays)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path):
        """Read and check a file; raises ``ModelError`` with the reason."""
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as data:
                header = json.loads(str(data["header"]))
                if header["format"] != FORMAT:
                    raise ModelError(
                        f"{path.name} has model format {header['format']}, this version reads {FORMAT}; export it again"
                    )
                spec = NetworkSpec.from_dict(header["network"])
                layers = [
                    QuantisedLayer(
                        data[f"{i}.weight"],
                        data.get(f"{i}.shortcut"),
                        data[f"{i}.scale"],
                        shift,
                        data[f"{i}.bias"],
                        data.get(f"{i}.table"),
                    )
                    for i, shift in enumerate(header["shift"])
                ]
                return cls(spec, layers, data["classifier.weight"], data["classifier.bias"], header["card"])
        except FileNotFoundError:
            raise ModelError(f"no trained model at {path}; train one or name another file") from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NetworkError) as error:
            raise ModelError(f"{path.name} is not a whole model file ({error}); fetch or export it again") from error


def _integers(what, array, shape, low, high):
    array = np.asarray(array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError(f"{what} hold NaN or infinity; the training diverged, lower the rate and export again")
    if array.dtype.kind not in "iu":
        raise ModelError(f"{what} must be integers, not {array.dtype}; export the model again")
    if array.shape != shape:
        raise ModelError(f"{what} have shape {array.shape}, the description says {shape}; export the model again")
    if array.size and (array.min() < low or array.max() >= high):
        raise ModelError(
            f"{what} reach {array.min()}..{array.max()}, allowed are {low}..{high - 1}; quantise the model again"
        )
