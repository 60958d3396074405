"""Payloads of the streams between the units of the core, from first to last.

    pixels -> Encoder -> SpikeWrite ........................ spike memory
    Sequencer -> BlockCommand -> WindowAddresses -> SpikeRead -> SpikeMemory -> SpikeWords
    SpikeWords + weight words -> array -> Sums -> Accumulators -> Drain -> NeuronInput
    NeuronInput -> NeuronUnit -> NeuronOutput -> Condense -> SpikeWrite
    NeuronInput -> Classifier -> scores

A *position* is a place inside a window; the four windows are worked on together, in the order TL, TR,
BL, BR. A *tile* is a run of positions in raster order that fits an accumulator bank. A *block* is the
work of one weight block: ``outputs`` channels times ``lanes`` inputs, over all positions of a tile; the
lanes are the three taps of a kernel row times a word's channels, or three channel words of a 1x1
kernel. A spike word lies at the same place in all four *quadrants* of its map.
"""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from onespike.contract.arith import LEVEL_BITS
from onespike.contract.config import POTENTIAL_BITS, TAPS, WINDOWS
from onespike.contract.isa import Layer, Parameter

_LAYER = Layer.as_shape()


def spike_address(config):
    """Shape of an address into the spike memory."""
    return range(config.spike_words)


def tile_tag(config):
    """Fields that travel with a position from the address generator to the accumulators."""
    return {
        "position": range(config.tile),
        "bank": unsigned(1),  # result bank of the tile
        "first": unsigned(1),  # accumulators start from zero
        "double": unsigned(1),  # first sums of a lower bit plane: accumulators are doubled first
        "last": unsigned(1),  # last sums of the block
        "final": unsigned(1),  # sums of the tile's last block: the accumulators are results
        "end": unsigned(1),  # last sums of the tile
    }


def block_command(config):
    """One weight block's work, for ``WindowAddresses``.

    ``address``: first word of the block's channel group and plane; ``dy``: kernel row, -1..1;
    ``shortcut``: which source of the layer it belongs to; ``count``: positions of the tile;
    ``restart``: the tile begins at position (0, 0), otherwise where the tile before ended;
    ``first``, ``double``, ``bank`` as in ``tile_tag``; ``end``: last block of the tile.
    """
    return data.StructLayout(
        {
            "address": unsigned(16),
            "dy": signed(2),
            "shortcut": unsigned(1),
            "count": _LAYER["positions"].shape,
            "restart": unsigned(1),
            "first": unsigned(1),
            "double": unsigned(1),
            "end": unsigned(1),
            "bank": unsigned(1),
        }
    )


def spike_read(config):
    """Three words to read, and which quadrant goes to which window.

    ``tap``: words that are wanted; no two different ones share a bank. Window (y, x) gets the quadrant
    (y ^ swap_y, x ^ swap_x[tap]), or zeros unless inside_y[y] and inside_x[tap][x].
    """
    return data.StructLayout(
        {
            "address": data.ArrayLayout(spike_address(config), TAPS),
            "tap": unsigned(TAPS),
            "swap_y": unsigned(1),
            "inside_y": unsigned(2),
            "swap_x": unsigned(TAPS),
            "inside_x": data.ArrayLayout(unsigned(2), TAPS),
            **tile_tag(config),
        }
    )


def spike_words(config):
    """The spikes of a position: ``words[window]``, taps in order, a tap's channels in order."""
    return data.StructLayout({"words": data.ArrayLayout(unsigned(config.lanes), WINDOWS), **tile_tag(config)})


def spike_write(config):
    """One write to the spike memory: a word's channels in the quadrants that ``mask`` names."""
    return data.StructLayout(
        {
            "address": spike_address(config),
            "words": data.ArrayLayout(unsigned(config.word), WINDOWS),
            "mask": unsigned(WINDOWS),
        }
    )


def weight_word(config):
    """One input of every group for every output: ``word[output][group]``."""
    row = data.ArrayLayout(signed(config.weight_bits), config.groups)
    return data.ArrayLayout(row, config.outputs)


def sums(config):
    """Partial sums of one position: ``sums[window][output]``."""
    row = data.ArrayLayout(signed(config.sum_bits), config.outputs)
    return data.StructLayout({"sums": data.ArrayLayout(row, WINDOWS), **tile_tag(config)})


def chain_tag(config):
    """Fields that travel with a neuron from the drain to the condenser.

    ``index``: number of the position in its window, raster order; ``slot``: which ``neurons`` channels
    of the output group; ``present``: which of them are channels of the layer; ``chain_end``: last
    position of the output group; ``group_end``: the layer has no further group. For dilated windows,
    by the window's row (0 upper, 1 lower) and column: ``row`` words of the row inside its quadrant,
    ``low`` the quadrant is a lower one, ``column`` and ``right`` likewise; ``edge``: the position lies
    in the first quarter of the map (rows, columns), ``near``: in its first half.
    """
    return {
        "index": range(config.positions),
        "slot": range(config.slots),
        "present": unsigned(config.neurons),
        "chain_end": unsigned(1),
        "group_end": unsigned(1),
        "row": data.ArrayLayout(range(config.positions), 2),
        "low": unsigned(2),
        "column": data.ArrayLayout(_LAYER["half"].shape, 2),
        "right": unsigned(2),
        "edge": unsigned(2),
        "near": unsigned(2),
    }


def neuron_input(config):
    """``neurons`` channels at one position, lane by lane.

    The windows follow one another: ``acc[lane][window]`` belongs to what entered ``window`` cycles
    before. ``previous``: potentials of the layer before in windows 0..2 (meaningful where the carry
    takes them).
    """
    lanes = config.neurons
    return data.StructLayout(
        {
            "acc": data.ArrayLayout(data.ArrayLayout(signed(config.acc_bits), WINDOWS), lanes),
            "parameter": data.ArrayLayout(Parameter, lanes),
            "previous": data.ArrayLayout(data.ArrayLayout(signed(POTENTIAL_BITS), WINDOWS - 1), lanes),
            **chain_tag(config),
        }
    )


def potentials(config):
    """Potentials of windows 0..2 of ``neurons`` channels, to keep."""
    return data.ArrayLayout(data.ArrayLayout(signed(POTENTIAL_BITS), WINDOWS - 1), config.neurons)


def neuron_output(config):
    """Spikes or levels of the four windows, lane by lane: ``fired[lane][window]``."""
    levels = data.ArrayLayout(unsigned(LEVEL_BITS), WINDOWS)
    return data.StructLayout({"fired": data.ArrayLayout(levels, config.neurons), **chain_tag(config)})
