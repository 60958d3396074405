"""A network with a recurrent block, trained and in integers: front for the core, block and classifier for the firmware.

The front is an ordinary ``QuantisedModel`` whose own classifier is all zero: only its last layer's spikes are used.
"""

import io
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .contract import recurrent as definition
from .contract.isa import Carry, Windows
from .contract.recurrent import DIRECTIONS, Cell
from .errors import ModelError, NetworkError
from .network import NetworkSpec, read_description
from .quantised import QuantisedModel

FORMAT = 1


@dataclass(frozen=True)
class BlockSpec:
    """A recurrent block: ``hidden`` is the size of ``h`` of one direction, so it has 2 ``hidden`` output channels.

    ``windows`` N or D, ``carry`` between them none, leak or omega, as paper A's windows (section 3.1).
    """

    cell: Cell = Cell.LSTM
    hidden: int = 16
    windows: Windows = Windows.N
    carry: Carry = Carry.LEAK

    def to_dict(self):
        """Plain values; ``from_dict`` is its inverse."""
        names = {key: getattr(self, key).name.lower() for key in ("cell", "windows", "carry")}
        return names | {"hidden": self.hidden}

    @classmethod
    def from_dict(cls, plain):
        """Build and check a description; raises ``NetworkError`` with the reason."""
        plain = dict(plain)
        for key, kind in (("cell", Cell), ("windows", Windows), ("carry", Carry)):
            if key in plain:
                try:
                    plain[key] = kind[str(plain[key]).upper()]
                except KeyError:
                    choices = ", ".join(member.name.lower() for member in kind)
                    raise NetworkError(f"recurrent block: {key} {plain[key]!r} is not one of {choices}") from None
        try:
            spec = cls(**plain)
        except TypeError as error:
            raise NetworkError(f"recurrent block is malformed: {error}") from None
        if spec.windows is Windows.NONE or spec.carry not in definition.CARRIES:
            raise NetworkError("recurrent block: windows must be n or d, carry none, leak or omega")
        if not isinstance(spec.hidden, int) or not 1 <= spec.hidden <= definition.MAX_HIDDEN:
            raise NetworkError(f"recurrent block: hidden must be 1 to {definition.MAX_HIDDEN}, not {spec.hidden!r}")
        return spec


def load_description(source):
    """(``NetworkSpec`` of the front, ``BlockSpec``, rest of the file: the recipe) by name or from a TOML file."""
    plain = read_description(source)
    recipe, block = plain.pop("recipe", {}), plain.pop("recurrent", None)
    if block is None:
        raise NetworkError(f"{source} has no [recurrent] table; 'onespike train' takes networks without one")
    spec, block = NetworkSpec.from_dict(plain), BlockSpec.from_dict(block)
    check_front(spec, block)
    return spec, block, recipe


def check_front(spec, block):
    """Raise ``NetworkError`` where the firmware's block cannot follow the front ``spec``."""
    last, _, _, side, _ = spec.geometry()[-1]
    need = 4 if block.windows is Windows.D else 2
    limits = {
        f"{last.channels} channels; at most {definition.MAX_INPUTS}": last.channels > definition.MAX_INPUTS,
        f"side {side}; at most {definition.MAX_SIDE}, a multiple of {need}": side > definition.MAX_SIDE or side % need,
        f"levels up to {last.top}; the block takes spikes": last.top != 1,
        f"{spec.classes} classes; at most {definition.MAX_CLASSES}": spec.classes > definition.MAX_CLASSES,
        f"k = {spec.k}; the firmware's tables are made for {definition.K}": spec.k != definition.K,
    }
    for text, broken in limits.items():
        if broken:
            raise NetworkError(f"recurrent block: layer {last.name!r} before it has {text}")


