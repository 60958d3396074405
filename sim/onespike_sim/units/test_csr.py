"""Registers of the system: random reads, writes and pops against a plain table."""

import cocotb
from cocotb.triggers import ReadOnly

from onespike.contract.soc import REGISTERS

from ..streams import cycles, rng, start

OFFSETS = {offset: (name.lower(), access) for name, (offset, access, _) in REGISTERS.items()}
PULSES = [f"{name}_{'write' if access == 'w' else 'pop'}" for name, access in OFFSETS.values() if access != "r"]
ACCESSES = 2_000


@cocotb.test()
async def random_accesses(dut):
    """What is read is the register's value of that cycle and stays; a write or a pop gives its one pulse, nothing else."""
    random = rng("csr")
    readable = [name for name, access in OFFSETS.values() if access != "w"]
    assert readable and PULSES
    values = dict.fromkeys(readable, 0)
    for name in readable:
        getattr(dut, name).value = 0
    for port in ("address", "read", "write", "value"):
        getattr(dut, f"bus__{port}").value = 0
    await start(dut)
    await cycles(dut, 1)
    answer = 0
    for _ in range(ACCESSES):
        for name in random.sample(readable, 3):
            values[name] = random.getrandbits(32)
            getattr(dut, name).value = values[name]
        offset, kind, value = (
            random.randrange(1 << len(dut.bus__address)),
            random.choice(["read", "write", "idle"]),
            random.getrandbits(32),
        )
        dut.bus__address.value = offset
        dut.bus__value.value = value
        dut.bus__read.value = kind == "read"
        dut.bus__write.value = kind == "write"
        name, access = OFFSETS.get(offset, (None, None))
        await ReadOnly()
        assert int(dut.bus__data.value) == answer
        expected = {("write", "w"): f"{name}_write", ("read", "p"): f"{name}_pop"}.get((kind, access))
        assert [port for port in PULSES if int(getattr(dut, port).value)] == ([expected] if expected else [])
        if expected and kind == "write":
            assert int(getattr(dut, name).value) == value
        if kind == "read":
            answer = values.get(name, 0)
        await cycles(dut, 1)
