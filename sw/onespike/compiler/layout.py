"""Where everything lies: spike maps by lifetime, weights and parameters in order, descriptors."""

from dataclasses import dataclass

from ..contract.config import PIXEL_BITS
from ..contract.isa import Carry, Condense, Op, Padding, Windows
from ..errors import LimitError

ABSENT = dict.fromkeys(
    ("top", "planes", "plane_step", "groups", "kernel", "stride", "side", "group_step", "window", "offset",
     "offset_rows", "row_step"), 0
)  # fmt: skip


@dataclass(frozen=True)
class Map:
    """A spike map in memory: ``base`` first word, ``channels``, ``side`` in pixels, bit ``planes``."""

    base: int
    channels: int
    side: int
    planes: int
    lanes: int

    @property
    def groups(self):
        return -(-self.channels // self.lanes)

    @property
    def words(self):
        return self.planes * self.groups * self.side**2


def place_maps(spec, config):
    """[image map, map of layer 0, ...], each where no map that is still to be read lies.

    A map lives from the layer that writes it to the last layer that reads it; first fit.
    Raises ``LimitError`` naming the layer whose map finds no room.
    """
    channels, side, _ = spec.input_shape
    geometry = spec.geometry()
    shapes = [(channels, side, PIXEL_BITS)]
    shapes += [(layer.channels, out, layer.condense.planes) for layer, _, _, out, _ in geometry]
    last_reader = list(range(len(geometry) + 1))  # map i is read by layer i (the classifier at the end)
    for index, (*_, source) in enumerate(geometry):
        if source is not None:
            last_reader[source + 1] = max(last_reader[source + 1], index)
    placed = []
    for index, shape in enumerate(shapes):
        # Map ``index`` is written by layer index-1, while maps that this layer or a later one reads live.
        live = sorted(
            (m.base, m.base + m.words) for m, last in zip(placed, last_reader, strict=False) if last >= index - 1
        )
        fresh = Map(0, *shape, config.lanes)
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
        placed.append(Map(base, *shape, config.lanes))
    return placed


def gathers(layer, side, config):
    """Whether the chain of a dilated layer can pick its pixels from quadrant sums."""
    return layer.windows is Windows.D and layer.padding is Padding.MAP and (side // 2) ** 2 <= config.tile


def scan_frame(layer, side, config):
    """(side, offset) of the windows that the array walks, in output pixels."""
    if layer.windows is Windows.D and not gathers(layer, side, config):
        return 3 * side // 4, side // 4
    return side // 2, side // 2


def chain_side(layer, side):
    """Side of the windows that the carry chain walks, in output pixels."""
    return 3 * side // 4 if layer.windows is Windows.D else side // 2


def source(origin, kernel, stride, frame):
    """Fields of ``isa.Source`` for a map read with ``kernel`` and ``stride`` in windows ``frame``."""
    scan_side, offset = frame
    area = origin.side**2
    return {
        "top": origin.base + (origin.planes - 1) * origin.groups * area,
        "planes": origin.planes,
        "plane_step": origin.groups * area,
        "groups": origin.groups,
        "kernel": kernel,
        "stride": stride,
        "side": origin.side,
        "group_step": area,
        "window": stride * scan_side,
        "offset": stride * offset,
        "offset_rows": stride * offset * origin.side,
        "row_step": stride * origin.side,
    }


def describe(spec, config, maps):
    """Dictionaries of ``isa.Layer`` fields, the classifier last."""
    geometry = spec.geometry()
    layers, weights, parameters, tables = [], 0, 0, 0
    for index, (layer, _, _, out, skip) in enumerate(geometry):
        frame = scan_frame(layer, out, config)
        main = source(maps[index], layer.kernel, layer.stride, frame)
        shortcut = ABSENT
        if skip is not None:
            shortcut = source(maps[skip + 1], 1, maps[skip + 1].side // out, frame)
        following = geometry[index + 1][0] if index + 1 < len(geometry) else None
        target = maps[index + 1]
        main_words = layer.kernel**2 * main["groups"] * config.outputs
        layers.append(
            {
                "op": Op.SPIKE,
                "windows": layer.windows,
                "padding": Padding.MAP if layer.windows is Windows.NONE else layer.padding,
                "carry": layer.carry,
                "condense": layer.condense,
                "gather": int(gathers(layer, out, config)),
                "store": int(following is not None and following.carry.takes_previous),
                "table": tables if layer.carry is Carry.OMEGA else 0,
                "main": main,
                "shortcut": shortcut,
                "scan_side": frame[0],
                "side": out,
                "channels": layer.channels,
                "base": target.base,
                "group_step": out**2,
                "plane_step": target.groups * out**2,
                "weights": weights,
                "shortcut_weights": main_words,
                "group_weights": main_words + shortcut["groups"] * config.outputs,
                "parameters": parameters,
            }
        )
        tables += layer.carry is Carry.OMEGA
        weights += -(-layer.channels // config.outputs) * layers[-1]["group_weights"]
        parameters += layer.channels
    layers.append(_classifier(spec, config, maps[-1], weights, parameters))
    return layers


def _classifier(spec, config, origin, weights, parameters):
    side = origin.side
    return {
        "op": Op.SCORE,
        "windows": Windows.NONE,
        "padding": Padding.MAP,
        "carry": Carry.NONE,
        "condense": Condense.OR,
        "gather": 0,
        "store": 0,
        "table": 0,
        "shift": 0,
        "main": source(origin, 1, 1, (side // 2, side // 2)),
        "shortcut": ABSENT,
        "scan_side": side // 2,
        "side": side,
        "channels": spec.classes,
        "base": 0,
        "group_step": 0,
        "plane_step": 0,
        "weights": weights,
        "shortcut_weights": 0,
        "group_weights": origin.groups * config.outputs,
        "parameters": parameters,
    }
