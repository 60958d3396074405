"""The few RISC-V instructions that test firmware needs, as words."""

ZERO, RA, SP, GP, TP, T0, T1, T2, S0, S1, A0, A1, A2, A3, A4, A5 = range(16)
MTVEC = 0x305


class Assembler:
    """Collects ``words``, the first one at address 0; labels may be used before they are set.

    Registers are numbers; an offset or immediate has 12 signed bits.
    """

    def __init__(self):
        self.words, self.labels, self.jumps = [], {}, []

    def label(self, name):
        assert name not in self.labels
        self.labels[name] = 4 * len(self.words)

    def word(self, value):
        self.words.append(value & 0xFFFF_FFFF)

    def li(self, rd, value):
        """Load a number of 32 bits."""
        value &= 0xFFFF_FFFF
        low = (value & 0xFFF) - (value & 0x800) * 2
        self.word((value - low & 0xFFFF_F000) | rd << 7 | 0x37)
        self.addi(rd, rd, low)

    def _immediate(self, opcode, funct, rd, rs, value):
        assert -2048 <= value < 2048
        self.word((value & 0xFFF) << 20 | rs << 15 | funct << 12 | rd << 7 | opcode)

    def addi(self, rd, rs, value):
        self._immediate(0x13, 0, rd, rs, value)

    def xori(self, rd, rs, value):
        self._immediate(0x13, 4, rd, rs, value)

    def andi(self, rd, rs, value):
        self._immediate(0x13, 7, rd, rs, value)

    def slli(self, rd, rs, count):
        self._immediate(0x13, 1, rd, rs, count)

    def srli(self, rd, rs, count):
        self._immediate(0x13, 5, rd, rs, count)

    def _register(self, funct, rd, rs, other, extra=0):
        self.word(extra << 25 | other << 20 | rs << 15 | funct << 12 | rd << 7 | 0x33)

    def add(self, rd, rs, other):
        self._register(0, rd, rs, other)

    def or_(self, rd, rs, other):
        self._register(6, rd, rs, other)

    def mul(self, rd, rs, other):
        self._register(0, rd, rs, other, 1)

    def lw(self, rd, base, offset=0):
        self._immediate(0x03, 2, rd, base, offset)

    def lbu(self, rd, base, offset=0):
        self._immediate(0x03, 4, rd, base, offset)

    def _store(self, funct, rs, base, offset):
        assert -2048 <= offset < 2048
        high, low = offset >> 5 & 0x7F, offset & 0x1F
        self.word(high << 25 | rs << 20 | base << 15 | funct << 12 | low << 7 | 0x23)

    def sb(self, rs, base, offset=0):
        self._store(0, rs, base, offset)

    def sh(self, rs, base, offset=0):
        self._store(1, rs, base, offset)

    def sw(self, rs, base, offset=0):
        self._store(2, rs, base, offset)

    def la(self, rd, label):
        """Load a label's address, below 2 KiB."""
        self._jump(label, lambda offset, here: offset + here << 20 | rd << 7 | 0x13)

    def _jump(self, label, encode):
        self.jumps.append((len(self.words), label, encode))
        self.words.append(0)

    def _branch(self, funct, rs, other, label):
        def encode(offset, here):
            bits = (offset >> 12 & 1) << 31 | (offset >> 5 & 0x3F) << 25 | (offset >> 1 & 0xF) << 8
            return bits | (offset >> 11 & 1) << 7 | other << 20 | rs << 15 | funct << 12 | 0x63

        self._jump(label, encode)

    def beq(self, rs, other, label):
        self._branch(0, rs, other, label)

    def bne(self, rs, other, label):
        self._branch(1, rs, other, label)

    def bge(self, rs, other, label):
        self._branch(5, rs, other, label)

    def jal(self, rd, label):
        def encode(offset, here):
            bits = (offset >> 20 & 1) << 31 | (offset >> 1 & 0x3FF) << 21 | (offset >> 11 & 1) << 20
            return bits | (offset >> 12 & 0xFF) << 12 | rd << 7 | 0x6F

        self._jump(label, encode)

    def jalr(self, rd, rs, offset=0):
        self._immediate(0x67, 0, rd, rs, offset)

    def csrw(self, number, rs):
        self.word(number << 20 | rs << 15 | 1 << 12 | 0x73)

    def finish(self):
        """The words, all labels resolved."""
        for index, label, encode in self.jumps:
            here = 4 * index
            self.words[index] = encode(self.labels[label] - here, here)
        self.jumps = []
        return self.words
