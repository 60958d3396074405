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
TAPS = 3
"""Spike words that every window reads per cycle: a kernel row, or three channel words of a 1x1 kernel."""
GROUP = 4
"""Inputs of one subset-sum table; weight words hold one input of every group."""
SIMD_BITS = 12
"""Bits of each of the four sums of a DSP block of array ``da-simd``; they wrap and do not touch one another."""
CHAINED = 2
"""Groups that one DSP block of array ``da-simd`` adds to its chain."""
BANKS = 4
"""Banks of the spike memory, by the low bits of a word's address: neighbouring words are read together."""
NEURON_CYCLES = 26
"""Cycles that a neuron is on its way, from the result banks to the queue before the condenser and out of it."""
ADMITTED = 9
"""Cycles from letting a block's spikes start to the first of them at the array."""
ARRAYS = ("tree", "da", "da-simd")
"""Accumulator arrays to choose from; all compute the same sums (``onespike_hw.engine``)."""


@dataclass(frozen=True)
class HwConfig:
    """Sizes of one core.

    Attributes: ``word`` channels per spike word; ``outputs`` channels per weight block; ``neurons``
    channels that the neuron units take per cycle; ``weight_bits`` of the array; ``k`` with threshold
    2**k; ``acc_bits`` of an accumulator; ``tile`` positions per accumulator bank; ``array`` one of
    ``ARRAYS``; ``spike_words`` (of four pixels), ``blocks`` of weights, ``channels`` (scale and bias
    entries), ``layers``, ``tables``, ``potential_words`` (of ``neurons`` channels), ``positions`` of a
    window and ``condense_words`` (pixels of a dilated map) depths of the memories; ``clock_mhz`` the
    clock the board is meant to run at.
    """

    name: str
    word: int
    outputs: int
    tile: int
    spike_words: int
    blocks: int
    channels: int
    layers: int
    tables: int
    potential_words: int
    positions: int
    condense_words: int
    neurons: int = 2
    array: str = "da-simd"
    weight_bits: int = 4
    k: int = 5
    acc_bits: int = 17
    clock_mhz: int = 100

    def __post_init__(self):
        def refuse(why):
            raise LimitError(f"configuration {self.name!r}: {why}")

        def power_of_two(value):
            return value > 0 and value & value - 1 == 0

        for name in ("word", "outputs", "neurons", "blocks", "channels", "potential_words"):
            if getattr(self, name) < 1:
                refuse(f"{name} must be at least 1, not {getattr(self, name)}")
        limits = {"layers": 255, "tables": 16, "spike_words": 1 << 16, "blocks": 1 << 16, "positions": 1 << 12}
        for name, most in limits.items():
            if not 1 <= getattr(self, name) <= most:
                refuse(f"{name} must be 1 to {most}, not {getattr(self, name)}")
        for name in ("tile", "neurons"):
            if not power_of_two(getattr(self, name)):
                refuse(f"{name} must be a power of two, not {getattr(self, name)}")
        if self.condense_words % WINDOWS or not power_of_two(self.condense_words // WINDOWS):
            refuse(f"condense_words must be {WINDOWS} times a power of two, not {self.condense_words}")
        if self.word % GROUP:
            refuse(f"word {self.word} must be a multiple of {GROUP}")
        if self.outputs % (WINDOWS * self.neurons):
            refuse(f"outputs {self.outputs} must be a multiple of {WINDOWS} x neurons {self.neurons}")
        if self.word % self.neurons:
            refuse(f"word {self.word} must be a multiple of neurons {self.neurons}")
        step = math.gcd(self.word, self.outputs)
        if step < 2 * self.neurons or self.outputs < self.word - step:
            refuse(f"words of {self.word} channels cannot be collected from {self.outputs} outputs at a time")
        if self.outputs > self.word + step:
            refuse(f"{self.outputs} outputs at a time touch more than two words of {self.word} channels")
        if not 1 <= self.k <= 9:
            refuse(f"k must be 1 to 9, so that a carry fits {POTENTIAL_BITS + 1} bits, not {self.k}")
        if not 2 <= self.weight_bits <= 8:
            refuse(f"weight_bits must be 2 to 8, not {self.weight_bits}")
        if self.acc_bits > 18:
            refuse(f"acc_bits {self.acc_bits} is more than the 18 bits of a multiplier's operand")
        if self.array not in ARRAYS:
            refuse(f"array {self.array!r} is none of {', '.join(ARRAYS)}")
        if self.array == "da-simd" and self.sum_bits > SIMD_BITS:
            refuse(f"sums of {self.sum_bits} bits do not fit the {SIMD_BITS} of a DSP block's lane; use array 'da'")

    def to_dict(self):
        """Plain dictionary of the chosen sizes."""
        return asdict(self)

    @property
    def lanes(self):
        """Inputs per output and window that the array sums per cycle."""
        return TAPS * self.word

    @property
    def groups(self):
        """Subset-sum tables per output and window."""
        return self.lanes // GROUP

    @property
    def links(self):
        """DSP blocks in a chain of array ``da-simd``."""
        return math.ceil(self.groups / CHAINED)

    @property
    def slots(self):
        """Cycles in which the neuron units take an output group at one position."""
        return self.outputs // self.neurons

    @property
    def in_flight(self):
        """Slots that may be on their way from the result banks to the spike words: enough for one per cycle."""
        return 1 << (NEURON_CYCLES + self.slots - 1).bit_length()

    @property
    def peak_sop(self):
        """Gated adds per cycle of the array."""
        return WINDOWS * self.lanes * self.outputs

    @property
    def weight_word_bits(self):
        """A weight word: one input of every group for every output."""
        return self.outputs * self.groups * self.weight_bits

    @property
    def weight_program_words(self):
        """Program words (32 bits) of one weight word."""
        return math.ceil(self.weight_word_bits / 32)

    @property
    def weight_words(self):
        """Depth of the weight memory."""
        return self.blocks * GROUP

    @property
    def table_sum_bits(self):
        """Signed bits of a subset sum of one group."""
        return self.weight_bits + (GROUP - 1).bit_length()

    @property
    def sum_bits(self):
        """Signed bits of the array's partial sum over all lanes."""
        return self.weight_bits + (self.lanes - 1).bit_length()

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
            "tiny", word=12, outputs=8, tile=16, spike_words=1024, blocks=512, channels=128,
            layers=8, tables=2, potential_words=2048, positions=256, condense_words=256,
        ),
        HwConfig(
            "arty-a7-35t", word=12, outputs=16, tile=16, spike_words=2048, blocks=512, channels=640,
            layers=16, tables=4, potential_words=1536, positions=256, condense_words=256,
        ),
        HwConfig(
            "arty-a7-100t", word=16, outputs=32, tile=16, spike_words=8192, blocks=512, channels=1024,
            layers=32, tables=8, potential_words=2048, positions=256, condense_words=256, neurons=4,
        ),
        HwConfig(
            "ulx3s", word=12, outputs=8, tile=16, spike_words=2048, blocks=1024, channels=640,
            layers=16, tables=4, potential_words=1536, positions=256, condense_words=256, clock_mhz=40,
        ),
    )
}  # fmt: skip


def preset(name):
    """The named configuration; raises ``LimitError`` that lists the names."""
    try:
        return PRESETS[name]
    except KeyError:
        raise LimitError(f"no core configuration {name!r}; choose one of {', '.join(sorted(PRESETS))}") from None
