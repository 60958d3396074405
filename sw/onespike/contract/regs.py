"""The core's registers: one table for gateware, driver, firmware and documents.

Offsets count 32-bit words; every register is 32 bits wide.
"""

from amaranth.lib import enum


class Status(enum.Enum, shape=4):
    """State of the core, in ``STATUS``."""

    NO_PROGRAM = 0
    """Waits for a program image."""
    LOADING = 1
    """A program image is arriving."""
    READY = 2
    """Runs: images may be sent."""
    BAD_MAGIC = 3
    """The first word was not a program image's."""
    BAD_VERSION = 4
    """The image has another format version."""
    BAD_FINGERPRINT = 5
    """The image was compiled for another core."""
    BAD_SECTION = 6
    """A section names an unknown target or runs past the image."""
    BAD_CHECKSUM = 7
    """The CRC-32 at the end does not match."""


REGISTERS = {
    "FINGERPRINT": (0, "r", "Contract and configuration; must equal the program image's."),
    "STATUS": (1, "r", "State of the core, an entry of ``Status``."),
    "RESET": (2, "w", "Any write drops the program and returns to NO_PROGRAM; not while an image runs."),
    "IMAGES": (3, "r", "Images classified since the program was loaded."),
    "CYCLES": (
        4,
        "r",
        "Clock cycles from the last score before the last image (or its first pixel) to its last score.",
    ),
    "ARRAY_CYCLES": (5, "r", "Of these, cycles in which the array took spike words."),
    "WEIGHT_WAITS": (6, "r", "Of these, cycles in which a block waited for its weights."),
}
"""name -> (offset, access r or w, meaning)"""
