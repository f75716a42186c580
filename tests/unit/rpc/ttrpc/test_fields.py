import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc.ttrpc import fields


@given(st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1))
def test_numbers_come_back(number):
    ((field, value),) = fields.read(b"\x08" + fields.varint(number))
    assert (field, fields.signed(value, 64)) == (1, number)


def test_every_kind_of_field_is_read():
    message = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\1\2\3\4" + b"\x21" + bytes(8)
    assert list(fields.read(message)) == [(1, 150), (2, b"hi"), (3, b"\1\2\3\4"), (4, bytes(8))]


@pytest.mark.parametrize("message", [b"\x08", b"\x12\x05hi", b"\x1d\1", b"\x0b", b"\x08" + b"\xff" * 10])
def test_what_is_no_message_is_refused(message):
    with pytest.raises(fields.Malformed):
        list(fields.read(message))


@given(st.binary(max_size=100))
def test_nonsense_is_refused_or_read(message):
    with contextlib.suppress(fields.Malformed):
        assert all(field >= 0 for field, _ in fields.read(message))
