"""The system's clock from the board's crystal: the vendors' PLLs behind one unit."""

import itertools
from dataclasses import dataclass

from amaranth.hdl import Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.errors import LimitError

from ..vendor import family


@dataclass(frozen=True)
class PllLimits:
    """What a family's PLL can do: ranges of its three dividers (largest value) and frequencies in Hz.

    ``phase_detector`` and ``vco``: (lowest, highest). ``feedback``: largest multiplier.
    """

    divide_in: int
    feedback: int
    divide_out: int
    phase_detector: tuple
    vco: tuple


LIMITS = {
    # DS181 (speed grade -1), UG472.
    "xc7": PllLimits(56, 64, 128, (19e6, 450e6), (800e6, 1600e6)),
    # FPGA-DS-02012, FPGA-TN-02200.
    "ecp5": PllLimits(128, 128, 128, (3.125e6, 400e6), (400e6, 800e6)),
}


@dataclass(frozen=True)
class PllSettings:
    """Dividers: output = input / ``divide_in`` * ``multiply`` / ``divide_out``; the VCO runs before the last one."""

    divide_in: int
    multiply: int
    divide_out: int


def pll_settings(name, input_hz, output_hz):
    """``PllSettings`` of the family ``name`` for exactly ``output_hz``: the fastest phase detector, and the VCO that is
    nearest to the middle of its range.

    Raises ``LimitError`` if there are none.
    """
    limits, found = LIMITS[name], []
    for divide_in, divide_out in itertools.product(
        range(1, limits.divide_in + 1), range(1, limits.divide_out + 1)
    ):
        multiply, rest = divmod(output_hz * divide_in * divide_out, input_hz)
        # ECP5 takes the feedback from the output, so its multiplier holds the output's divider already.
        feedback = multiply / divide_out if name == "ecp5" else multiply
        detector, vco = input_hz / divide_in, input_hz / divide_in * multiply
        fits = feedback == int(feedback) and 1 <= feedback <= limits.feedback
        if not rest and fits and _within(detector, limits.phase_detector) and _within(vco, limits.vco):
            found.append((divide_in, abs(vco - sum(limits.vco) / 2), PllSettings(divide_in, multiply, divide_out)))
    if not found:
        raise LimitError(f"no PLL of family {name!r} makes {output_hz} Hz of {input_hz} Hz; choose another clock_hz")
    return min(found, key=lambda entry: entry[:2])[2]


def _within(value, bounds):
    return bounds[0] <= value <= bounds[1]


class Pll(wiring.Component):
    """Clock of ``output_hz`` from one of ``input_hz``; no portable description, it needs a vendor's family.

    Members
    -------
    i : In(1), clock
    o : Out(1), clock, on the global network where the family wants that said
    locked : Out(1), asynchronous
    """

    def __init__(self, input_hz, output_hz):
        self.input_hz, self.output_hz = input_hz, output_hz
        super().__init__({"i": In(1), "o": Out(1), "locked": Out(1)})

    def elaborate(self, platform):
        m = Module()
        name = family(platform)
        settings = pll_settings(name, self.input_hz, self.output_hz)
        made = Signal()
        m.submodules.pll = (self._xc7 if name == "xc7" else self._ecp5)(settings, made)
        m.submodules.buffer = buffer = GlobalClock()
        m.d.comb += [buffer.i.eq(made), self.o.eq(buffer.o)]
        return m

    def _xc7(self, settings, made):
        feedback = Signal()
        return Instance(
            "PLLE2_ADV",
            p_CLKIN1_PERIOD=1e9 / self.input_hz,
            p_DIVCLK_DIVIDE=settings.divide_in,
            p_CLKFBOUT_MULT=settings.multiply,
            p_CLKOUT0_DIVIDE=settings.divide_out,
            i_CLKIN1=self.i,
            i_CLKINSEL=Const(1, 1),
            i_CLKFBIN=feedback,
            o_CLKFBOUT=feedback,
            i_RST=Const(0, 1),
            i_PWRDWN=Const(0, 1),
            o_CLKOUT0=made,
            o_LOCKED=self.locked,
        )

    def _ecp5(self, settings, made):
        return Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=str(self.input_hz / 1e6),
            a_FREQUENCY_PIN_CLKOP=str(self.output_hz / 1e6),
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_CLKI_DIV=settings.divide_in,
            p_CLKFB_DIV=settings.multiply // settings.divide_out,
            p_CLKOP_DIV=settings.divide_out,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=settings.divide_out // 2,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP",
            p_OUTDIVIDER_MUXA="DIVA",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            i_CLKI=self.i,
            i_CLKFB=made,
            i_RST=Const(0, 1),
            i_STDBY=Const(0, 1),
            i_ENCLKOP=Const(0, 1),
            **{f"i_{pin}": Const(0, 1) for pin in ("PHASESEL0", "PHASESEL1", "PLLWAKESYNC")},
            **{f"i_{pin}": Const(1, 1) for pin in ("PHASEDIR", "PHASESTEP", "PHASELOADREG")},
            o_CLKOP=made,
            o_LOCK=self.locked,
        )


class GlobalClock(wiring.Component):
    """Puts a clock on the global network: BUFG on Xilinx 7 series; elsewhere place and route does it by itself.

    Members
    -------
    i : In(1); o : Out(1)
    """

    def __init__(self):
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        if family(platform) == "xc7":
            m.submodules.bufg = Instance("BUFG", i_I=self.i, o_O=self.o)
        else:
            m.d.comb += self.o.eq(self.i)
        return m
