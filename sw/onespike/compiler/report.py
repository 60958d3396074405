"""What a program costs: the table per layer, and what the cycle counter should show."""

from dataclasses import asdict, dataclass, field

from ..contract.config import PIXEL_BITS, WINDOWS
from ..contract.isa import LAYER_WORDS
from .layout import chain_side, scan_frame

# Cycles per position that the drain needs beside its channels, and per layer outside the array: the
# descriptor's words, and the pipelines between sequencer and condenser.
DRAIN_OVERHEAD = 6
LAYER_OVERHEAD = LAYER_WORDS + 30


@dataclass(frozen=True)
class LayerReport:
    """One row. SOP: gated adds of real synapses, padding included, every bit plane counted."""

    name: str
    shape: str
    mode: str
    weights: int
    dense_sop: int
    cycles: int
    utilisation: float
    acc_bits: int
    spike_words: int
    potential_words: int


@dataclass
class Report:
    """All rows and totals; ``memory`` maps a memory to (used, available)."""

    config: str
    peak_sop: int
    clock_mhz: int
    image_cycles: int
    layers: list[LayerReport] = field(default_factory=list)
    memory: dict = field(default_factory=dict)

    @property
    def dense_sop(self):
        return sum(layer.dense_sop for layer in self.layers)

    @property
    def cycles(self):
        return self.image_cycles + sum(layer.cycles for layer in self.layers)

    @property
    def utilisation(self):
        return self.dense_sop / (self.cycles * self.peak_sop)

    @property
    def weights(self):
        return sum(layer.weights for layer in self.layers)

    def to_dict(self):
        """Plain dictionary."""
        return asdict(self) | {
            "dense_sop": self.dense_sop,
            "predicted_cycles": self.cycles,
            "utilisation": self.utilisation,
            "weights": self.weights,
        }

    def table(self):
        """The report as text."""
        head = f"{'layer':<14}{'shape':<22}{'mode':<32}{'weights':>8}{'M SOP':>8}{'cycles':>8}{'util':>7}"
        lines = [head + f"{'acc':>5}{'spikes':>8}{'potentials':>12}"]
        for row in self.layers:
            what = f"{row.name:<14}{row.shape:<22}{row.mode:<32}{row.weights:>8}{row.dense_sop / 1e6:>8.2f}"
            cost = f"{row.cycles:>8}{100 * row.utilisation:>6.0f}%{row.acc_bits:>5}{row.spike_words:>8}"
            lines.append(f"{what}{cost}{row.potential_words:>12}")
        lines.append(f"{'image in':<84}{self.image_cycles:>8}")
        total = f"{'total':<68}{self.weights:>8}{self.dense_sop / 1e6:>8.2f}{self.cycles:>8}"
        lines.append(f"{total}{100 * self.utilisation:>6.0f}%")
        fps = self.clock_mhz * 1e6 / self.cycles
        lines.append(
            f"{self.config}: peak {self.peak_sop} SOP/cycle; predicted {fps:.0f} core frames/s at {self.clock_mhz} MHz"
        )
        lines += [
            f"  {name:<16}{used:>8} of {room:>8} ({100 * used / room:.0f} %)"
            for name, (used, room) in self.memory.items()
        ]
        return "\n".join(lines)


def tiles(positions, config):
    """Positions of each tile."""
    return [min(config.tile, positions - start) for start in range(0, positions, config.tile)]


def array_cycles(positions, blocks, channels, config):
    """Cycles in which the array is taken: a block lasts as long as its positions or its weights' loading."""
    groups = -(-channels // config.outputs)
    return groups * blocks * sum(max(tile, config.outputs) for tile in tiles(positions, config))


def drain_cycles(positions, channels, config):
    """Cycles of the drain for a whole layer."""
    groups = -(-channels // config.outputs)
    return positions * (channels + groups * DRAIN_OVERHEAD)


def layer_row(spec, index, config, layer, maps, bits):
    """The row of a spiking layer."""
    entry, channels, _, side, skip = spec.geometry()[index]
    taps = channels * entry.kernel**2
    planes = maps[index].planes
    skip_channels, skip_planes = (maps[skip + 1].channels, maps[skip + 1].planes) if skip is not None else (0, 0)
    positions = scan_frame(entry, side, config)[0] ** 2
    sop = entry.channels * positions * WINDOWS * (taps * planes + skip_channels * skip_planes)
    blocks = layer["main"]["groups"] * entry.kernel**2 * planes + layer["shortcut"]["groups"] * skip_planes
    array = array_cycles(positions, blocks, entry.channels, config)
    chain = chain_side(entry, side) ** 2
    drain = drain_cycles(chain, entry.channels, config)
    # The last tile drains while the array has nothing left to do.
    last_group = entry.channels - (entry.channels - 1) // config.outputs * config.outputs
    last_tile = chain if layer["gather"] else tiles(positions, config)[-1]
    tail = last_tile * (last_group + DRAIN_OVERHEAD)
    first_tile = array / (-(-entry.channels // config.outputs) * len(tiles(positions, config)))
    cycles = round(max(array + tail, drain + first_tile)) + LAYER_OVERHEAD
    mode = entry.windows.name.lower() + (f" {entry.padding.name.lower()}" if entry.windows.value else "")
    mode += f" {entry.carry.name.lower()}" if entry.carry.value else ""
    mode += " msp" if entry.condense.value else ""
    return LayerReport(
        name=entry.name,
        shape=f"{channels}->{entry.channels} {entry.kernel}x{entry.kernel}/{entry.stride} @{side}",
        mode=mode + (" gather" if layer["gather"] else "") + (f" +{entry.shortcut}" if skip is not None else ""),
        weights=entry.channels * (taps + skip_channels),
        dense_sop=sop,
        cycles=cycles,
        utilisation=sop / (cycles * config.peak_sop),
        acc_bits=bits,
        spike_words=maps[index + 1].words,
        potential_words=chain * entry.channels if layer["store"] else 0,
    )


def classifier_row(spec, config, origin, bits):
    """The row of the classifier."""
    positions = (origin.side // 2) ** 2
    sop = spec.classes * origin.side**2 * origin.channels * origin.planes
    array = array_cycles(positions, origin.groups * origin.planes, spec.classes, config)
    cycles = array + drain_cycles(positions, spec.classes, config) + LAYER_OVERHEAD
    return LayerReport(
        name="classifier",
        shape=f"{origin.channels}->{spec.classes} 1x1 @{origin.side}",
        mode="score",
        weights=spec.classes * origin.channels,
        dense_sop=sop,
        cycles=cycles,
        utilisation=sop / (cycles * config.peak_sop),
        acc_bits=bits,
        spike_words=0,
        potential_words=0,
    )


def image_cycles(spec, config):
    """Cycles in which an image streams in: its bytes, or eight planes of every word."""
    channels, side, _ = spec.input_shape
    words = [min(config.lanes, channels - start) for start in range(0, channels, config.lanes)]
    return side**2 * sum(max(count, PIXEL_BITS) for count in words)
