"""Frames of the link: what is encoded is decoded, whatever is damaged is refused."""

import zlib

import pytest
from amaranth.hdl import Shape
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from onespike.contract import frames
from onespike.contract.frames import Kind

from .test_isa import random_fields


def test_records_are_all_there():
    found = {v for v in vars(frames).values() if isinstance(v, type) and issubclass(v, data.Struct)} - {data.Struct}
    assert found == set(frames.RECORDS.values()) and set(frames.RECORDS) == set(Kind) and len(found) == 11
    assert all(kind.value < 128 for kind in frames.HOST) and all(kind.value >= 128 for kind in frames.BOARD)


@pytest.mark.parametrize("kind", Kind)
def test_fields_lie_as_in_c(kind):
    """Whole bytes, aligned to their own size, and whole words in all: the layout of a C struct."""
    record = frames.RECORDS[kind]
    for _, field in record.as_shape():
        width = Shape.cast(field.shape).width
        assert width in (8, 16, 32) and field.offset % width == 0
    assert frames.size(record) % 4 == 0


@pytest.mark.parametrize("kind", Kind)
def test_round_trip(kind, rng):
    record = frames.RECORDS[kind]
    for n in range(100):
        fields = random_fields(rng, record, extreme=n % 4 == 0) | {"kind": kind}
        fields |= {"reserved": 0} if "reserved" in fields else {}
        payload = rng.bytes(int(rng.integers(0, frames.PAYLOAD_BYTES + 1)))
        given_fields = {name: value for name, value in fields.items() if name not in ("kind", "reserved")}
        frame = frames.encode(record, payload, **given_fields)
        assert frames.decode(frame, frames.RECORDS) == (kind, fields, payload)


def test_first_bytes_by_hand():
    frame = frames.encode(frames.Image, b"\xaa", session=2, sequence=0x0403, image=5, offset=1024, results=6)
    assert frame[:-4] == bytes([3, 2, 3, 4, 5, 0, 0, 0, 0, 4, 6, 0, 0xAA])
    assert frame[-4:] == zlib.crc32(frame[:-4]).to_bytes(4, "little")


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_refused(raw):
    with pytest.raises(ValueError):
        frames.decode(raw)


@given(st.binary(max_size=64))
def test_checked_bytes_are_decoded_or_refused(body):
    """The right CRC alone makes no frame of the board."""
    try:
        kind, fields, payload = frames.decode(body + zlib.crc32(body).to_bytes(4, "little"))
    except ValueError:
        return
    assert kind.value == body[0] >= 128 and frames.size(frames.BOARD[kind]) + len(payload) == len(body)
    assert fields["session"] == body[1]


@given(st.integers(0, 8 * 16 - 1))
def test_every_flipped_bit_is_noticed(bit):
    frame = bytearray(frames.encode(frames.State, session=1, status=2, gap=0, expected=3, limit=4, results=5))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="wrong checksum"):
        frames.decode(bytes(frame))
