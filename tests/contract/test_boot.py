"""The boot record: what a board plays of it is what a host would send; what cannot be recorded is refused."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onespike.contract import boot, frames, isa, soc
from onespike.contract.frames import Command, Kind
from onespike.errors import LimitError, ProgramError

HEAD = soc.contract_id().to_bytes(4, "little")
words = st.lists(st.integers(0, 0xFFFF_FFFF), min_size=isa.HEADER_WORDS + 1, max_size=700)


@given(words)
def test_a_record_loads_its_program(program):
    """The frames of a host's load, whole, in order, with consecutive numbers and the first session's."""
    record = boot.encode(program)
    played = [frames.decode(frame, frames.HOST) for frame in boot.decode(record)]
    image = np.array(program, "<u4").tobytes()
    (opened, asked, *loaded, polled, closed) = played
    assert opened[0] is Kind.OPEN and opened[1]["version"] == frames.PROTOCOL
    assert asked[0] is Kind.REQUEST and (asked[1]["command"], asked[1]["argument"]) == (Command.LOAD, len(image))
    assert (polled[0], closed[0]) == (Kind.POLL, Kind.CLOSE)
    assert {fields["session"] for _, fields, _ in played[1:]} == {boot.session_number(0)}
    offset = 0
    for number, (kind, fields, payload) in enumerate(loaded):
        assert kind is Kind.PROGRAM and (fields["sequence"], fields["offset"]) == (number, offset)
        assert payload == image[offset : offset + frames.PAYLOAD_BYTES]
        offset += len(payload)
    assert offset == len(image)


@given(words, st.binary(max_size=50))
def test_what_is_behind_a_record_does_not_matter(program, behind):
    record = boot.encode(program)
    assert boot.decode(record + behind) == boot.decode(record)


@given(st.lists(st.binary(min_size=1, max_size=boot.LONGEST), max_size=4), st.data())
def test_a_cut_record_ends_where_it_was_cut(played, data):
    """Whole frames come first; one that was cut is filled up with ones; an erased length ends it."""
    record = boot.join(played)
    assert boot.decode(record) == played
    end = data.draw(st.integers(0, len(record)))
    result = boot.decode(record[:end])
    whole, at = 0, len(HEAD)
    while whole < len(played) and at + 2 + len(played[whole]) <= end:
        at += 2 + len(played[whole])
        whole += 1
    assert result[:whole] == played[:whole] and len(result) <= whole + 1
    if len(result) > whole:
        there = record[at + 2 : end]
        assert result[whole].startswith(there) and set(result[whole][len(there) :]) <= {0xFF}


@pytest.mark.parametrize("length", [0, boot.LONGEST + 1, 0x8001, 0xFFFF])
def test_a_length_that_no_frame_has_ends_a_record(length):
    assert boot.decode(HEAD + b"\1\0A" + length.to_bytes(2, "little") + bytes(2000)) == [b"A"]


@given(st.binary(max_size=20))
def test_anything_else_plays_nothing(content):
    assert content.startswith(HEAD) or boot.decode(content) == []
    assert boot.decode(bytes([HEAD[0] ^ 1]) + HEAD[1:] + content) == []


def test_session_numbers():
    """As firmware/session.c counts them."""
    assert [boot.session_number(n) for n in (0, 1, 15, 16, 17)] == [1, 17, 241, 1, 17]


def test_impossible_programs():
    with pytest.raises(ProgramError, match=re.escape("has 7 words, its header alone has 7; compile it again")):
        boot.encode(np.zeros(isa.HEADER_WORDS, np.uint32))
    most = soc.PROGRAM_BYTES // 4
    assert len(boot.decode(boot.encode(np.zeros(most, np.uint32)))) == soc.PROGRAM_BYTES // frames.PAYLOAD_BYTES + 4
    with pytest.raises(LimitError, match="has 2097156 bytes, a board takes 2097152 at most"):
        boot.encode(np.zeros(most + 1, np.uint32))
