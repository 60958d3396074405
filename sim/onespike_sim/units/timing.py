"""Throughput in tests: how many cycles a run of stream values takes."""

from cocotb.triggers import RisingEdge


async def span(dut, sink, count, limit=100_000):
    """Cycles from the first to the last of ``count`` values; ``count - 1`` if none was late.

    To be awaited before the first value arrives; fails after ``limit`` cycles.
    """
    assert not sink.values, "the first value was there before its time could be taken"
    await sink.wait(1, limit)
    for passed in range(limit):
        if len(sink.values) >= count:
            return passed
        await RisingEdge(dut.clk)
    raise AssertionError(f"only {len(sink.values)} of {count} values after {limit} cycles")
