"""Array against NumPy: random and extreme weights and spikes, random stalls on both inputs."""

import cocotb
import numpy as np

from onespike_hw.interfaces import spike_words, sums, weight_word

from ..streams import Sink, Source, config, rng, start


async def blocks(dut, count, stall):
    """Send ``count`` blocks, check every sum."""
    cfg, random = config(), np.random.default_rng(rng("array").randrange(2**32))
    low, high = -(1 << cfg.weight_bits - 1), (1 << cfg.weight_bits - 1) - 1
    await start(dut)
    weights_in = Source(dut, "weights", weight_word(cfg), stall)
    spikes_in = Source(dut, "spikes", spike_words(cfg), stall)
    sink = Sink(dut, "sums", sums(cfg))
    rows, words, expected = [], [], []
    for block in range(count):
        shape = (cfg.outputs, cfg.lanes)
        weights = [np.full(shape, low), np.full(shape, high), random.integers(low, high + 1, shape)][min(block, 2)]
        rows += weights.tolist()
        positions = int(random.integers(1, 2 * cfg.outputs))
        for n in range(positions):
            spikes = random.integers(0, 2, (4, cfg.lanes))
            if n == 0:
                spikes[:] = block % 2  # all or none
            tag = {name: int(random.integers(0, 2)) for name in ("bank", "first", "double", "end")}
            tag |= {"position": n % cfg.tile, "last": int(n == positions - 1)}
            words.append({"words": [int(row @ (1 << np.arange(cfg.lanes))) for row in spikes], **tag})
            expected.append({"sums": (spikes @ weights.T).tolist(), **tag})
    loading = cocotb.start_soon(weights_in.send(rows))
    await spikes_in.send(words)
    await loading
    await sink.wait(len(expected))
    assert sink.values == expected


@cocotb.test()
async def without_stalls(dut):
    """Back to back."""
    await blocks(dut, 8, 0.0)


@cocotb.test()
async def with_stalls(dut):
    """Both inputs pause at random."""
    await blocks(dut, 8, 0.4)
