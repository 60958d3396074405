"""Descriptors and other records: what is packed comes out again, what does not fit is refused."""

import numpy as np
import pytest
from amaranth.hdl import Shape
from amaranth.lib import data

from onespike.contract import isa


def random_fields(rng, record, extreme=False):
    fields = {}
    for name, field in record.as_shape():
        if isinstance(field.shape, type) and issubclass(field.shape, data.Struct):
            fields[name] = random_fields(rng, field.shape, extreme)
        elif isinstance(field.shape, type):
            fields[name] = list(field.shape)[int(rng.integers(len(field.shape)))]
        else:
            shape = Shape.cast(field.shape)
            low = -(1 << shape.width - 1) if shape.signed else 0
            high = low + (1 << shape.width) - 1
            fields[name] = int(rng.choice([low, high])) if extreme else int(rng.integers(low, high + 1))
    return fields


def test_records_are_all_there():
    found = {
        v for v in vars(isa).values() if isinstance(v, type) and issubclass(v, data.Struct) and v is not data.Struct
    }
    assert found == set(isa.RECORDS) and len(isa.RECORDS) == 5


@pytest.mark.parametrize("record", isa.RECORDS)
def test_round_trip(record, rng):
    for n in range(200):
        fields = random_fields(rng, record, extreme=n % 4 == 0)
        packed = isa.pack(record, **fields)
        assert isa.unpack(record, packed) == fields
        assert packed == record.as_shape().const(plain(fields)).as_value().value % (1 << Shape.cast(record).width)


def plain(fields):
    """Fields as Amaranth's own packing takes them."""
    return {k: plain(v) if isinstance(v, dict) else v for k, v in fields.items()}


def test_ranges_are_checked(rng):
    fields = random_fields(rng, isa.Parameter)
    for value in (2**15, -(2**15) - 1):
        with pytest.raises(ValueError, match=r"Parameter.scale = .* does not fit 16 bits"):
            isa.pack(isa.Parameter, **fields | {"scale": value})
    source = random_fields(rng, isa.Source)
    with pytest.raises(ValueError, match=r"Source.half = 200"):
        isa.pack(isa.Source, **source | {"half": 200})
    with pytest.raises(ValueError, match="missing or unknown"):
        isa.pack(isa.Parameter, scale=1)


def test_words(rng):
    value = int.from_bytes(rng.bytes(40), "little")
    assert isa.from_words(isa.to_words(value, 10)) == value
    assert isa.from_words(np.array(isa.to_words(value, 10), np.uint32)) == value
