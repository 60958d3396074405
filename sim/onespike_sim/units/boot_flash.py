"""A serial flash for tests of what reads it, from the data sheets' timing diagram of READ (03h) in SPI mode 0."""

import cocotb
from cocotb.triggers import First, ReadOnly, Timer, ValueChange
from cocotb.utils import get_sim_time

from ..streams import PERIOD

READ, COMMAND_BITS, ADDRESS_BITS = 0x03, 8, 24
HOLD = 1
"""Nanoseconds that a bit outlives the clock's fall."""


class SerialFlash:
    """Answers at the pins ``flash_*`` of ``dut``: ``content`` (bytes) from byte ``address`` on, all else is erased.

    ``delay`` nanoseconds, at least ``HOLD``, from the clock's fall to the new bit at the reader's pin; before that it shows
    the wrong one. Asserts that the clock is low where the flash is selected, that a bit takes ``divisor`` cycles or more,
    half of them high, and that a bit of the command is there as long before the clock's rise.
    Attributes: ``selected`` how often, ``wakes`` clock pulses while not selected, ``read`` bits sent since it was selected.
    """

    def __init__(self, dut, content, address, divisor, delay):
        self.cs_n, self.clk, self.copi, self.cipo = (
            getattr(dut, f"flash_{pin}") for pin in ("cs_n", "clk", "copi", "cipo")
        )
        self.content, self.address, self.half, self.delay = content, address, divisor // 2 * PERIOD, delay
        self.selected = self.wakes = self.read = 0
        self.cipo.value = 1
        self._tasks = [cocotb.start_soon(self._run())]

    def remove(self):
        """Take it out."""
        for task in self._tasks:
            task.cancel()

    def bit(self, at):
        """Bit ``at``, the highest of a byte first."""
        place = at // 8 % (1 << ADDRESS_BITS) - self.address
        byte = self.content[place] if 0 <= place < len(self.content) else 0xFF
        return byte >> 7 - at % 8 & 1

    async def _show(self, bit):
        await Timer(HOLD, unit="ns")
        if self.delay > HOLD:
            self.cipo.value = 1 - bit
            await Timer(self.delay - HOLD, unit="ns")
        self.cipo.value = bit

    async def _run(self):
        cs_n, clk, copi = 1, 0, None
        taken = command = moved = offered = 0
        while True:
            await First(*(ValueChange(pin) for pin in (self.cs_n, self.clk, self.copi)))
            await ReadOnly()
            now, before = get_sim_time("ns"), (cs_n, clk, copi)
            cs_n, clk, copi = int(self.cs_n.value), int(self.clk.value), int(self.copi.value)
            if copi != before[2]:
                offered = now
            if cs_n:
                taken = command = 0
                self.wakes += clk > before[1]
                continue
            if before[0]:
                assert not clk, "selected while the clock is high"
                self.selected += 1
                moved = offered = now
            elif clk != before[1]:
                assert now - moved >= self.half, "the clock is too fast"
                moved = now
                if clk and taken < COMMAND_BITS + ADDRESS_BITS:
                    assert now - offered >= self.half, "a bit of the command came too late"
                    command, taken = command << 1 | copi, taken + 1
                    self.read = 0
                elif not clk and taken == COMMAND_BITS + ADDRESS_BITS:
                    assert command >> ADDRESS_BITS == READ, "no command that this flash knows"
                    shown = self.bit(8 * (command % (1 << ADDRESS_BITS)) + self.read)
                    self.read += 1
                    self._tasks[1:] = [cocotb.start_soon(self._show(shown))]