@dataclass
class RecurrentModel:
    """Integers of the whole network.

    ``front`` for the core; ``drive`` int8 (2, gates, hidden, inputs) weights of the input spikes, ``weight`` int8
    (2, gates, hidden, hidden) of ``h``, ``bias`` int64 (2, gates, hidden) of 16 signed bits, both directions each;
    ``class_weight`` int8 (classes, 2 hidden), ``class_bias`` int64 (classes,); ``card`` as in ``QuantisedModel``.
    """

    front: QuantisedModel
    spec: BlockSpec
    drive: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    class_weight: np.ndarray
    class_bias: np.ndarray
    card: dict = field(default_factory=dict)

    def __post_init__(self):
        self.check()

    @property
    def side(self):
        """Side of the map that the front hands over, and of the block's own."""
        return self.front.spec.geometry()[-1][3]

    @property
    def window(self):
        """(side of a window, offset from one to the next)."""
        if self.spec.windows is Windows.D:
            return 3 * self.side // 4, self.side // 4
        return self.side // 2, self.side // 2

    @property
    def products(self):
        """Recurrent multiply-accumulates of an image: every gate of every direction at every pixel of every window."""
        return 4 * self.window[0] ** 2 * self.weight.size

    def check(self):
        """Raise ``ModelError`` where an array has the wrong shape, kind or range."""
        check_front(self.front.spec, self.spec)
        inputs, hidden = self.front.spec.layers[-1].channels, self.spec.hidden
        gates, classes = self.spec.cell.gates, self.front.spec.classes
        top, bias_top = definition.WEIGHT_TOP, 1 << definition.BIAS_BITS - 1
        for name, shape, limit in (
            ("drive", (DIRECTIONS, gates, hidden, inputs), top),
            ("weight", (DIRECTIONS, gates, hidden, hidden), top),
            ("bias", (DIRECTIONS, gates, hidden), bias_top - 1),
            ("class_weight", (classes, DIRECTIONS * hidden), top),
            ("class_bias", (classes,), (1 << 31) - 1),
        ):
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "iu" or array.shape != shape:
                raise ModelError(f"recurrent {name}: {array.dtype} {array.shape}, not integers {shape}; export it again")
            if array.size and np.abs(array.astype(np.int64)).max() > limit:
                raise ModelError(f"recurrent {name} goes beyond {limit}; quantise the model again")

    def blob(self):
        """Bytes that ``firmware/recurrent.c`` reads: header, biases, then the weights (see ``firmware/recurrent.h``)."""
        size, offset = self.window
        header = {
            "cell": self.spec.cell.value,
            "carry": self.spec.carry.value,
            "inputs": self.drive.shape[-1],
            "hidden": self.spec.hidden,
            "side": self.side,
            "window": size,
            "offset": offset,
            "classes": len(self.class_bias),
        }
        parts = [bytes(header[name] for name in definition.HEADER)]
        parts += [self.bias.astype("<i2").tobytes(), self.class_bias.astype("<i4").tobytes()]
        parts += [np.asarray(array, np.int8).tobytes() for array in (self.drive, self.weight, self.class_weight)]
        return b"".join(parts)

    def save(self, path):
        """Write one ``.npz`` under a temporary name, then rename it; the front's own file is a member of it."""
        path = Path(path)
        with tempfile.TemporaryDirectory() as folder:
            self.front.save(Path(folder) / "front.npz")
            front = np.frombuffer((Path(folder) / "front.npz").read_bytes(), np.uint8)
        header = json.dumps({"format": FORMAT, "block": self.spec.to_dict(), "card": self.card}, sort_keys=True)
        arrays = {name: getattr(self, name) for name in ARRAYS}
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            np.savez_compressed(file, header=np.array(header), front=front, **arrays)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path):
        """Read and check a file; raises ``ModelError`` with the reason."""
        path = Path(path)
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data, tempfile.TemporaryDirectory() as folder:
                header = json.loads(str(data["header"]))
                if header["format"] != FORMAT:
                    raise ModelError(f"{path.name} has format {header['format']}, this version reads {FORMAT}; train anew")
                (Path(folder) / "front.npz").write_bytes(data["front"].tobytes())
                front = QuantisedModel.load(Path(folder) / "front.npz")
                arrays = {name: data[name] for name in ARRAYS}
                return cls(front, BlockSpec.from_dict(header["block"]), **arrays, card=header["card"])
        except FileNotFoundError:
            raise ModelError(f"no trained model at {path}; train one or name another file") from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NetworkError) as error:
            raise ModelError(f"{path.name} is not a whole model file ({error}); fetch or export it again") from error


ARRAYS = ("drive", "weight", "bias", "class_weight", "class_bias")


def pad_images(images, side):
    """Images uint8 (n, C, H, W) in the middle of a black square of ``side`` pixels."""
    before = [(side - size) // 2 for size in images.shape[2:]]
    after = [side - size - first for size, first in zip(images.shape[2:], before, strict=True)]
    return np.pad(images, ((0, 0), (0, 0), *zip(before, after, strict=True)))
