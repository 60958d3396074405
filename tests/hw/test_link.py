"""The link engine and its units in Verilator, driven by their cocotb testbenches (sim/onespike_sim/units)."""

from dataclasses import replace

import pytest

from onespike.contract.boards import system
from onespike_hw.link.cobs import CobsDecoder
from onespike_hw.link.engine import LinkEngine
from onespike_hw.link.packets import PacketMemory
from onespike_sim.runner import simulate, to_verilog
from onespike_sim.synth import synthesise
from onespike_sim.units.link_benches import SenderAndMemory, Uarts

UNITS = {"uart": Uarts, "cobs": CobsDecoder, "send": SenderAndMemory}


@pytest.mark.parametrize("name", UNITS)
def test_unit(name):
    assert simulate(UNITS[name](), f"onespike_sim.units.test_link_{name}", f"unit-link-{name}") >= 1


@pytest.mark.parametrize("name", ["receive", "feed", "engine"])
def test_engine(name):
    """The whole engine, seen from the line and from the CPU, without a flash that comes before the line."""
    engine = LinkEngine(replace(system("virtual-tiny"), flash_address=None))
    assert simulate(engine, f"onespike_sim.units.test_link_{name}", "unit-link-engine") >= 1


def test_packet_memory_is_two_blocks():
    """Byte enables and two ports do not cost a third block, nor LUT memory."""
    text, _ = to_verilog(PacketMemory(), "packets", "xc7")
    resources = synthesise(text, "packets", "xc7", modules=False)
    assert (resources.bram, resources.lutram) == (2, 0)
