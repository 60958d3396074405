"""Four adders of 12 bits in one DSP block, and the same thing as plain logic."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.config import SIMD_BITS, WINDOWS

from ..vendor import family


def simd_lanes():
    """Shape of four operands."""
    return data.ArrayLayout(signed(SIMD_BITS), WINDOWS)


class SimdAdder(wiring.Component):
    """One link of a chain: ``p = cascade + gate[0] * a + gate[1] * c`` in four lanes.

    A DSP48E1 in SIMD mode FOUR12 on Xilinx 7 series (the gates are its X and Y multiplexers), plain
    logic elsewhere.

    Members
    -------
    a, c : In(4 x signed 12); gate : In(2); all registered
    cascade : In(48), ``p`` of the link before; p : Out(48), 2 cycles after a and c, 1 after cascade

    Attributes: ``first``, nothing is cascaded in.
    """

    def __init__(self, first):
        self.first = first
        super().__init__(
            {
                "a": In(simd_lanes()),
                "c": In(simd_lanes()),
                "gate": In(2),
                "cascade": In(simd_lanes()),
                "p": Out(simd_lanes()),
                "cascade_out": Out(simd_lanes()),
            }
        )

    def elaborate(self, platform):
        if family(platform) == "xc7":
            return self._dsp48e1()
        m = Module()
        a, c = Signal(simd_lanes(), reset_less=True), Signal(simd_lanes(), reset_less=True)
        gate = Signal(2)
        m.d.sync += [a.eq(self.a), c.eq(self.c), gate.eq(self.gate)]
        for lane in range(WINDOWS):
            before = 0 if self.first else self.cascade[lane]
            m.d.sync += self.p[lane].eq(before + Mux(gate[0], a[lane], 0) + Mux(gate[1], c[lane], 0))
        m.d.comb += self.cascade_out.eq(self.p)
        return m

    def _dsp48e1(self):
        m = Module()
        a, gate = self.a.as_value(), self.gate
        z = Const(0 if self.first else 1, 3)  # 0, or PCIN
        registers = dict.fromkeys(("AREG", "BREG", "CREG", "PREG", "ACASCREG", "BCASCREG", "OPMODEREG"), 1)
        registers |= dict.fromkeys(("MREG", "ADREG", "DREG", "ALUMODEREG", "INMODEREG", "CARRYINREG", "CARRYINSELREG"), 0)  # fmt: skip
        enables = ("CEA2", "CEB2", "CEC", "CEP", "CECTRL")
        unused = ("CEA1", "CEB1", "CEM", "CED", "CEAD", "CEALUMODE", "CEINMODE", "CECARRYIN")
        resets = ("RSTA", "RSTB", "RSTC", "RSTP", "RSTM", "RSTD", "RSTCTRL", "RSTALUMODE", "RSTINMODE", "RSTALLCARRYIN")
        ties = {"D": 25, "INMODE": 5, "ALUMODE": 4, "CARRYINSEL": 3, "CARRYIN": 1, "CARRYCASCIN": 1, "MULTSIGNIN": 1,
                "ACIN": 30, "BCIN": 18}  # fmt: skip
        m.submodules.dsp = Instance(
            "DSP48E1",
            p_USE_SIMD="FOUR12",
            p_USE_MULT="NONE",
            p_USE_DPORT="FALSE",
            **{f"p_{name}": value for name, value in registers.items()},
            i_CLK=ClockSignal(),
            **{f"i_{name}": Const(1, 1) for name in enables},
            **{f"i_{name}": Const(0, 1) for name in (*unused, *resets)},
            **{f"i_{name}": Const(0, width) for name, width in ties.items()},
            i_A=a[18:48],
            i_B=a[:18],
            i_C=self.c.as_value(),
            i_PCIN=Const(0, 48) if self.first else self.cascade.as_value(),
            i_OPMODE=Cat(gate[0].replicate(2), gate[1].replicate(2), z),
            o_P=self.p.as_value(),
            o_PCOUT=self.cascade_out.as_value(),
        )
        return m
