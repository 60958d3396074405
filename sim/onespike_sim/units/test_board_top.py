"""A board's top module, at its pins: clock, reset, the PHY's clock and reset, the flash at rest, and the firmware's answer."""

import os
from itertools import pairwise

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer, with_timeout
from cocotb.utils import get_sim_time

PERIOD_NS = 10
BIT_NS = int(os.environ.get("ONESPIKE_DIVISOR", "4")) * PERIOD_NS
ANSWER = b"m-name-dut-[onespike]\r\nm-ready\r\n"
BOOT_NS = 10_000_000
"""Twice what a boot takes at 100 MHz."""


async def listen(dut, heard):
    """Bytes of the UART to ``heard``."""
    line = dut.uart_0__tx__io
    while True:
        await FallingEdge(line)
        await Timer(BIT_NS + BIT_NS // 2, unit="ns")
        byte = 0
        for n in range(8):
            byte |= int(line.value) << n
            await Timer(BIT_NS, unit="ns")
        assert int(line.value) == 1, "no stop bit"
        heard.append(byte)


async def say(dut, text):
    """Bytes into the UART."""
    for byte in text:
        for bit in (0, *(byte >> n & 1 for n in range(8)), 1):
            dut.uart_0__rx__io.value = bit
            await Timer(BIT_NS, unit="ns")


async def answered(dut, heard):
    """Ask until the boot's memory tests are over; the text protocol answers."""
    limit = get_sim_time("ns") + BOOT_NS
    while True:
        del heard[:]
        await say(dut, b"name%")
        await Timer(200_000, unit="ns")
        if bytes(heard) == ANSWER:
            return
        assert get_sim_time("ns") < limit, f"the firmware answers {bytes(heard)!r}"


@cocotb.test()
async def at_its_pins(dut):
    """Power up, an answer; reset pressed, silence; released, an answer."""
    dut.rst_0__io.value = 1
    dut.uart_0__rx__io.value = 1
    dut.spi_flash_1x_0__cipo__io.value = 1
    for name in ("button_0__io", "button_1__io", "button_2__io", "button_3__io"):
        getattr(dut, name).value = 0
    for name in ("rx_clk", "tx_clk", "rx_dv", "rx_data"):
        getattr(dut, f"eth_mii_0__{name}__io").value = 0
    cocotb.start_soon(Clock(dut.clk100_0__io, PERIOD_NS, unit="ns", impl="gpi").start())
    heard = []
    cocotb.start_soon(listen(dut, heard))

    # The PHY: 25 MHz from the first cycles on, and a reset that ends.
    edges = []
    for _ in range(9):
        await with_timeout(dut.eth_clk25_0__io.value_change, 1000, "ns")
        edges.append(get_sim_time("ns"))
    assert {after - before for before, after in pairwise(edges[1:])} == {20}
    assert int(dut.eth_mii_0__rst__io.value) == 0, "the PHY's reset is active low"
    await with_timeout(RisingEdge(dut.eth_mii_0__rst__io), 100_000, "ns")

    # The flash is not protected nor held.
    assert int(dut.spi_flash_1x_0__wp__io.value) == int(dut.spi_flash_1x_0__hold__io.value) == 1
    await answered(dut, heard)

    # The button's pin is low while it is pressed.
    dut.rst_0__io.value = 0
    await Timer(5_000, unit="ns")
    del heard[:]
    assert int(dut.eth_mii_0__rst__io.value) == 0
    await say(dut, b"name%")
    await Timer(100_000, unit="ns")
    assert not heard, "it answers while its reset is pressed"
    dut.rst_0__io.value = 1
    await answered(dut, heard)
