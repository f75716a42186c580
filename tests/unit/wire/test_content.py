"""The messages of an ingest are what protobuf makes of them, however they are read."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from boxship.api import content_pb2 as pb
from boxship.wire import content as wire

LONG = bytes(range(256)) * 200
FIELDS = [
    {"action": pb.WRITE, "ref": "r", "total": 1 << 40, "expected": "sha256:" + "0" * 64, "offset": 1 << 33},
    {"action": pb.COMMIT, "labels": {"a": "b", "c": "d"}},
    {"offset": -1},
    {},
]


def read(data: bytes) -> tuple[pb.WriteContentRequest, bytes]:
    """As wire.write reads it: the message without its data, and the data."""
    request, found = wire.write(pb.WriteContentRequest.FromString, data)
    rest = pb.WriteContentRequest()
    rest.CopyFrom(request)
    rest.ClearField("data")
    return rest, bytes(found)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("data", [b"", b"short", LONG])
def test_a_message_of_ours(fields, data):
    message = pb.WriteContentRequest(data=data, **fields).SerializeToString()
    assert read(message) == (pb.WriteContentRequest(**fields), data)


def test_long_data_is_not_copied():
    _, found = wire.write(pb.WriteContentRequest.FromString, pb.WriteContentRequest(data=LONG).SerializeToString())
    assert isinstance(found, memoryview)


def test_the_fields_in_any_order():
    parts = [pb.WriteContentRequest(**{key: value}).SerializeToString() for key, value in FIELDS[0].items()]
    for message in (b"".join([pb.WriteContentRequest(data=LONG).SerializeToString(), *parts]), b"".join(parts[::-1])):
        whole = pb.WriteContentRequest.FromString(message)
        rest, data = read(message)
        assert (rest, data) == (pb.WriteContentRequest(**FIELDS[0]), whole.data)


def test_of_data_that_comes_twice_the_last_counts():
    first, last = (pb.WriteContentRequest(data=data).SerializeToString() for data in (LONG, b"last"))
    assert read(first + last)[1] == b"last"
    assert read(last + first)[1] == LONG


@settings(max_examples=300)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_noise_around_long_data_is_judged_as_ever(before, after):
    message = before + pb.WriteContentRequest(data=LONG).SerializeToString() + after
    try:
        whole = pb.WriteContentRequest.FromString(message)
    except DecodeError:
        with pytest.raises(DecodeError):
            read(message)
        return
    if whole.data:  # of an empty one that comes behind it nobody knows
        assert read(message)[1] == whole.data


def test_a_number_without_end_is_no_place_for_data():
    with pytest.raises(DecodeError):
        read(b"\x32" + b"\xff" * (1 << 20))
