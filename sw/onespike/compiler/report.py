"""What a program costs: the table per layer, and what the cycle counter should show."""

from dataclasses import asdict, dataclass, field

from ..contract.config import PIXEL_BITS, WINDOWS
from .layout import kept_potentials


@dataclass(frozen=True)
class LayerReport:
    """One row. SOP: gated adds of real synapses, padding included, every bit plane counted.

    ``cycles`` from the array's turn to the layer to its turn to the next; ``beats`` cycles in which it takes spikes,
    the last of them when it has turned to the next.
    """

    name: str
    shape: str
    mode: str
    weights: int
    dense_sop: int
    cycles: int
    beats: int
    utilisation: float
    acc_bits: int
    spike_words: int
    potential_words: int


@dataclass
class Report:
    """All rows and totals; ``memory`` maps a memory to (used, available).

    ``cycles`` per image where one follows the other, ``latency`` of a single one, ``image_cycles`` in which an
    image arrives: while the one before is computed.
    """

    config: str
    peak_sop: int
    clock_mhz: int
    cycles: float
    latency: int
    image_cycles: int
    layers: list[LayerReport] = field(default_factory=list)
    memory: dict = field(default_factory=dict)

    @property
    def dense_sop(self):
        return sum(layer.dense_sop for layer in self.layers)

    @property
    def utilisation(self):
        return self.dense_sop / (self.cycles * self.peak_sop)

    @property
    def frames_per_second(self):
        return self.clock_mhz * 1e6 / self.cycles

    @property
    def weights(self):
        return sum(layer.weights for layer in self.layers)

    def to_dict(self):
        """Plain dictionary."""
        return asdict(self) | {
            "dense_sop": self.dense_sop,
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
        total = f"{'an image':<68}{self.weights:>8}{self.dense_sop / 1e6:>8.2f}{self.cycles:>8.0f}"
        lines.append(f"{total}{100 * self.utilisation:>6.0f}%")
        lines.append(
            f"{self.config}: peak {self.peak_sop} SOP/cycle; predicted {self.frames_per_second:.0f} core frames/s at "
            f"{self.clock_mhz} MHz, {self.latency} cycles for a single image, {self.image_cycles} of them to arrive"
        )
        lines += [
            f"  {name:<16}{used:>8} of {room:>8} ({100 * used / room:.0f} %)"
            for name, (used, room) in self.memory.items()
        ]
        return "\n".join(lines)


def layer_row(spec, index, config, layer, maps, bits, cycles, beats):
    """The row of a spiking layer."""
    entry, channels, _, side, skip = spec.geometry()[index]
    taps = channels * entry.kernel**2
    planes = maps[index].planes
    skip_channels, skip_planes = (maps[skip + 1].channels, maps[skip + 1].planes) if skip is not None else (0, 0)
    sop = entry.channels * layer["positions"] * WINDOWS * (taps * planes + skip_channels * skip_planes)
    mode = entry.windows.name.lower() + (f" {entry.padding.name.lower()}" if entry.windows.value else "")
    mode += f" {entry.carry.name.lower()}" if entry.carry.value else ""
    mode += " msp" if entry.condense.value else ""
    mode += " levels" if layer["levels"] else ""
    return LayerReport(
        name=entry.name,
        shape=f"{channels}->{entry.channels} {entry.kernel}x{entry.kernel}/{entry.stride} @{side}",
        mode=mode + (" scan" if layer["scan"] else "") + (f" +{entry.shortcut}" if skip is not None else ""),
        weights=entry.channels * (taps + skip_channels),
        dense_sop=sop,
        cycles=cycles,
        beats=beats,
        utilisation=sop / (cycles * config.peak_sop),
        acc_bits=bits,
        spike_words=maps[index + 1].words,
        potential_words=kept_potentials(entry, side, config) if layer["store"] else 0,
    )


def classifier_row(spec, config, origin, bits, cycles, beats):
    """The row of the classifier."""
    sop = spec.classes * origin.side**2 * origin.channels * origin.planes
    return LayerReport(
        name="classifier",
        shape=f"{origin.channels}->{spec.classes} 1x1 @{origin.side}",
        mode="score",
        weights=spec.classes * origin.channels,
        dense_sop=sop,
        cycles=cycles,
        beats=beats,
        utilisation=sop / (cycles * config.peak_sop),
        acc_bits=bits,
        spike_words=0,
        potential_words=0,
    )


def image_cycles(spec, config):
    """Cycles in which an image streams in: its bytes, or eight planes of every word."""
    channels, side, _ = spec.input_shape
    words = [min(config.word, channels - start) for start in range(0, channels, config.word)]
    return side**2 * sum(max(count, PIXEL_BITS) for count in words)
