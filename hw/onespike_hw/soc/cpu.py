"""The CPU: VexRiscv (RV32IM, no interrupts, 2 KiB of instruction cache), and its buses."""

from pathlib import Path

from amaranth.hdl import ClockSignal, Const, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from onespike.contract.isa import WORD_BITS
from onespike.contract.soc import ROM
from onespike.errors import ToolError

from .memory import BYTES

ADDRESS_BITS = WORD_BITS - 2
"""Bits of a word's address."""
LINE_WORDS = 8
"""Words of a cache line, fetched in ascending order from the first one."""
_SMALL = (
    ("RegFilePlugin_regFile", '(* ram_style = "block" *) reg [31:0] RegFilePlugin_regFile [0:31]'),
    ("ways_0_tags", '(* ram_style = "block" *) reg [22:0] ways_0_tags [0:63]'),
)
"""Memories of the CPU, and how its text declares them, that would leave most of a block RAM empty."""


def cpu_verilog():
    """Verilog text of module ``VexRiscv``: the packaged CPU, its small memories moved from block to LUT RAM.

    Raises ``ToolError`` if the package is missing or another version.
    """
    try:
        import pythondata_cpu_vexriscv as package
    except ImportError:
        raise ToolError("the CPU is not installed; 'pip install pythondata-cpu-vexriscv' provides it") from None
    text = (Path(package.data_location) / "VexRiscv_Lite.v").read_text()
    for name, declaration in _SMALL:
        if text.count(declaration) != 1:
            raise ToolError(f"the CPU's text declares {name!r} in another way; install the version that pyproject.toml names")
        text = text.replace(declaration, declaration.replace('"block"', '"distributed"'))
    return text


class WordBus(wiring.Signature):
    """An access at a time, seen from the CPU: ``request`` and what goes with it stay until ``ack``.

    Members
    -------
    request : Out(1)
    address : Out(30), of a word
    write : Out(1)
    select : Out(4), bytes to write
    value : Out(32), to write
    ack : In(1), one cycle
    data : In(32), meaningful with ``ack``
    """

    def __init__(self):
        super().__init__(
            {
                "request": Out(1),
                "address": Out(ADDRESS_BITS),
                "write": Out(1),
                "select": Out(BYTES),
                "value": Out(WORD_BITS),
                "ack": In(1),
                "data": In(WORD_BITS),
            }
        )


class FetchBus(wiring.Signature):
    """Cache lines, seen from the CPU: words in ascending order, ``LINE_WORDS`` of them, each until its ``ack``.

    Members
    -------
    request : Out(1)
    address : Out(30), of a word
    ack : In(1)
    data : In(32), meaningful with ``ack``
    """

    def __init__(self):
        super().__init__(
            {"request": Out(1), "address": Out(ADDRESS_BITS), "ack": In(1), "data": In(WORD_BITS)},
        )


class Cpu(wiring.Component):
    """VexRiscv; it starts at the first word of the ROM.

    Inside it an error on a bus is not connected to anything: a bus has to acknowledge every access.

    Members
    -------
    instruction : Out(FetchBus)
    data : Out(WordBus)
    """

    def __init__(self):
        super().__init__({"instruction": Out(FetchBus()), "data": Out(WordBus())})

    def elaborate(self, platform):
        m = Module()
        fetch, access = self.instruction, self.data
        m.submodules.core = Instance(
            "VexRiscv",
            i_clk=ClockSignal(),
            i_reset=ResetSignal(),
            i_externalResetVector=Const(ROM, WORD_BITS),
            i_timerInterrupt=Const(0, 1),
            i_softwareInterrupt=Const(0, 1),
            i_externalInterruptArray=Const(0, WORD_BITS),
            o_iBusWishbone_STB=fetch.request,
            o_iBusWishbone_ADR=fetch.address,
            i_iBusWishbone_ACK=fetch.ack,
            i_iBusWishbone_DAT_MISO=fetch.data,
            i_iBusWishbone_ERR=Const(0, 1),
            o_dBusWishbone_STB=access.request,
            o_dBusWishbone_ADR=access.address,
            o_dBusWishbone_WE=access.write,
            o_dBusWishbone_SEL=access.select,
            o_dBusWishbone_DAT_MOSI=access.value,
            i_dBusWishbone_ACK=access.ack,
            i_dBusWishbone_DAT_MISO=access.data,
            i_dBusWishbone_ERR=Const(0, 1),
        )
        return m
