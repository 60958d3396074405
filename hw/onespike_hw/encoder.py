"""Image in: bytes of pixels become bit planes in the spike memory."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import PIXEL_BITS, WINDOWS
from onespike.contract.isa import Header

from .interfaces import spike_write

_HEADER = Header.as_shape()
image_setup = data.StructLayout(
    {
        name: _HEADER[name].shape
        for name in ("image_channels", "image_half", "image_base", "image_plane_step", "image_group_step")
    }
)
"""What the encoder has to know of a program: fields of its header."""


class Encoder(wiring.Component):
    """Turns up to ``word`` bytes at a time into one spike word per bit plane.

    Members
    -------
    setup : In(image_setup), stable while an image arrives
    enable : In(1), a new image may begin
    i : In(stream(8 bits)): positions in raster order, all channels of a position in order
    o : Out(stream(spike_write)), of one quadrant
    done : Out(1), pulse after an image's last word was written

    Throughput: the longer of a word's channels and 8 cycles per word.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "setup": In(image_setup),
                "enable": In(1),
                "i": In(stream.Signature(PIXEL_BITS)),
                "o": Out(stream.Signature(spike_write(config))),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, setup = self.config, self.setup

        # A full word moves on as soon as the writer is free; its place takes the next byte in that cycle.
        full, ends, taken = Signal(), Signal(), Signal()
        m.d.comb += taken.eq(full & (~self.o.valid | ends))
        with m.If(taken):
            m.d.sync += full.eq(0)

        # Collect a word's bytes. Positions: row and column inside their quadrant, and which quadrant.
        pixels = Signal(data.ArrayLayout(PIXEL_BITS, config.word))
        lane, channel = Signal(range(config.word)), Signal(8)
        row, row_words, column, low, right = Signal(8), Signal(14), Signal(8), Signal(), Signal()
        group_offset = Signal(16)
        started, leaving, full_last = Signal(), Signal(), Signal()
        full_address, full_mask = Signal(16), Signal(WINDOWS)
        last_channel = channel == setup.image_channels - 1
        last_column, last_row = column == setup.image_half - 1, row == setup.image_half - 1
        last_position = last_column & right & last_row & low
        # No byte of the next image before this one's last word is written: who enables cannot know earlier.
        m.d.comb += self.i.ready.eq((~full | taken) & (started | (self.enable & ~leaving)))
        with m.If(self.i.valid & self.i.ready):
            for n in range(config.word):
                with m.If((lane == n) | (lane == 0)):  # the first byte clears what a word may leave empty
                    m.d.sync += pixels[n].eq(self.i.payload if n == 0 else Mux(lane == 0, 0, self.i.payload))
            m.d.sync += [lane.eq(lane + 1), channel.eq(channel + 1), started.eq(1)]
            with m.If(last_channel | (lane == config.word - 1)):
                m.d.sync += [
                    lane.eq(0),
                    full.eq(1),
                    full_last.eq(last_channel & last_position),
                    full_address.eq(setup.image_base + group_offset + row_words + column),
                    full_mask.eq(1 << (low << 1 | right)),
                    group_offset.eq(group_offset + setup.image_group_step),
                ]
            with m.If(last_channel):
                m.d.sync += [channel.eq(0), group_offset.eq(0), column.eq(column + 1)]
                with m.If(last_column):
                    m.d.sync += [column.eq(0), right.eq(~right)]
                with m.If(last_column & right):
                    m.d.sync += [row.eq(row + 1), row_words.eq(row_words + setup.image_half)]
                    with m.If(last_row):
                        m.d.sync += [row.eq(0), row_words.eq(0), low.eq(~low)]
                with m.If(last_position):
                    m.d.sync += [started.eq(0), leaving.eq(1)]

        # Write the word's planes while the next bytes arrive.
        planes = Signal(data.ArrayLayout(PIXEL_BITS, config.word))
        address, mask, plane, last = Signal(16), Signal(WINDOWS), Signal(range(PIXEL_BITS)), Signal()
        m.d.comb += [
            ends.eq(self.o.valid & self.o.ready & (plane == PIXEL_BITS - 1)),
            self.o.payload.address.eq(address),
            self.o.payload.mask.eq(mask),
            *(self.o.payload.words[w][n].eq(planes[n][0]) for n in range(config.word) for w in range(WINDOWS)),
        ]
        m.d.sync += self.done.eq(ends & last)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [plane.eq(plane + 1), address.eq(address + setup.image_plane_step)]
            m.d.sync += [planes[n].eq(planes[n] >> 1) for n in range(config.word)]
        with m.If(ends):
            m.d.sync += self.o.valid.eq(0)
            with m.If(last):
                m.d.sync += leaving.eq(0)
        with m.If(taken):
            m.d.sync += [planes.eq(pixels), address.eq(full_address), mask.eq(full_mask), last.eq(full_last)]
            m.d.sync += [plane.eq(0), self.o.valid.eq(1)]
        return m
