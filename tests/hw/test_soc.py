"""The system round the core: registers, Ethernet, all of it with firmware for the test, and its text."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from onespike.contract.boards import system
from onespike.errors import LimitError, ToolError
from onespike_hw.csr import CsrFile
from onespike_hw.soc.cpu import cpu_verilog
from onespike_hw.soc.ethernet import Ethernet
from onespike_hw.soc.timers import Timer
from onespike_hw.soc.top import Soc
from onespike_hw.soc.udp_core import NAME, udp_core_verilog
from onespike_hw.vendor import Target
from onespike_sim.runner import simulate
from onespike_sim.soc import TOP, read_firmware, system_verilog
from onespike_sim.units import soc_firmware, test_soc_system

CONFIG = system("virtual-tiny")


def test_registers():
    assert simulate(CsrFile(), "onespike_sim.units.test_csr", "unit-csr") >= 1


def test_time_in_two_words():
    """The high word belongs to the low word that was read, also when the low word overflows in between."""
    timer = Timer()

    async def read(ctx):
        ctx.set(timer.hold, 1)
        low = ctx.get(timer.low)
        await ctx.tick()
        ctx.set(timer.hold, 0)
        await ctx.tick().repeat(5)
        return ctx.get(timer.high) << 32 | low

    async def bench(ctx):
        for begin in (0, 0xFFFF_FFFB, 0x1_FFFF_FFFF, 0x7_0000_0000):
            ctx.set(timer.now, begin)
            assert await read(ctx) == begin
            assert await read(ctx) == begin + 6

    simulator = Simulator(timer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_ethernet():
    """LiteEth as it is built into the board, but a hundred times less patient with a peer that is not there."""
    text = udp_core_verilog(CONFIG.mac, CONFIG.ip, CONFIG.clock_hz // 100)
    assert simulate(Ethernet(), "onespike_sim.units.test_soc_ethernet", "unit-ethernet", cells=text) >= 1


def test_system():
    """CPU, core and links together."""
    config = test_soc_system.CONFIG
    text = cpu_verilog() + udp_core_verilog(config.mac, config.ip, config.clock_hz)
    system = Soc(config, soc_firmware.build())
    assert simulate(system, "onespike_sim.units.test_soc_system", "unit-soc", cells=text) >= 1


def test_the_text_is_whole_and_always_the_same():
    """Every module is there once, and neither the run nor Python's hashes leave a trace in the text."""
    text = system_verilog(CONFIG, bytes(range(64)))
    modules = re.findall(r"^module ([^\s(]+)", text, re.MULTILINE)
    assert len(set(modules)) == len(modules) and {TOP, "VexRiscv", NAME} <= set(modules)
    command = (
        "import hashlib; from onespike.contract.boards import system; from onespike_sim.soc import system_verilog\n"
        "text = system_verilog(system('virtual-tiny'), bytes(range(64)))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", command], env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True
    )
    assert run.stdout.strip() == hashlib.sha256(text.encode()).hexdigest(), run.stderr


def test_a_system_without_ethernet():
    """No MAC address: no pins, no UDP stack."""
    system = Soc(replace(CONFIG, mac=""), [])
    assert not any(name.startswith("mii_") for name in system.signature.members)
    units = [name for _, name, _ in Fragment.get(system, Target()).subfragments]
    assert "link" in units and "ethernet" not in units


def test_what_is_wrong_is_told(monkeypatch, tmp_path):
    with pytest.raises(LimitError, match="8193 bytes, the ROM of system 'virtual-tiny' only 8192"):
        system_verilog(CONFIG, bytes(CONFIG.rom_bytes + 1))
    with pytest.raises(ToolError, match="make -C firmware"):
        read_firmware(tmp_path / "firmware.bin")
    import pythondata_cpu_vexriscv

    (tmp_path / "VexRiscv_Lite.v").write_text(cpu_verilog())
    monkeypatch.setattr(pythondata_cpu_vexriscv, "data_location", str(tmp_path))
    with pytest.raises(ToolError, match="RegFilePlugin_regFile"):
        cpu_verilog()
