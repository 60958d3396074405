"""The system's contract: registers and slots do not overlap, systems that cannot work are refused."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Shape

from onespike.contract import boards, boot, frames, soc
from onespike.errors import LimitError


def test_every_register_has_a_place_of_its_own():
    offsets = [offset for offset, _, _ in soc.REGISTERS.values()]
    assert len(set(offsets)) == len(offsets) and {access for _, access, _ in soc.REGISTERS.values()} == {"r", "w", "p"}


def test_regions_differ_in_their_upper_four_bits():
    bases = (soc.ROM, soc.RAM, soc.PACKETS, soc.CSR, soc.CORE)
    assert len({base >> 28 for base in bases}) == len(bases) and not any(base & 0x0FFFFFFF for base in bases)


def test_a_slot_holds_the_longest_frame_and_what_stands_before_it():
    assert Shape.cast(soc.Meta).width == 32 * soc.META_WORDS
    assert 4 * (soc.SLOT_WORDS - soc.META_WORDS) >= frames.FRAME_BYTES
    longest = frames.size(frames.Result) + 4 * frames.CLASSES
    assert soc.SEND_WORD == soc.SLOTS * soc.SLOT_WORDS and 2 * longest <= 4 * (soc.PACKET_WORDS - soc.SEND_WORD)


def test_layouts_reach_the_whole_packet_memory():
    assert 1 << Shape.cast(soc.Feed.as_shape()["word"].shape).width >= soc.PACKET_WORDS
    assert 1 << Shape.cast(soc.Received.as_shape()["slot"].shape).width > soc.SLOTS
    assert all(Shape.cast(layout).width % 32 == 0 for layout in soc.LAYOUTS)


def test_a_window_fits_the_slots():
    assert 0 < soc.WINDOW < soc.SLOTS


@pytest.mark.parametrize(("baud", "divisor"), [(1_000_000, 100), (115_200, 868), (4_000_000, 25), (25_000_000, 4)])
def test_divisor(baud, divisor):
    assert replace(boards.system("arty"), baud=baud).divisor == divisor


@pytest.mark.parametrize(
    ("baud", "reason"), [(50_000_000, "at least 4 clock cycles a bit"), (12_000_000, "no whole part of 100000000 Hz")]
)
def test_rates_that_the_clock_cannot_make_are_refused(baud, reason):
    with pytest.raises(LimitError, match=reason):
        replace(boards.system("arty"), baud=baud)


def test_unknown_system():
    with pytest.raises(LimitError, match=r"no system 'nexys'; choose one of arty, arty-a7-100t"):
        boards.system("nexys")


@pytest.mark.parametrize("address", [-1, soc.FLASH_BYTES])
def test_boot_records_lie_where_24_bits_reach(address):
    assert replace(boards.system("arty"), flash_address=soc.FLASH_BYTES - 1).flash_address == soc.FLASH_BYTES - 1
    with pytest.raises(LimitError, match="more than 24 bits; choose one below 0x1000000"):
        replace(boards.system("arty"), flash_address=address)


def test_the_largest_record_fits_behind_its_address():
    largest = boot.encode(np.zeros(soc.PROGRAM_BYTES // 4, np.uint32))
    assert soc.FLASH_ADDRESS + len(largest) <= soc.FLASH_BYTES
