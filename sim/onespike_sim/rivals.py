"""Published accelerators to compare with: what their authors state, where, and how sure the figure is."""

from dataclasses import dataclass
from enum import StrEnum


class Certainty(StrEnum):
    """How a rival's speed is known."""

    MEASURED = "measured"
    """In a public result log of a run on the board."""
    ABSTRACT = "abstract"
    """Stated in the authors' abstract."""
    QUOTED = "quoted"
    """Read in somebody else's table; the paper itself was not read."""
    DERIVED = "derived"
    """Computed here from public design parameters: a bound, not a run."""


@dataclass(frozen=True)
class Rival:
    """One system. ``kluts`` in 1,000 LUTs; ``gsop_per_second`` in 10**9 synaptic operations, 1 SOP = 1 add.

    ``certainty`` is that of the speed. None is unknown, or for SOP that the system multiplies or works on
    single bits instead.
    """

    system: str
    device: str
    clock_mhz: float
    source: str
    certainty: Certainty
    frames_per_second: float | None = None
    kluts: float | None = None
    gsop_per_second: float | None = None
    note: str = ""

    @property
    def frames_per_klut(self):
        """Frames per second and 1,000 LUTs, or None if either is unknown."""
        return _ratio(self.frames_per_second, self.kluts)

    @property
    def gsop_per_klut(self):
        """10**9 SOP per second and 1,000 LUTs, or None if either is unknown."""
        return _ratio(self.gsop_per_second, self.kluts)


def _ratio(amount, kluts):
    return None if amount is None or kluts is None else amount / kluts


RIVALS = (
    Rival(
        "FINN CNV-W1A1, measured",
        "Arty A7-100T",
        clock_mhz=100,
        frames_per_second=659.07,
        kluts=26.072,
        source="mlcommons/tiny_results_v0.7",
        certainty=Certainty.MEASURED,
        note="one image at a time; LUTs of the XC7Z020 build (Xilinx/BNN-PYNQ), those of the Arty are unpublished",
    ),
    Rival(
        "FINN CNV-W1A1, pipelined",
        "Arty A7-100T",
        clock_mhz=100,
        frames_per_second=100e6 / 32_768,
        kluts=26.072,
        source="Xilinx/BNN-PYNQ",
        certainty=Certainty.DERIVED,
        note="bound: clock by the 32,768 cycles of the slowest layer; LUTs as in the row above",
    ),
    Rival(
        "fpgaConvNet ResNet-8",
        "Zybo XC7Z010-1",
        clock_mhz=125,
        frames_per_second=317.5,
        kluts=16,
        source="mlcommons/tiny_results_v1.1",
        certainty=Certainty.MEASURED,
        note="8-bit weights, 12.5 M multiplications a frame, 78 DSP",
    ),
    Rival(
        "fpgaConvNet ResNet-8",
        "ZedBoard XC7Z020",
        clock_mhz=143,
        frames_per_second=2_431,
        kluts=47,
        source="mlcommons/tiny_results_v1.1",
        certainty=Certainty.MEASURED,
        note="as on the Zybo, 211 DSP",
    ),
    Rival(
        "DeepFire2",
        "VU9P",
        clock_mhz=550,
        frames_per_second=23_000,
        source="arXiv 2305.05187",
        certainty=Certainty.QUOTED,
        note="one time step, 8-bit weights; LUTs unknown (one of three chip regions)",
    ),
    Rival(
        "FireFly v1, peak",
        "ZCU104",
        clock_mhz=300,
        gsop_per_second=32 * 32 * 9 * 0.3,
        source="arXiv 2301.01905",
        certainty=Certainty.DERIVED,
        note="32 x 32 x 9 adds a cycle; the abstract's 5.53 TOP/s counts two operations for each; 1,152 DSP",
    ),
    Rival(
        "ExSpike",
        "XC7V2000T",
        clock_mhz=200,
        kluts=25,
        gsop_per_second=479,
        source="arXiv 2606.20414",
        certainty=Certainty.QUOTED,
        note="its GOPS taken as adds; if it counts two operations for each, this is twice too much; no DSP",
    ),
)
