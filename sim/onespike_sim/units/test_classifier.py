"""Classifier against plain sums, single positions and extremes included."""

import cocotb
from amaranth.hdl import signed

from onespike.contract.config import PARAMETER_BITS, SCORE_BITS
from onespike_hw.interfaces import chain_tag, neuron_input

from ..streams import Sink, Source, config, rng, start


@cocotb.test()
async def groups(dut):
    """Several output groups, one after the other."""
    cfg, random = config(), rng("classifier")
    await start(dut)
    sink = Sink(dut, "scores", signed(SCORE_BITS), stall=0.3)
    feed = Source(dut, "i", neuron_input(cfg), stall=0.2)
    top = 1 << cfg.acc_bits - 1
    values, expected = [], []
    for group in range(12):
        slots, positions = random.randint(1, cfg.outputs), (1, 16, 3)[group % 3]
        biases = [random.choice([-(1 << PARAMETER_BITS - 1), (1 << PARAMETER_BITS - 1) - 1, 7]) for _ in range(slots)]
        totals = list(biases)
        for position in range(positions):
            for slot in range(slots):
                acc = [random.choice([-top, top - 1, random.randrange(-top, top)]) for _ in range(4)]
                totals[slot] += sum(acc)
                word_end = int(slot == slots - 1)
                tag = dict.fromkeys(chain_tag(cfg), 0) | {"slot": slot, "word_end": word_end}
                tag["group_end"] = int(word_end and position == positions - 1)
                values.append(
                    {"acc": acc, "parameter": {"scale": 0, "bias": biases[slot]}, "previous": [0, 0, 0], **tag}
                )
        expected += totals
    await feed.send(values)
    await sink.wait(len(expected))
    assert sink.values == expected
