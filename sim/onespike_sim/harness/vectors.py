"""cocotb side of a comparison with recorded vectors: drives every input, counts each output's bits that differ."""

import json
import os
from collections import Counter
from pathlib import Path

import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def replay(dut):
    """One row of inputs a cycle; outputs are compared with the row's before the clock's edge."""
    vectors = Path(os.environ["ONESPIKE_VECTORS"])
    recorded = json.loads(vectors.read_text())
    wrong = Counter()
    for inputs, outputs in zip(recorded["inputs"], recorded["outputs"], strict=True):
        dut.clk.value = 0
        for name, value in inputs.items():
            getattr(dut, name).value = value
        await Timer(1, "ns")
        for name, value in outputs.items():
            wrong[name] += (int(getattr(dut, name).value) ^ value).bit_count()
        dut.clk.value = 1
        await Timer(1, "ns")
    vectors.with_suffix(".wrong").write_text(json.dumps(+wrong))
