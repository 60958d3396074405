"""Instructions of the core: one packed descriptor per layer, and the modes inside it.

Descriptors, enums and section headers are Amaranth types; the compiler packs them with ``pack``
(which checks every range), the sequencer reads them through the same layout, the golden model
decodes them with ``unpack``. Nothing here depends on a core configuration.
"""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, enum

from . import arith
from .config import PARAMETER_BITS

WORD_BITS = 32
"""Width of a word of the program stream and of a program image."""


class Op(enum.Enum, shape=1):
    """What happens to a layer's accumulators."""

    SPIKE = 0
    """Scale, carry, fire, condense: spikes go back to the spike memory."""
    SCORE = 1
    """Sum over the whole map, add the bias: the sums leave on the score stream."""


class Windows(enum.Enum, shape=2):
    """How a map is cut into four windows, in the order TL, TR, BL, BR (paper A, section 3.1)."""

    NONE = 0
    """No carry between windows; the array still takes its four pixels from the four quadrants."""
    N = 1
    """Four quadrants of side L/2."""
    D = 2
    """Four dilated windows of side 3L/4 at the corners, overlapping by L/2."""


class Padding(enum.Enum, shape=1):
    """What a convolution sees beyond the border of its window."""

    MAP = 0
    """The neighbour window's pixels; zeros only outside the map."""
    WINDOW = 1
    """Zeros."""


class Carry(enum.Enum, shape=3):
    """What a window takes over from the window before (a: previous layer, b: this layer)."""

    NONE = 0
    LEAK = 1
    """``arith.leak(b)``"""
    OMEGA = 2
    """``S[(a+b) mod 16 TH] + S[(a-b) mod 16 TH]`` from the layer's table."""
    MEAN = 3
    """``arith.carry_mean(a, b)``"""
    RELU = 4
    """``arith.carry_relu(a, b)``"""
    SUM = 5
    """``arith.carry_sum(a, b)``"""
    RESET = 6
    """``arith.carry_reset(b, arith.fired(b))``: the LIF neuron's leak and soft reset; windows are time steps."""

    @property
    def takes_previous(self):
        """Whether the carry needs the potentials of the layer before."""
        return self in (Carry.OMEGA, Carry.MEAN, Carry.RELU, Carry.SUM)


class Condense(enum.Enum, shape=1):
    """How overlapping windows become one pixel."""

    OR = 0
    MSP = 1
    """Level 0..4, four times the share of windows that fired: three bit planes."""

    @property
    def planes(self):
        """Bit planes of a pixel."""
        return 3 if self is Condense.MSP else 1

    @property
    def top(self):
        """Largest level of a pixel."""
        return 4 if self is Condense.MSP else 1


class Source(data.Struct):
    """One spike map that a layer reads.

    A spike word holds ``HwConfig.word`` channels of four pixels: the same place in the four quadrants of
    the map. Steps are in spike words. ``planes`` 0 means that the source is absent.
    """

    top: unsigned(16)
    """First word of the most significant bit plane, the last of the map in memory."""
    planes: unsigned(4)
    """Bit planes (0..8), processed from the most significant down."""
    plane_step: unsigned(16)
    """Words from one plane to the next: groups * group_step."""
    groups: unsigned(6)
    """Words of channels per place and plane: input channels / word, rounded up."""
    kernel: unsigned(2)
    """1 or 3; the padding is kernel // 2."""
    stride: unsigned(2)
    """1 or 2."""
    fresh: unsigned(1)
    """The layer before writes this map: a word may be read only when it is complete."""
    half: unsigned(7)
    """Half the side of the map, in pixels: words from a row of a quadrant to the next."""
    area: unsigned(14)
    """Words of a plane and group: half squared."""
    group_step: unsigned(14)
    """Words from one group to the next: ``area`` and some, so that it is 1 modulo ``BANKS``."""
    row_step: unsigned(8)
    """Words from one row of outputs to the next: stride * half."""
    window: unsigned(7)
    """Side of a scanned window in pixels of this map."""
    offset: unsigned(7)
    """Distance between two scanned windows in pixels of this map (layers with ``scan``)."""
    offset_rows: unsigned(14)
    """The same distance downwards, in words: offset * half."""


class Layer(data.Struct):
    """One layer: what the sequencer fetches and the core runs."""

    op: Op
    windows: Windows
    padding: Padding
    carry: Carry
    condense: Condense
    levels: unsigned(1)
    """Neurons fire levels 0..3, two bit planes (paper B), instead of spikes."""
    pairs: unsigned(1)
    """No carry from window 1 to window 2: two chains of two."""
    scan: unsigned(1)
    """The array walks dilated windows, one of the four at a time. Otherwise it walks the quadrants, all
    four at once, and dilated windows pick their pixels from the sums (possible with padding ``map``
    where a quadrant fits a tile)."""
    store: unsigned(1)
    """Keep the potentials of windows 0..2 for the next layer."""
    table: unsigned(4)
    """Which Omega table."""
    shift: unsigned(4)
    """Right shift of acc * scale."""
    main: Source
    shortcut: Source
    scan_side: unsigned(6)
    """Side of the array's windows in output pixels."""
    positions: unsigned(12)
    """Places in the array's windows: scan_side squared."""
    half: unsigned(6)
    """Half the side of the output map."""
    quarter_words: unsigned(12)
    """Words from a quadrant's first row to the one a quarter of the map below: half squared / 2."""
    channels: unsigned(10)
    """Output channels or classes."""
    words: unsigned(6)
    """Spike words of an output pixel and plane: channels / word, rounded up."""
    base: unsigned(16)
    """First spike word of the output map."""
    group_step: unsigned(14)
    """Words from one group of output channels to the next."""
    plane_step: unsigned(16)
    """Words from one output plane to the next."""
    weights: unsigned(16)
    """First weight block."""
    shortcut_blocks: unsigned(10)
    """Weight blocks of the shortcut, per output group; they come first."""
    group_blocks: unsigned(10)
    """Weight blocks per output group, shortcut and main."""
    parameters: unsigned(12)
    """First entry of scales and biases, a multiple of ``HwConfig.neurons``."""


