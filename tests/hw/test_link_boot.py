"""Boot from the flash in Verilator: the unit that plays the record, and the link engine with it."""

from dataclasses import replace

import pytest
from amaranth.hdl import Fragment
from amaranth.lib.wiring import In

from onespike.contract.boards import system
from onespike_hw.link.boot import FLASH, FlashBoot
from onespike_hw.link.engine import LinkEngine
from onespike_hw.soc.top import Soc
from onespike_hw.vendor import Target
from onespike_sim.runner import simulate
from onespike_sim.units import test_link_boot


@pytest.mark.parametrize("divisor", [4, 6])
def test_player(divisor):
    unit = FlashBoot(test_link_boot.ADDRESS, divisor)
    environment = {"ONESPIKE_DIVISOR": str(divisor)}
    assert simulate(unit, "onespike_sim.units.test_link_boot", f"unit-link-boot-{divisor}", environment) >= 1


def test_engine():
    """Seen from the lines and from the CPU."""
    engine = LinkEngine(system("virtual-tiny"))
    assert simulate(engine, "onespike_sim.units.test_link_boot_engine", "unit-link-engine-boot") >= 1


def test_pins_of_the_system():
    """A flash has its pins, and a system without one has none."""
    flash, none = (Soc(replace(system("virtual-tiny"), flash_address=at), []) for at in (0, None))
    ports = {"flash_cs_n", "flash_clk", "flash_copi", "flash_cipo"}
    members = flash.signature.members
    assert {name for name in members if name.startswith("flash")} == ports == set(FLASH)
    assert {name for name in ports if members[name].flow is In} == {"flash_cipo"}
    assert not ports & set(none.signature.members)
    for whole in (flash, none):
        assert "link" in [name for _, name, _ in Fragment.get(whole, Target()).subfragments]
