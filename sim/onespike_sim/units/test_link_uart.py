"""UART at several divisors: clocks 2 % off, bytes without a pause, false starts, missing stop bits."""

import cocotb
from cocotb.triggers import RisingEdge, Timer, with_timeout

from onespike_hw.link.interfaces import text_byte

from ..streams import PERIOD, Sink, Source, cycles, rng, start
from .link import LineMonitor, send_bits
from .link_benches import DIVISORS


async def ready(dut):
    """Reset the units with idle lines."""
    for divisor in DIVISORS:
        getattr(dut, f"receiver{divisor}__line").value = 1
        getattr(dut, f"transmitter{divisor}__i__valid").value = 0
    await start(dut)


async def receive(dut, divisor, random):
    """Bytes without a pause and with pauses, from clocks that are right, slow and fast."""
    line = getattr(dut, f"receiver{divisor}__line")
    sink = Sink(dut, f"receiver{divisor}__o", text_byte)
    count = 12 if divisor == 100 else 250
    for off in (-0.02, 0, 0.02):
        await Timer(random.randrange(1, divisor * PERIOD), unit="ns")
        data = bytes(random.choice((0, 255, 0x55, random.randrange(256))) for _ in range(count))
        sink.values.clear()
        await send_bits(line, data, divisor * (1 + off))
        for byte in data[:5]:
            await send_bits(line, [byte], divisor * (1 + off))
            await Timer(random.randrange(1, divisor * PERIOD), unit="ns")
        await cycles(dut, divisor)
        assert sink.values == [{"byte": byte, "error": 0} for byte in data + data[:5]], (divisor, off)


@cocotb.test()
async def bytes_from_the_line(dut):
    """Every byte arrives once, whatever the divisor and the sender's clock."""
    random = rng("uart receiver")
    await ready(dut)
    for task in [cocotb.start_soon(receive(dut, divisor, random)) for divisor in DIVISORS]:
        await task


@cocotb.test()
async def false_starts_and_missing_stops(dut):
    """A dip shorter than half a bit is nothing; a byte without a stop bit is an error, and the next one is good."""
    await ready(dut)
    for divisor in DIVISORS:
        line = getattr(dut, f"receiver{divisor}__line")
        sink = Sink(dut, f"receiver{divisor}__o", text_byte)
        line.value = 0
        await Timer(max(1, divisor // 2 - 1) * PERIOD - PERIOD // 2, unit="ns")
        line.value = 1
        await cycles(dut, 12 * divisor)
        assert not sink.values
        await send_bits(line, b"\x5a", divisor, stop=0)
        await cycles(dut, 2 * divisor)
        await send_bits(line, b"\xa5", divisor)
        line.value = 0  # a break is one error, however long
        await cycles(dut, 50 * divisor)
        line.value = 1
        await cycles(dut, 2 * divisor)
        await send_bits(line, b"\x3c", divisor)
        await cycles(dut, divisor)
        expected = [(0x5A, 1), (0xA5, 0), (0, 1), (0x3C, 0)]
        assert sink.values == [{"byte": byte, "error": error} for byte, error in expected], divisor


async def transmit(dut, divisor, random):
    """All bytes, without a pause when they are there in time; busy until the last stop bit is over."""
    name = f"transmitter{divisor}"
    monitor = LineMonitor(getattr(dut, f"{name}__line"), divisor)
    data = bytes(random.randrange(256) for _ in range(20))
    busy = getattr(dut, f"{name}__busy")
    began = cocotb.utils.get_sim_time("ns")
    await Source(dut, f"{name}__i", 8).send(data)
    assert int(busy.value)
    while int(busy.value):
        await RisingEdge(dut.clk)
    bits = (cocotb.utils.get_sim_time("ns") - began) / PERIOD / divisor
    assert monitor.data == data
    assert 10 * len(data) <= bits < 10 * len(data) + 1
    await Source(dut, f"{name}__i", 8, stall=0.9).send(data)
    while int(busy.value):
        await RisingEdge(dut.clk)
    assert monitor.data == data + data


@cocotb.test()
async def bytes_to_the_line(dut):
    """Every transmitter keeps its bit times."""
    random = rng("uart transmitter")
    await ready(dut)
    for task in [cocotb.start_soon(transmit(dut, divisor, random)) for divisor in DIVISORS]:
        await with_timeout(task, 200_000 * PERIOD, "ns")
