import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc import status
from boxship.rpc.ttrpc import envelopes, fields


@given(
    service=st.text(max_size=30),
    payload=st.binary(max_size=200),
    timeout=st.integers(min_value=0, max_value=1 << 62),
    metadata=st.dictionaries(
        st.text("abcdefgh-", min_size=1, max_size=9), st.lists(st.text(), min_size=1, max_size=3).map(tuple), max_size=4
    ),
)
def test_requests_come_back(service, payload, timeout, metadata):
    encoded = envelopes.encode_request(service, "Method", payload, timeout_nano=timeout, metadata=metadata)
    decoded = envelopes.decode_request(encoded)
    assert (decoded.service, decoded.method, decoded.payload) == (service, "Method", payload)
    assert (decoded.timeout_nano, decoded.metadata) == (timeout, metadata)


def test_the_bytes_are_those_of_the_specification():
    encoded = envelopes.encode_request("s", "M", b"p", timeout_nano=300, metadata={"k": ("v",)})
    assert encoded == b"\n\x01s\x12\x01M\x1a\x01p\x20\xac\x02\x2a\x06\n\x01k\x12\x01v"


def test_an_answer_and_a_failure():
    assert envelopes.decode_response(envelopes.encode_response(b"p")) == envelopes.Response(payload=b"p")
    failed = envelopes.decode_response(envelopes.encode_failure(status.Status(status.Code.NOT_FOUND, "x: not found")))
    assert failed.status is not None
    assert (failed.status.code, failed.status.message) == (status.Code.NOT_FOUND, "x: not found")


def test_details_are_the_whole_status():
    details = fields.number(1, 5) + fields.tagged(2, b"gone") + fields.tagged(3, b"any")
    failed = envelopes.decode_response(envelopes.encode_failure(status.Status(status.Code.NOT_FOUND, "gone", details)))
    assert failed.status is not None
    assert (failed.status.message, failed.status.details) == ("gone", details)


def test_an_ok_status_is_no_failure():
    assert envelopes.decode_response(fields.tagged(1, b"") + fields.tagged(2, b"p")).status is None


@pytest.mark.parametrize("code", [17, 1000, -1])
def test_a_code_nobody_gave_out_is_unknown(code):
    message = b"\x08" + fields.varint(code)
    assert envelopes.decode_status(message).code is status.Code.UNKNOWN


@given(st.binary(max_size=100))
def test_nonsense_is_refused_or_read(message):
    with contextlib.suppress(fields.Malformed):
        envelopes.decode_request(message)
    with contextlib.suppress(fields.Malformed):
        assert isinstance(envelopes.decode_response(message).payload, bytes)
