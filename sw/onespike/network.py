"""Network descriptions: what a network is, before any weight exists.

A description is a TOML file (see ``networks/``): one ``[[layer]]`` table per convolution, in order,
and a classifier at the end. The same description builds the PyTorch model, is stored inside the
trained model file, and drives the compiler.
"""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from .contract import arith
from .contract.isa import Carry, Condense, Padding, Windows
from .errors import NetworkError
from .images import arrange

TABLES = ("sine", "learnt", "inside")
"""What an Omega carry is: Eq. 5 of paper A with a learnt gain, a learnt table, or the form of the paper's published
code (the cosine inside the sine), which no table holds, so that no core runs it."""
ENCODINGS = ("planes", "threshold", "bernoulli")
"""What becomes of a pixel: its eight bit planes, one bit by comparison with a half, or one drawn at random."""
LEVELS = (1, arith.TOP_LEVEL, 255)
"""Largest levels that a neuron fires: spikes, paper B's levels, and the 8-bit activations of an ANN (no core runs them)."""
NETWORKS = Path(__file__).parent / "networks"
DEFAULT = "levels-cifar10"
"""The network to use where none is named: the most accurate one that the Arty A7-35T's core holds."""
REFERENCE = "arty-cifar10"
"""The committed network of spikes alone: fewer cycles, less accurate; cores and links are compared with it."""


@dataclass(frozen=True)
class LayerSpec:
    """One spiking convolution layer.

    Attributes: ``channels`` outputs; ``kernel`` 1 or 3; ``stride`` 1 or 2; ``windows`` and
    ``padding`` as in paper A (section 3.1); ``carry`` between the windows; ``condense`` of the
    overlapping windows; ``shortcut`` the name of an earlier layer whose spikes are added through a
    1x1 convolution (same accumulator, so no real value passes between layers); ``levels`` the largest
    level that a neuron fires, 1 (spikes) or 3 (paper B, windows none or N); ``weight_bits`` where it has fewer
    than the network; ``table`` of an Omega carry: the ``sine`` of Eq. 5 with ``theta``, or one that is ``learnt``.
    """

    name: str
    channels: int
    kernel: int = 3
    stride: int = 1
    windows: Windows = Windows.NONE
    padding: Padding = Padding.MAP
    carry: Carry = Carry.NONE
    condense: Condense = Condense.OR
    shortcut: str | None = None
    levels: int = 1
    weight_bits: int | None = None
    table: str = "sine"
    theta: float = 0.5

    @property
    def top(self):
        """Largest level of an output pixel."""
        return self.condense.top if self.condense is Condense.MSP else self.levels

    @property
    def planes(self):
        """Bit planes of an output pixel."""
        return self.top.bit_length()


