"""The system round the core: registers, Ethernet, all of it with firmware for the test, and its text and size."""

import hashlib
import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace

import pytest
from amaranth.hdl import Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from onespike.contract.soc import system
from onespike.errors import LimitError, ToolError
from onespike_hw.csr import CsrFile
from onespike_hw.soc.cpu import cpu_verilog
from onespike_hw.soc.ethernet import Ethernet
from onespike_hw.soc.timers import Timer
from onespike_hw.soc.top import Soc
from onespike_hw.soc.udp_core import NAME, udp_core_verilog
from onespike_hw.vendor import Target
from onespike_sim import soc
from onespike_sim.runner import simulate
from onespike_sim.soc import TOP, check_fit, read_firmware, system_verilog
from onespike_sim.synth import Counts
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
        "import hashlib; from onespike.contract.soc import system; from onespike_sim.soc import system_verilog\n"
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
    check_fit("small", Counts(lut=20_800, bram=50))
    with pytest.raises(LimitError, match=r"'large' does not fit the xc7a35t: 20801 of 20800 lut, 50.5 of 50 bram"):
        check_fit("large", Counts(lut=20_801, bram=50.5))


class SmallCore(wiring.Component):
    """In the core's place: a product and a register."""

    def __init__(self, config):
        super().__init__({"i": In(16), "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i * self.i)
        return m


class SmallLink(wiring.Component):
    """In the link engine's place: a counter."""

    def __init__(self):
        super().__init__({"o": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.o + 1)
        return m


class SmallSoc(wiring.Component):
    """A system of these and an exclusive or."""

    def __init__(self, config, firmware):
        super().__init__({"o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core, m.submodules.link = core, link = SmallCore(None), SmallLink()
        m.d.comb += [core.i.eq(link.o), self.o.eq(core.o ^ link.o)]
        return m


def test_resources(monkeypatch, tmp_path, capsys):
    """The core is counted once, by itself; the shares and what is left over make the whole."""
    monkeypatch.setattr(soc, "Soc", SmallSoc)
    monkeypatch.setattr(soc, "Core", SmallCore)
    monkeypatch.setattr(soc, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    firmware = tmp_path / "firmware.bin"
    firmware.write_bytes(b"1234")
    soc.run_soc(Namespace(system="virtual-tiny", firmware=firmware))
    report = json.loads((tmp_path / "build/reports/soc.json").read_text())
    rows = report["rows"]
    assert (rows["core"]["dsp"], rows["links"]["ff"], rows["links"]["dsp"]) == (1, 16, 0)
    # Two exclusive ors of two inputs share a LUT.
    assert (rows[soc.GLUE]["lut"], rows[soc.GLUE]["logic_cells"]) == (16, 8)
    for resource, total in rows["all"].items():
        assert total == sum(row[resource] for name, row in rows.items() if name != "all")
    assert "links" in capsys.readouterr().out
