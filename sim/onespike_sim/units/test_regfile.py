"""Register file: every register of the table by name, and what is not in it."""

import cocotb

from onespike.contract.regs import REGISTERS

from ..streams import cycles, rng, start


@cocotb.test()
async def every_register(dut):
    """Readable ones answer their value, writable ones give one pulse, the rest reads as zero."""
    random = rng("regfile")
    values = {name: random.getrandbits(32) for name, (_, access, _) in REGISTERS.items() if access == "r"}
    dut.bus__write.value = 0
    for name, value in values.items():
        getattr(dut, name.lower()).value = value
    await start(dut)
    offsets = {offset: name for name, (offset, _, _) in REGISTERS.items()}
    for offset in range(1 << len(dut.bus__address)):
        dut.bus__address.value = offset
        await cycles(dut, 2)
        assert int(dut.bus__data.value) == values.get(offsets.get(offset), 0)
    strobes = [name for name, (_, access, _) in REGISTERS.items() if access == "w"]
    assert strobes
    for offset in range(1 << len(dut.bus__address)):
        dut.bus__address.value = offset
        dut.bus__write.value = 1
        await cycles(dut, 1)
        dut.bus__write.value = 0
        assert not any(int(getattr(dut, name.lower()).value) for name in strobes)
        await cycles(dut, 1)
        for name in strobes:
            assert int(getattr(dut, name.lower()).value) == (offsets.get(offset) == name)
    await cycles(dut, 1)
    assert not any(int(getattr(dut, name.lower()).value) for name in strobes)
