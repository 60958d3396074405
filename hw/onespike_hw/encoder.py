"""Image in: bytes of pixels become bit planes in the spike memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import PIXEL_BITS
from onespike.contract.isa import Header

from .interfaces import spike_write

_HEADER = Header.as_shape()
image_setup = data.StructLayout(
    {name: _HEADER[name].shape for name in ("image_channels", "image_pixels", "image_base", "image_plane_step")}
)
"""What the encoder has to know of a program: fields of its header."""


class Encoder(wiring.Component):
    """Turns ``lanes`` bytes at a time into one spike word per bit plane.

    Members
    -------
    setup : In(image_setup), stable while an image arrives
    enable : In(1), a new image may begin
    i : In(stream(8 bits)): positions in raster order, all channels of a position in order
    o : Out(stream(spike_write))
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

        # Collect a word's bytes.
        pixels = Signal(data.ArrayLayout(PIXEL_BITS, config.lanes))
        lane, channel, position = Signal(range(config.lanes)), Signal(8), Signal(16)
        group_offset = Signal(16)
        started, full_last = Signal(), Signal()
        full_address = Signal(16)
        last_channel = channel == setup.image_channels - 1
        last_position = position == setup.image_pixels - 1
        m.d.comb += self.i.ready.eq((~full | taken) & (self.enable | started))
        with m.If(self.i.valid & self.i.ready):
            with m.If(lane == 0):
                m.d.sync += pixels.eq(0)
            m.d.sync += [pixels[lane].eq(self.i.payload), lane.eq(lane + 1), channel.eq(channel + 1), started.eq(1)]
            with m.If(last_channel | (lane == config.lanes - 1)):
                m.d.sync += [
                    lane.eq(0),
                    full.eq(1),
                    full_last.eq(last_channel & last_position),
                    full_address.eq(setup.image_base + group_offset + position),
                    group_offset.eq(group_offset + setup.image_pixels),
                ]
            with m.If(last_channel):
                m.d.sync += [channel.eq(0), group_offset.eq(0), position.eq(position + 1)]
                with m.If(last_position):
                    m.d.sync += [position.eq(0), started.eq(0)]

        # Write the word's planes while the next bytes arrive.
        planes = Signal(data.ArrayLayout(PIXEL_BITS, config.lanes))
        address, plane, last = Signal(16), Signal(range(PIXEL_BITS)), Signal()
        m.d.comb += [
            ends.eq(self.o.valid & self.o.ready & (plane == PIXEL_BITS - 1)),
            self.o.payload.address.eq(address),
            self.o.payload.mask.eq(-1),
            *(self.o.payload.word[n].eq(planes[n][0]) for n in range(config.lanes)),
        ]
        m.d.sync += self.done.eq(ends & last)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [plane.eq(plane + 1), address.eq(address + setup.image_plane_step)]
            m.d.sync += [planes[n].eq(planes[n] >> 1) for n in range(config.lanes)]
        with m.If(ends):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken):
            m.d.sync += [planes.eq(pixels), address.eq(full_address), last.eq(full_last)]
            m.d.sync += [plane.eq(0), self.o.valid.eq(1)]
        return m
