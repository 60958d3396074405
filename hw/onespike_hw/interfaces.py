"""Payloads of the streams between the units of the core, from first to last.

    pixels -> Encoder -> SpikeWrite ........................ spike memory
    Sequencer -> BlockCommand -> WindowAddresses -> SpikeRead -> SpikeMemory -> SpikeWords
    SpikeWords + weight words -> array -> Sums -> Accumulators -> Drain -> NeuronInput
    NeuronInput -> NeuronUnit -> NeuronOutput -> Condense -> SpikeWrite
    NeuronInput -> Classifier -> scores

A *position* is a place inside a window; the four windows are worked on together, in the order TL, TR,
BL, BR. A *tile* is a run of positions in raster order that fits an accumulator bank. A *block* is the
work of one weight block: ``outputs`` channels times ``lanes`` inputs of one kernel tap, one spike word
group and one bit plane, over all positions of a tile.
"""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from onespike.contract.config import POTENTIAL_BITS, WINDOWS
from onespike.contract.isa import Parameter


def position_bits(config):
    """Shape of a position inside a tile."""
    return range(config.tile)


def spike_address(config):
    """Shape of an address into the spike memory."""
    return range(config.spike_words)


def tile_tag(config):
    """Fields that travel with a position from the address generator to the accumulators."""
    return {
        "position": position_bits(config),
        "bank": unsigned(1),  # accumulator bank of the tile
        "first": unsigned(1),  # first block of the tile: accumulators start from zero
        "double": unsigned(1),  # first block of a lower bit plane: accumulators are doubled first
        "last": unsigned(1),  # last position of the block
        "end": unsigned(1),  # last position of the tile's last block: the tile is complete
    }


def block_command(config):
    """One weight block's work, for ``WindowAddresses``.

    ``address``: word of the block's group and plane that window TL's position (0, 0) reads, tap
    displacement included, so it may be negative; ``dy``, ``dx``: tap displacement, -1..1;
    ``shortcut``: which source of the layer it belongs to; ``count``: positions of the tile, 1..tile;
    ``restart``: the tile begins at position (0, 0), otherwise where the tile before ended;
    ``first``, ``double``, ``bank`` as in ``tile_tag``; ``end``: last block of the tile.
    """
    return data.StructLayout(
        {
            "address": signed(18),
            "dy": signed(2),
            "dx": signed(2),
            "shortcut": unsigned(1),
            "count": range(config.tile + 1),
            "restart": unsigned(1),
            "first": unsigned(1),
            "double": unsigned(1),
            "end": unsigned(1),
            "bank": unsigned(1),
        }
    )


def spike_read(config):
    """Four reads of the spike memory; ``inside`` 0 means zeros (padding) and an address to ignore."""
    return data.StructLayout(
        {
            "address": data.ArrayLayout(spike_address(config), WINDOWS),
            "inside": data.ArrayLayout(unsigned(1), WINDOWS),
            **tile_tag(config),
        }
    )


def spike_words(config):
    """The four spike words of a position."""
    return data.StructLayout({"words": data.ArrayLayout(unsigned(config.lanes), WINDOWS), **tile_tag(config)})


def spike_write(config):
    """One write to the spike memory; bit g of ``mask`` enables lanes g*outputs .. (g+1)*outputs-1."""
    return data.StructLayout(
        {
            "address": spike_address(config),
            "word": unsigned(config.lanes),
            "mask": unsigned(config.lanes // config.outputs),
        }
    )


def weight_word(config):
    """Weights of one output channel for all lanes; words arrive output channel 0 first."""
    return data.ArrayLayout(signed(config.weight_bits), config.lanes)


def sums(config):
    """Partial sums of one position: ``sums[window][output]``."""
    row = data.ArrayLayout(signed(config.sum_bits), config.outputs)
    return data.StructLayout({"sums": data.ArrayLayout(row, WINDOWS), **tile_tag(config)})


def chain_tag(config):
    """Fields that travel with a neuron from the drain to the condenser.

    ``row``, ``column``: place inside the window, output pixels; ``slot``: channel inside the output
    group; ``word_end``: last channel of the group; ``group_end``: last channel of the last position
    of the output group.
    """
    return {
        "row": unsigned(6),
        "column": unsigned(6),
        "slot": range(config.outputs),
        "word_end": unsigned(1),
        "group_end": unsigned(1),
    }


def neuron_input(config):
    """One channel at one position: four accumulators, its parameters, and the potentials of the
    layer before in windows 0..2 (meaningful where the carry takes them)."""
    return data.StructLayout(
        {
            "acc": data.ArrayLayout(signed(config.acc_bits), WINDOWS),
            "parameter": Parameter,
            "previous": data.ArrayLayout(signed(POTENTIAL_BITS), WINDOWS - 1),
            **chain_tag(config),
        }
    )


def neuron_output(config):
    """Spikes of the four windows and the potentials of windows 0..2."""
    return data.StructLayout(
        {
            "spikes": unsigned(WINDOWS),
            "potentials": data.ArrayLayout(signed(POTENTIAL_BITS), WINDOWS - 1),
            **chain_tag(config),
        }
    )
