"""Core configurations: what a person chooses, what follows from it, and the named presets."""

import math
from dataclasses import asdict, dataclass

from ..errors import LimitError

PARAMETER_BITS = 16
"""Signed bits of a scale and of a bias."""
POTENTIAL_BITS = 12
"""Signed bits of a membrane potential; it saturates there (real +-32 at k = 5)."""
SCORE_BITS = 32
"""Signed bits of a class score."""
PIXEL_BITS = 8
"""Bits of a pixel, so bit planes of the image."""
WINDOWS = 4
"""Windows of a map, and pixels that the array works on at a time."""


@dataclass(frozen=True)
class HwConfig:
    """Sizes of one core.

    Attributes: ``lanes`` input channels per spike word; ``outputs`` channels per weight block;
    ``weight_bits`` of the array; ``k`` with threshold 2**k; ``acc_bits`` of an accumulator; ``tile``
    positions per accumulator bank; ``spike_words``, ``weight_words``, ``channels`` (scale and bias
    entries), ``layers``, ``tables``, ``potential_words``, ``condense_words`` depths of the memories;
    ``clock_mhz`` the clock the board is meant to run at.
    """

    name: str
    lanes: int
    outputs: int
    tile: int
    spike_words: int
    weight_words: int
    channels: int
    layers: int
    tables: int
    potential_words: int
    condense_words: int
    weight_bits: int = 4
    k: int = 5
    acc_bits: int = 20
    clock_mhz: int = 100

    def __post_init__(self):
        if self.lanes % self.outputs:
            raise LimitError(
                f"configuration {self.name!r}: lanes {self.lanes} must be a multiple of outputs {self.outputs}"
            )
        if not 2 <= self.weight_bits <= 8:
            raise LimitError(f"configuration {self.name!r}: weight_bits must be 2 to 8, not {self.weight_bits}")

    def to_dict(self):
        """Plain dictionary of the chosen sizes."""
        return asdict(self)

    @property
    def peak_sop(self):
        """Gated adds per cycle of the array."""
        return WINDOWS * self.lanes * self.outputs

    @property
    def weight_word_bits(self):
        """A weight word: one output channel's weights for all lanes, lane 0 lowest."""
        return self.lanes * self.weight_bits

    @property
    def weight_program_words(self):
        """Program words (32 bits) of one weight word."""
        return math.ceil(self.weight_word_bits / 32)

    @property
    def sum_bits(self):
        """Signed bits of the array's partial sum over all lanes."""
        return self.weight_bits + math.ceil(math.log2(self.lanes))

    @property
    def table_words(self):
        """Entries of one Omega table: 16 TH."""
        return 1 << (self.k + 4)

    @property
    def table_bits(self):
        """Signed bits of a table entry: amplitudes up to 4 TH."""
        return self.k + 3


PRESETS = {
    config.name: config
    for config in (
        HwConfig(
            "tiny", lanes=8, outputs=4, tile=16, spike_words=2048, weight_words=4096, channels=128,
            layers=8, tables=2, potential_words=2048, condense_words=256,
        ),
        HwConfig(
            "arty-a7-35t", lanes=16, outputs=16, tile=32, spike_words=3072, weight_words=17408, channels=640,
            layers=16, tables=4, potential_words=3072, condense_words=256,
        ),
    )
}  # fmt: skip


def preset(name):
    """The named configuration; raises ``LimitError`` that lists the names."""
    try:
        return PRESETS[name]
    except KeyError:
        raise LimitError(f"no core configuration {name!r}; choose one of {sorted(PRESETS)}") from None
