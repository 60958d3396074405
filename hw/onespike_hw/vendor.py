"""Which vendor's primitives a build may use; without a family everything is portable."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What ``elaborate`` gets as its platform where no board is built.

    ``family``: "xc7" (Xilinx 7 series), "ecp5", or None for the portable description.
    """

    family: str | None = None


def family(platform):
    """Family of a platform; boards of Xilinx 7 series name it in their device."""
    if str(getattr(platform, "device", "")).startswith("xc7"):
        return "xc7"
    return getattr(platform, "family", None)
