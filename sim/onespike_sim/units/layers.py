"""Random layer descriptors for unit tests, and the plain statement of what windows are."""

from onespike.compiler.layout import ABSENT
from onespike.contract import isa
from onespike.contract.isa import Carry, Condense, Op, Padding, Windows
from onespike.contract.program import group_step


def window_frame(windows, side):
    """(side, offset) of the windows of a map (paper A, section 3.1)."""
    return (3 * side // 4, side // 4) if windows is Windows.D else (side // 2, side // 2)


def source(side, stride, window, kernel, groups, planes, base):
    """A source whose map has ``side`` pixels, scanned in windows of ``window`` output pixels."""
    half, step = side // 2, group_step((side // 2) ** 2)
    return {
        "top": base + (planes - 1) * groups * step,
        "planes": planes,
        "plane_step": groups * step,
        "groups": groups,
        "kernel": kernel,
        "stride": stride,
        "fresh": 0,
        "half": half,
        "area": half * half,
        "group_step": step,
        "row_step": stride * half,
        "window": stride * window,
        "offset": side - stride * window,
        "offset_rows": (side - stride * window) * half,
    }


def layer(side=8, windows=Windows.N, main=None, shortcut=None, scan=0, **fields):
    """A descriptor's fields for an output map of ``side`` pixels, defaults filled in."""
    walked = window_frame(windows, side)[0] if scan else side // 2
    values = {
        "op": Op.SPIKE,
        "windows": windows,
        "padding": Padding.MAP,
        "carry": Carry.NONE,
        "condense": Condense.OR,
        "levels": 0,
        "pairs": 0,
        "scan": scan,
        "store": 0,
        "table": 0,
        "shift": 0,
        "main": main or source(side, 1, walked, 1, 1, 1, 0),
        "shortcut": shortcut or ABSENT,
        "scan_side": walked,
        "positions": walked**2,
        "half": side // 2,
        "quarter_words": side // 4 * (side // 2),
        "channels": 4,
        "words": 1,
        "base": 0,
        "group_step": group_step((side // 2) ** 2),
        "plane_step": group_step((side // 2) ** 2),
        "weights": 0,
        "shortcut_blocks": 0,
        "group_blocks": 0,
        "parameters": 0,
    }
    return values | fields


def packed(fields):
    """The descriptor as the integer that a ``layer`` port takes."""
    return isa.pack(isa.Layer, **fields)