@dataclass(frozen=True)
class NetworkSpec:
    """A whole network: input shape after patching, layers, classes.

    ``patch`` p turns an image of (C, H, W) into (p*p*C, H/p, W/p): pixels of a p x p patch become
    channels. The host does it while it streams the image; the core sees channels. ``steps`` 2 or 4: the windows
    of every layer are time steps and each holds the whole image (of two steps there are two equal pairs); the
    carry is then what a neuron keeps from one step to the next. ``groups`` (paper A's g): windows of one chain, 4, or 2
    - left to right, the upper and the lower pair each for itself; with padding ``map`` that is what two windows of the
    whole height do.
    """

    name: str
    image: tuple[int, int, int]
    classes: int
    layers: tuple[LayerSpec, ...]
    patch: int = 1
    weight_bits: int = 4
    k: int = 5
    steps: int = 1
    groups: int = 4
    encoding: str = "planes"
    labels: tuple[str, ...] = field(default=())

    @property
    def input_shape(self):
        """(channels, height, width) of the patched image."""
        channels, height, width = self.image
        copies = 1 if self.steps == 1 else 2
        return channels * self.patch**2, copies * height // self.patch, copies * width // self.patch

    @property
    def pairs(self):
        """Whether windows hand their potential on in two chains of two, not in one of four."""
        return self.steps == 2 or self.groups == 2

    def arrange(self, images):
        """Images uint8 (n, C, H, W) as the core takes them, (n, *input_shape)."""
        return arrange(images, self.patch, self.steps, self.encoding)

    def geometry(self):
        """List of (layer, input channels, input side, output side, shortcut layer index or None)."""
        channels, side, _ = self.input_shape
        names, sides, result = {}, [], []
        for index, layer in enumerate(self.layers):
            out = side // layer.stride
            source = names[layer.shortcut] if layer.shortcut is not None else None
            result.append((layer, channels, side, out, source))
            names[layer.name] = index
            sides.append(out)
            channels, side = layer.channels, out
        return result

    def to_dict(self):
        """Plain dictionary (JSON and TOML types only); ``from_dict`` is its inverse."""
        plain = asdict(self)
        for layer in plain["layers"]:
            for key in ("windows", "padding", "carry", "condense"):
                layer[key] = layer[key].name.lower()
        return plain

    @classmethod
    def from_dict(cls, plain):
        """Build and check a description; raises ``NetworkError`` that names the layer."""
        try:
            plain = dict(plain)
            layers = tuple(_layer(entry) for entry in plain.pop("layers"))
            known = {f.name for f in fields(cls)}
            if extra := set(plain) - known:
                raise NetworkError(f"network: unknown setting {sorted(extra)[0]!r}; known are {sorted(known)}")
            plain["image"] = tuple(plain["image"])
            plain["labels"] = tuple(plain.get("labels", ()))
            spec = cls(layers=layers, **plain)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NetworkError(f"network description is incomplete or malformed: {error}") from error
        spec.check()
        return spec

    @classmethod
    def load(cls, source):
        """Read a description by name (``levels-cifar10``) or from a TOML file."""
        plain = read_description(source)
        if "recurrent" in plain:
            raise NetworkError(f"{source} has a [recurrent] table; 'onespike train-recurrent' takes it")
        return cls.from_dict(plain)

    def check(self):
        """Raise ``NetworkError`` where the description contradicts itself."""
        channels, height, width = self.image
        if min(channels, height, width, self.patch) < 1 or height != width or height % self.patch:
            raise NetworkError(
                f"image {self.image} with patch {self.patch}: the image must be square and the patch divide it"
            )
        if not 2 <= self.weight_bits <= 8:
            raise NetworkError(f"weight_bits must be 2 to 8, not {self.weight_bits}")
        if self.steps not in (1, 2, 4):
            raise NetworkError(f"steps must be 1, 2 or 4, not {self.steps}")
        if self.groups not in (2, 4) or (self.groups == 2 and self.steps > 1):
            raise NetworkError(f"groups must be 4, or without time steps 2, not {self.groups}")
        if self.encoding not in ENCODINGS:
            raise NetworkError(f"encoding must be one of {', '.join(ENCODINGS)}, not {self.encoding!r}")
        if self.labels and len(self.labels) != self.classes:
            raise NetworkError(f"{len(self.labels)} labels for {self.classes} classes; they must match")
        if self.classes < 2 or not self.layers:
            raise NetworkError("a network needs at least one layer and two classes")
        seen, side = {}, self.input_shape[1]
        previous = None
        for layer in self.layers:
            here = f"layer {layer.name!r}"
            if layer.name in seen:
                raise NetworkError(f"{here}: the name is used twice")
            if layer.kernel not in (1, 3) or layer.stride not in (1, 2) or layer.channels < 1:
                raise NetworkError(f"{here}: kernel must be 1 or 3, stride 1 or 2, channels at least 1")
            out = side // layer.stride
            need = 4 if layer.windows is Windows.D else 2
            if side % layer.stride or out % need or out < need:
                raise NetworkError(f"{here}: output side {side}/{layer.stride} must be a multiple of {need}")
            if layer.carry is not Carry.NONE and layer.windows is Windows.NONE:
                raise NetworkError(f"{here}: carry {layer.carry.name.lower()} needs windows N or D")
            if layer.carry.takes_previous and (
                previous is None
                or (previous.windows, previous.channels, seen[previous.name]) != (layer.windows, layer.channels, out)
            ):
                raise NetworkError(
                    f"{here}: carry {layer.carry.name.lower()} needs a layer before it with the same windows, channels and side"
                )
            if self.steps > 1 and (layer.windows is not Windows.N or layer.padding is not Padding.WINDOW):
                raise NetworkError(f"{here}: time steps need windows n and padding window in every layer")
            if layer.levels not in LEVELS:
                raise NetworkError(f"{here}: levels must be one of {LEVELS}, not {layer.levels}")
            if layer.levels > 1 and layer.windows is Windows.D:
                raise NetworkError(f"{here}: levels need windows none or n")
            if not isinstance(layer.theta, (int, float)) or not 0 < layer.theta <= 2:
                raise NetworkError(f"{here}: theta must be a number above 0 and up to 2, not {layer.theta!r}")
            if layer.weight_bits is not None and not isinstance(layer.weight_bits, int):
                raise NetworkError(f"{here}: weight_bits must be a whole number, not {layer.weight_bits!r}")
            if layer.weight_bits is not None and not 1 <= layer.weight_bits <= self.weight_bits:
                raise NetworkError(
                    f"{here}: weight_bits must be 1 to the network's {self.weight_bits}, not {layer.weight_bits}"
                )
            if layer.table not in TABLES or (layer.table != "sine" and layer.carry is not Carry.OMEGA):
                raise NetworkError(f"{here}: table must be one of {', '.join(TABLES)}, and belongs to carry omega")
            if layer.condense is Condense.MSP and layer.windows is not Windows.D:
                raise NetworkError(f"{here}: condense msp needs dilated windows (D)")
            if layer.shortcut is not None:
                if layer.shortcut not in seen:
                    raise NetworkError(f"{here}: shortcut {layer.shortcut!r} is not an earlier layer")
                if seen[layer.shortcut] not in (out, 2 * out):
                    raise NetworkError(
                        f"{here}: shortcut {layer.shortcut!r} has side {seen[layer.shortcut]}, needs {out} or {2 * out}"
                    )
            seen[layer.name], side, previous = out, out, layer


def read_description(source):
    """What a TOML file says, by name or path, its layers under ``layers``. Raises ``NetworkError``."""
    path = Path(source)
    if not path.suffix:
        path = NETWORKS / f"{source}.toml"
    try:
        plain = tomllib.loads(path.read_text())
    except FileNotFoundError:
        known = sorted(p.stem for p in NETWORKS.glob("*.toml"))
        raise NetworkError(f"no network description {str(source)!r}; give a .toml file or one of {', '.join(known)}") from None
    except tomllib.TOMLDecodeError as error:
        raise NetworkError(f"{path.name} is not valid TOML: {error}") from error
    plain["layers"] = plain.pop("layer", [])
    return plain


def _layer(entry):
    entry = dict(entry)
    for key, kind in (("windows", Windows), ("padding", Padding), ("carry", Carry), ("condense", Condense)):
        if key in entry:
            try:
                entry[key] = kind[str(entry[key]).upper()]
            except KeyError:
                choices = ", ".join(member.name.lower() for member in kind)
                raise NetworkError(
                    f"layer {entry.get('name')!r}: {key} {entry[key]!r} is not one of {choices}"
                ) from None
    return LayerSpec(**entry)
