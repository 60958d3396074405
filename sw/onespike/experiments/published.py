"""Figures that the papers print, beside which ours stand: top-1 on test images in per cent."""

from typing import NamedTuple

PAPER_A = "Yao et al., ACML 2023 (arXiv 2401.10843)"
PAPER_B = "Xu et al., Symmetry 2022 (arXiv 2112.07426)"
PAPER_C = "Suetake et al., S3NN (arXiv 2201.10879)"


class Figure(NamedTuple):
    """What is ``printed`` and ``where``; a text where it was read off a plot."""

    printed: float
    where: str


BESIDE = {
    "a-none": Figure(91.80, "A, Table 4, CNN, g = 1"),
    "a-n-border": Figure(92.28, "A, Table 4, CNN, g = 4 normal"),
    "a-nd-border": Figure(93.13, "A, Table 4, CNN, g = 4 dilated"),
    "a-n-2": Figure(92.15, "A, Table 4, CNN, g = 2 normal"),
    "a-nd-2": Figure(92.78, "A, Table 4, CNN, g = 2 dilated"),
    "a-nd": Figure(93.13, "A, Fig. 5a, Omega, theta 0.5"),
    "a-nd-msp": Figure(93.27, "A, Table 1, CNN-MSp"),
    "a-nd-leak": Figure(89.05, "A, Fig. 5a, m1 only"),
    "a-nd-sum": Figure(91.92, "A, Fig. 5a, Sum"),
    "a-nd-relu": Figure(92.61, "A, Fig. 5a, ReLU(M)"),
    "a-theta-1": Figure(91.7, "A, Fig. 5b, read off the plot"),
    "a-theta-3": Figure(92.1, "A, Fig. 5b, read off the plot"),
    "a-theta-7": Figure(91.7, "A, Fig. 5b, read off the plot"),
    "a-theta-9": Figure(91.7, "A, Fig. 5b, read off the plot"),
    "a-cnn": Figure(93.07, "A, Table 1, CNN"),
    "mnist-levels-2": Figure(99.56, "B, abstract, two steps"),
    "fashion-levels-2": Figure(93.08, "B, abstract, two steps"),
    "b-levels-2": Figure(87.90, "B, abstract, two steps"),
}
"""Row -> the figure of the variant that it stands for."""

WINDOWS = (
    ("g = 1", "91.80", "90.37", ("a-none",)),
    ("g = 2, normal", "92.15", "90.02", ("a-n-2",)),
    ("g = 2, dilated", "92.78", "91.82", ("a-nd-2",)),
    ("g = 4, normal", "92.28", "90.58", ("a-n-border", "a-n")),
    ("g = 4, dilated", "93.13", "92.58", ("a-nd-border", "a-nd")),
)
"""Table 4 of paper A: windows, CNN, LSTM, and our rows of that variant: zeros at the window's borders, as there, then at
the map's (g = 2 has but the latter)."""

FUSION = (
    ("one potential only, m1", "89.05", "89.21", ("a-nd-leak",)),
    ("one potential only, m2", "88.32", "85.32", ()),
    ("sum", "91.92", "90.84", ("a-nd-sum",)),
    ("ReLU", "92.61", "91.73", ("a-nd-relu",)),
    ("tanh", "92.71", "91.46", ()),
    ("sigmoid", "92.58", "92.02", ()),
    ("mean (its published code, for CIFAR-100)", "", "", ("a-nd-mean",)),
    ("Omega, theta 0.5", "93.13", "92.47", ("a-nd",)),
    ("Omega with the cosine inside the sine (its published code)", "", "", ("a-nd-inside",)),
    ("no carry", "", "", ("a-nd-none",)),
)
"""Fig. 5a of paper A: what becomes of the two potentials, CNN, LSTM, and our rows."""


class Claim(NamedTuple):
    """A published ``text`` that ``source`` says: row ``more`` beats row ``less``, by ``printed`` points where it says so.

    With ``margin`` below 0 the claim is that it is worse by no more than that.
    """

    text: str
    source: str
    more: str
    less: str
    printed: float | None = None
    margin: float = 0.0


CLAIMS = (
    Claim("four windows with a carry beat one map", "A, Table 4", "a-n-border", "a-none", 0.48),
    Claim("dilated windows beat normal ones", "A, Table 4", "a-nd-border", "a-n-border", 0.85),
    Claim("the same, kernels seeing across the windows' borders", "A, Table 4", "a-nd", "a-n", 0.85),
    Claim("four windows beat two", "A, Table 4", "a-n", "a-n-2", 0.13),
    Claim("four dilated windows beat two", "A, Table 4", "a-nd", "a-nd-2", 0.35),
    Claim("levels of condensed windows (MSp) beat their OR", "A, Table 1", "a-nd-msp", "a-nd", 0.20),
    Claim("Omega beats one potential only", "A, Fig. 5a", "a-nd", "a-nd-leak", 4.08),
    Claim("Omega beats the plain sum", "A, Fig. 5a", "a-nd", "a-nd-sum", 1.21),
    Claim("Omega beats ReLU of the sum", "A, Fig. 5a", "a-nd", "a-nd-relu", 0.52),
    Claim("Omega beats no carry at all", "A, Eq. 5", "a-nd", "a-nd-none"),
    Claim("theta 0.5 beats 0.1", "A, Fig. 5b", "a-nd", "a-theta-1", 1.4),
    Claim("theta 0.5 beats 0.9", "A, Fig. 5b", "a-nd", "a-theta-9", 1.4),
    Claim("windows in one step reach four time steps, within a point", "A, Eq. 10", "a-nd", "lif-4", margin=-1.0),
    Claim("levels beat spikes", "B, abstract", "b-levels-s3nn", "a-none"),
    Claim("levels beat spikes on MNIST", "B, abstract", "mnist-levels-1", "mnist-spikes-1"),
    Claim("one step of levels reaches two, within 0.1 points (MNIST)", "B, abstract", "mnist-levels-1", "mnist-levels-2",
          margin=-0.1),
    Claim("its surrogate beats a rectangle in one step", "C", "a-none", "lif-1"),
    Claim("one step of spikes comes within a point of full precision", "C, abstract", "a-none", "ann-8", margin=-1.0),
)  # fmt: skip
"""What the papers claim and two of our rows can tell. The difference of MSp is that of Table 1, 93.27 against 93.07."""
