"""Where everything lies: spike maps by lifetime, weights and parameters in order, descriptors."""

from dataclasses import dataclass

from ..contract.config import PIXEL_BITS, TAPS
from ..contract.isa import Carry, Condense, Op, Padding, Windows
from ..contract.program import group_step
from ..errors import LimitError

ABSENT = dict.fromkeys(
    ("top", "planes", "plane_step", "groups", "kernel", "stride", "fresh", "half", "area", "group_step", "row_step",
     "window", "offset", "offset_rows"), 0
)  # fmt: skip


@dataclass(frozen=True)
class Map:
    """A spike map in memory: ``base`` first word, ``channels``, ``side`` in pixels, bit ``planes``."""

    base: int
    channels: int
    side: int
    planes: int
    word: int

    @property
    def groups(self):
        return -(-self.channels // self.word)

    @property
    def group_step(self):
        return group_step((self.side // 2) ** 2)

    @property
    def words(self):
        return self.planes * self.groups * self.group_step


def place_maps(spec, config):
    """[image map, map of layer 0, ...], each where no map that is still to be read lies.

    A map lives from the layer that writes it to the last layer that reads it; first fit. The image's
    map is never shared: the next image arrives while the layers run.
    Raises ``LimitError`` naming the layer whose map finds no room.
    """
    channels, side, _ = spec.input_shape
    geometry = spec.geometry()
    shapes = [(channels, side, PIXEL_BITS)]
    shapes += [(layer.channels, out, layer.planes) for layer, _, _, out, _ in geometry]
    last_reader = list(range(len(geometry) + 1))  # map i is read by layer i (the classifier at the end)
    for index, (*_, source) in enumerate(geometry):
        if source is not None:
            last_reader[source + 1] = max(last_reader[source + 1], index)
    placed = []
    for index, shape in enumerate(shapes):
        # Map ``index`` is written by layer index-1, while maps that this layer or a later one reads live.
        live = sorted(
            (m.base, m.base + m.words)
            for number, (m, last) in enumerate(zip(placed, last_reader, strict=False))
            if last >= index - 1 or number == 0
        )
        fresh = Map(0, *shape, config.word)
        base = 0
        for start, end in live:
            if base + fresh.words <= start:
                break
            base = max(base, end)
        if base + fresh.words > config.spike_words:
            name = "image" if index == 0 else f"layer {geometry[index - 1][0].name!r}"
            raise LimitError(
                f"{name}: its spike map of {fresh.words} words ends at word {base + fresh.words}, the spike memory of "
                f"{config.name} has {config.spike_words}; use fewer channels or a smaller map"
            )
        placed.append(Map(base, *shape, config.word))
    return placed


def scans(layer, side, config):
    """Whether the array has to walk dilated windows; otherwise they pick their pixels from quadrant sums."""
    fits = layer.padding is Padding.MAP and (side // 2) ** 2 <= config.tile
    return layer.windows is Windows.D and not fits


def scan_side(layer, side, config):
    """Side of the windows that the array walks, in output pixels."""
    return 3 * side // 4 if scans(layer, side, config) else side // 2


def chain_side(layer, side):
    """Side of the windows that the carry chain walks, in output pixels."""
    return 3 * side // 4 if layer.windows is Windows.D else side // 2


def kept_potentials(layer, side, config):
    """Words of the potential memory that a layer fills whose potentials are kept."""
    return chain_side(layer, side) ** 2 * -(-layer.channels // config.outputs) * config.slots


def source(origin, kernel, stride, window, fresh):
    """Fields of ``isa.Source`` for a map read with ``kernel`` and ``stride`` in windows of side ``window``."""
    half = origin.side // 2
    offset = origin.side - stride * window
    return {
        "top": origin.base + (origin.planes - 1) * origin.groups * origin.group_step,
        "planes": origin.planes,
        "plane_step": origin.groups * origin.group_step,
        "groups": origin.groups,
        "kernel": kernel,
        "stride": stride,
        "fresh": int(fresh),
        "half": half,
        "area": half**2,
        "group_step": origin.group_step,
        "row_step": stride * half,
        "window": stride * window,
        "offset": offset,
        "offset_rows": offset * half,
    }


def source_blocks(fields):
    """Weight blocks of a source, per output group and plane."""
    return fields["groups"] * TAPS if fields["kernel"] == 3 else -(-fields["groups"] // TAPS)


def describe(spec, config, maps):
    """Dictionaries of ``isa.Layer`` fields, the classifier last."""
    geometry = spec.geometry()
    layers, weights, parameters, tables = [], 0, 0, 0
    for index, (layer, _, _, out, skip) in enumerate(geometry):
        window = scan_side(layer, out, config)
        main = source(maps[index], layer.kernel, layer.stride, window, index > 0)
        shortcut = ABSENT
        if skip is not None:
            shortcut = source(maps[skip + 1], 1, maps[skip + 1].side // out, window, skip + 1 == index)
        following = geometry[index + 1][0] if index + 1 < len(geometry) else None
        target = maps[index + 1]
        layers.append(
            {
                "op": Op.SPIKE,
                "windows": layer.windows,
                "padding": Padding.MAP if layer.windows is Windows.NONE else layer.padding,
                "carry": layer.carry,
                "condense": layer.condense,
                "levels": int(layer.levels > 1),
                "pairs": int(spec.pairs),
                "scan": int(scans(layer, out, config)),
                "store": int(following is not None and following.carry.takes_previous),
                "table": tables if layer.carry is Carry.OMEGA else 0,
                "main": main,
                "shortcut": shortcut,
                "scan_side": window,
                "positions": window**2,
                "half": out // 2,
                "quarter_words": out // 4 * (out // 2),
                "channels": layer.channels,
                "words": target.groups,
                "base": target.base,
                "group_step": target.group_step,
                "plane_step": target.groups * target.group_step,
                "weights": weights,
                "shortcut_blocks": source_blocks(shortcut),
                "group_blocks": source_blocks(shortcut) + source_blocks(main),
                "parameters": parameters,
            }
        )
        tables += layer.carry is Carry.OMEGA
        weights += -(-layer.channels // config.outputs) * layers[-1]["group_blocks"]
        parameters += parameter_entries(layer.channels, config)
    layers.append(_classifier(spec, maps[-1], weights, parameters))
    return layers


def parameter_entries(channels, config):
    """Scale and bias entries of a layer: whole words of ``neurons``."""
    return channels + -channels % config.neurons


def _classifier(spec, origin, weights, parameters):
    side = origin.side
    main = source(origin, 1, 1, side // 2, True)
    return {
        "op": Op.SCORE,
        "windows": Windows.NONE,
        "padding": Padding.MAP,
        "carry": Carry.NONE,
        "condense": Condense.OR,
        "levels": 0,
        "pairs": 0,
        "scan": 0,
        "store": 0,
        "table": 0,
        "shift": 0,
        "main": main,
        "shortcut": ABSENT,
        "scan_side": side // 2,
        "positions": (side // 2) ** 2,
        "half": side // 2,
        "quarter_words": 0,
        "channels": spec.classes,
        "words": 0,
        "base": 0,
        "group_step": 0,
        "plane_step": 0,
        "weights": weights,
        "shortcut_blocks": 0,
        "group_blocks": source_blocks(main),
        "parameters": parameters,
    }
