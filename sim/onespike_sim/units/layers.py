"""Random layer descriptors for unit tests, and the plain statement of what windows are."""

from onespike.compiler.layout import ABSENT
from onespike.contract import isa
from onespike.contract.isa import Carry, Condense, Op, Padding, Windows


def window_frame(windows, side):
    """(side, offset) of the windows of a map (paper A, section 3.1)."""
    return (3 * side // 4, side // 4) if windows is Windows.D else (side // 2, side // 2)


def source(side, stride, frame, kernel, groups, planes, base):
    """A source whose map has ``side`` pixels, read by windows ``frame`` in output pixels."""
    size, offset = frame
    return {
        "top": base + (planes - 1) * groups * side * side,
        "planes": planes,
        "plane_step": groups * side * side,
        "groups": groups,
        "kernel": kernel,
        "stride": stride,
        "side": side,
        "group_step": side * side,
        "window": stride * size,
        "offset": stride * offset,
        "offset_rows": stride * offset * side,
        "row_step": stride * side,
    }


def layer(side=8, windows=Windows.N, main=None, shortcut=None, scan_side=None, **fields):
    """A descriptor's fields, defaults filled in."""
    frame = window_frame(windows, side)
    values = {
        "op": Op.SPIKE,
        "windows": windows,
        "padding": Padding.MAP,
        "carry": Carry.NONE,
        "condense": Condense.OR,
        "gather": 0,
        "store": 0,
        "table": 0,
        "shift": 0,
        "main": main or source(side, 1, frame, 1, 1, 1, 0),
        "shortcut": shortcut or ABSENT,
        "scan_side": scan_side or frame[0],
        "side": side,
        "channels": 4,
        "base": 0,
        "group_step": side * side,
        "plane_step": side * side,
        "weights": 0,
        "shortcut_weights": 0,
        "group_weights": 0,
        "parameters": 0,
    }
    return values | fields


def packed(fields):
    """The descriptor as the integer that a ``layer`` port takes."""
    return isa.pack(isa.Layer, **fields)