LAYER_WORDS = -(-Shape.cast(Layer).width // WORD_BITS)
"""Program words of one descriptor; the rest of the last word is zero."""


class Parameter(data.Struct):
    """Folded BatchNorm of one output channel: U = round(acc * scale / 2**shift) + bias."""

    scale: signed(PARAMETER_BITS)
    bias: signed(PARAMETER_BITS)


class Target(enum.Enum, shape=4):
    """Where the words of a program section go."""

    METADATA = 0
    """Nowhere in the core: JSON for the host (names, labels, patch)."""
    LAYERS = 1
    """Descriptors, ``LAYER_WORDS`` words each."""
    WEIGHTS = 2
    """Weight words, ``HwConfig.weight_program_words`` words each, low bits first; ``GROUP`` make a block."""
    PARAMETERS = 3
    """One ``Parameter`` per word."""
    TABLES = 4
    """One entry of an Omega table per word, two's complement in the low bits."""


class Section(data.Struct):
    """Heads a section of a program image."""

    target: Target
    start: unsigned(28)
    """First entry of the target (for ``LAYERS`` counted in words)."""
    count: unsigned(32)
    """Program words that follow."""


class Header(data.Struct):
    """Opens a program image; the CRC-32 of everything before it closes one."""

    magic: unsigned(32)
    version: unsigned(32)
    fingerprint: unsigned(32)
    """Must equal the core's: contract and configuration are the same on both sides."""
    words: unsigned(32)
    """Length of the whole image in words, header and CRC included."""
    layers: unsigned(8)
    image_channels: unsigned(8)
    """Bytes per pixel position on the pixel stream: colour channels times patch squared."""
    image_half: unsigned(8)
    """Half the side of an image in pixel positions."""
    reserved: unsigned(8)
    image_base: unsigned(16)
    """First spike word of the image's bit planes."""
    image_plane_step: unsigned(16)
    """Words from one bit plane of the image to the next."""
    image_group_step: unsigned(16)
    """Words from one group of channels to the next."""
    reserved_too: unsigned(16)


HEADER_WORDS = Shape.cast(Header).width // WORD_BITS
SECTION_WORDS = Shape.cast(Section).width // WORD_BITS
RECORDS = (Source, Layer, Parameter, Section, Header)
ENUMS = (Op, Windows, Padding, Carry, Condense, Target)


def pack(record, **values):
    """The integer of a record; every field must be given and fit, else ``ValueError`` names it."""
    layout = record.as_shape() if hasattr(record, "as_shape") else record
    names = [name for name, _ in layout]
    if set(names) != set(values):
        raise ValueError(f"{record.__name__}: fields {sorted(set(names) ^ set(values))} are missing or unknown")
    total = 0
    for name, field in layout:
        value = values[name]
        if isinstance(value, dict):
            value = pack(field.shape, **value)
        else:
            shape = Shape.cast(field.shape)
            low = -(1 << shape.width - 1) if shape.signed else 0
            value = int(getattr(value, "value", value))
            if not low <= value < low + (1 << shape.width):
                raise ValueError(f"{record.__name__}.{name} = {value} does not fit {shape.width} bits")
            value &= (1 << shape.width) - 1
        total |= value << field.offset
    return total


def unpack(record, value):
    """Dictionary of a packed record's fields: ints, enum members, nested dictionaries."""
    result = {}
    for name, field in record.as_shape():
        shape = Shape.cast(field.shape)
        raw = value >> field.offset & (1 << shape.width) - 1
        if isinstance(field.shape, type) and issubclass(field.shape, data.Struct):
            result[name] = unpack(field.shape, raw)
        else:
            if shape.signed and raw >> shape.width - 1:
                raw -= 1 << shape.width
            result[name] = field.shape(raw) if isinstance(field.shape, type) else raw
    return result


def output_top(layer):
    """Largest level of an output pixel of a layer, given as a dictionary of ``Layer`` fields."""
    return arith.TOP_LEVEL if layer["levels"] else layer["condense"].top


def output_planes(layer):
    """Bit planes of an output pixel of a layer, given as a dictionary of ``Layer`` fields."""
    return output_top(layer).bit_length()


def to_words(value, count):
    """``value`` as ``count`` words of 32 bits, low word first."""
    return [value >> WORD_BITS * i & (1 << WORD_BITS) - 1 for i in range(count)]


def from_words(words):
    """Inverse of ``to_words``."""
    return sum(int(word) << WORD_BITS * i for i, word in enumerate(words))
