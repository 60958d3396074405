"""The system with ``firmware/recurrent_bench.c``: collects the words that it tells on the LEDs."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock

from ..recurrent import COUNT, TOLD
from ..streams import cycles
from .soc_firmware import DIGITS

PERIOD_NS = 10


@cocotb.test()
async def the_words_told(dut):
    """Waits for the LEDs alone, so that the simulation runs at its own speed; the fourth LED turns with each digit."""
    dut.buttons.value = 0
    dut.hang.value = 0
    dut.uart_rx.value = 1
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start())
    dut.rst.value = 1
    await cycles(dut, 32)
    dut.rst.value = 0
    words = np.zeros(int(os.environ[COUNT]), np.int64)
    for index in range(len(words)):
        for digit in range(DIGITS):
            await dut.leds.value_change
            words[index] |= (int(dut.leds.value) & 7) << 3 * digit
    np.save(os.environ[TOLD], words & 0xFFFF_FFFF)
