"""Takes a program image apart: checks it word by word and fills the core's memories."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract import isa
from onespike.contract.isa import Target
from onespike.contract.program import MAGIC, VERSION, fingerprint
from onespike.contract.regs import Status

from ..engine.drain import parameter_write
from ..engine.omega import table_write
from ..memory.weights import weight_write
from .sequencer import layer_write


class Loader(wiring.Component):
    """Program words in, memory writes out; ``READY`` only after the checksum was right.

    A refused image leaves a status that names the reason, and no further word is taken until the unit is
    reset, which drops the program. The memories are written while the image arrives, so a core whose status is not READY
    holds no program, whatever it held before.

    Members
    -------
    i : In(stream(32 bits))
    header : Out(Header); status : Out(Status)
    layer_write, weight_write, parameter_write, table_write : Out(stream), always ready
    """

    def __init__(self, config):
        self.config = config

        def port(layout):
            return Out(stream.Signature(layout(config), always_ready=True))

        super().__init__(
            {
                "i": In(stream.Signature(isa.WORD_BITS)),
                "header": Out(isa.Header),
                "status": Out(Status),
                "layer_write": port(layer_write),
                "weight_write": port(weight_write),
                "parameter_write": port(parameter_write),
                "table_write": port(table_write),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, word = self.config, self.i.payload
        taken = Signal()
        m.d.comb += taken.eq(self.i.valid & self.i.ready)

        m.submodules.crc = check = crc.catalog.CRC32_ISO_HDLC(data_width=isa.WORD_BITS).create()
        m.d.comb += [check.valid.eq(taken), check.data.eq(word)]

        header_words = Signal(isa.HEADER_WORDS * isa.WORD_BITS)
        section_words = Signal(isa.SECTION_WORDS * isa.WORD_BITS)
        header, section = data.View(isa.Header, header_words), data.View(isa.Section, section_words)
        incoming = data.View(isa.Section, Cat(section_words[isa.WORD_BITS :], word))
        count = Signal(32)  # words taken, in all
        left = Signal(32)  # words left of the section
        entry = Signal(isa.Section.as_shape()["start"].shape)
        m.d.comb += self.header.eq(header)

        # Entries of a target's memory, and program words per entry.
        sizes = {
            Target.METADATA: (None, 1, None),
            Target.LAYERS: (config.layers * isa.LAYER_WORDS, 1, self.layer_write),
            Target.WEIGHTS: (config.weight_words, config.weight_program_words, self.weight_write),
            Target.PARAMETERS: (config.channels, 1, self.parameter_write),
            Target.TABLES: (config.tables * config.table_words, 1, self.table_write),
        }
        held = Signal(config.weight_program_words * isa.WORD_BITS)
        part = Signal(range(max(isa.SECTION_WORDS, config.weight_program_words)))
        # Whether a section fits its target. What is too large for any memory is refused by its upper bits;
        # words per entry are added up from shifts, a multiplier would be a DSP block.
        bits = max(depth * size for depth, size, _ in sizes.values() if depth).bit_length()
        small = ~(incoming.start[bits:].any() | incoming.count[bits:].any())
        fits = Signal()
        with m.Switch(incoming.target):
            for target, (depth, per_entry, _) in sizes.items():
                with m.Case(target):
                    shifts = [n for n in range(per_entry.bit_length()) if per_entry >> n & 1]
                    end = sum(incoming.start[:bits] << n for n in shifts) + incoming.count[:bits]
                    m.d.comb += fits.eq(1 if depth is None else small & (end <= depth * per_entry))
        inside = incoming.count < header.words - count - 1  # the checksum follows

        m.d.comb += self.i.ready.eq(self.status.as_value() <= Status.LOADING.value)
        with m.If(taken):
            m.d.sync += count.eq(count + 1)
        with m.FSM():
            with m.State("Header"):
                with m.If(taken):
                    m.d.sync += [
                        header_words.eq(Cat(header_words[isa.WORD_BITS :], word)),
                        self.status.eq(Status.LOADING),
                    ]
                    expected = {0: (MAGIC, Status.BAD_MAGIC), 1: (VERSION, Status.BAD_VERSION)}
                    expected[2] = (fingerprint(config), Status.BAD_FINGERPRINT)
                    with m.Switch(count):
                        for number, (value, status) in expected.items():
                            with m.Case(number):
                                with m.If(word != value):
                                    m.d.sync += self.status.eq(status)
                        with m.Case(isa.HEADER_WORDS - 1):
                            m.next = "Section"
            with m.State("Section"):
                with m.If(taken):
                    m.d.sync += [section_words.eq(Cat(section_words[isa.WORD_BITS :], word)), part.eq(part + 1)]
                    with m.If(count == header.words - 1):
                        m.d.sync += self.status.eq(Status.READY)
                        with m.If(word != check.crc):
                            m.d.sync += self.status.eq(Status.BAD_CHECKSUM)
                        with m.Elif(part != 0):  # half a section header before the checksum
                            m.d.sync += self.status.eq(Status.BAD_SECTION)
                    with m.Elif(part == isa.SECTION_WORDS - 1):
                        m.d.sync += [part.eq(0), left.eq(incoming.count), entry.eq(incoming.start)]
                        with m.If(~(fits & inside)):
                            m.d.sync += self.status.eq(Status.BAD_SECTION)
                        with m.If(incoming.count != 0):
                            m.next = "Data"
            with m.State("Data"):
                with m.If(taken):
                    m.d.sync += [left.eq(left - 1), held.eq(Cat(held[isa.WORD_BITS :], word))]
                    with m.If(left == 1):
                        m.next = "Section"
                    with m.If((section.target == Target.WEIGHTS) & (part != config.weight_program_words - 1)):
                        m.d.sync += part.eq(part + 1)
                        with m.If(left == 1):  # the section ends inside a weight word
                            m.d.sync += self.status.eq(Status.BAD_SECTION)
                    with m.Else():
                        m.d.sync += [part.eq(0), entry.eq(entry + 1)]
                        with m.Switch(section.target):
                            for target, (depth, _, port) in sizes.items():
                                if depth is not None:
                                    with m.Case(target):
                                        m.d.comb += port.valid.eq(1)

        for port in (self.layer_write, self.weight_write, self.parameter_write, self.table_write):
            m.d.comb += port.payload.address.eq(entry)
        m.d.comb += [
            self.layer_write.payload.word.eq(word),
            self.weight_write.payload.word.eq(Cat(held[isa.WORD_BITS :], word)),
            self.parameter_write.payload.word.eq(word),
            self.table_write.payload.value.eq(word),
        ]
        return m
