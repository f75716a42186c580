"""The examples are those of RFC 7541, appendix C."""

import contextlib

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc.http2 import blocks, tables

NAMES = st.sampled_from([b":path", b":method", b"content-type", b"x-trace", b"grpc-timeout", b"a"])
PAIRS = st.lists(st.tuples(NAMES, st.binary(max_size=120)), max_size=12)
FIRST = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com"))
SECOND = (*FIRST, (b"cache-control", b"no-cache"))
THIRD = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
)
DATE, LOCATION = b"Mon, 21 Oct 2013 20:13:21 GMT", b"https://www.example.com"
COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
ANSWERS = (
    ((b":status", b"302"), (b"cache-control", b"private"), (b"date", DATE), (b"location", LOCATION)),
    ((b":status", b"307"), (b"cache-control", b"private"), (b"date", DATE), (b"location", LOCATION)),
    (
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", DATE.replace(b":21", b":22")),
        (b"location", LOCATION),
        (b"content-encoding", b"gzip"),
        (b"set-cookie", COOKIE),
    ),
)


def decoder(limit=1 << 20, size=4096):
    made = blocks.Decoder(list_limit=limit)
    made.table = tables.Table(size)
    return made


@pytest.mark.parametrize(
    ("block", "pair"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header")),
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path")),
        ("100870617373776f726406736563726574", (b"password", b"secret")),
        ("82", (b":method", b"GET")),
    ],
)
def test_single_fields(block, pair):
    assert decoder().decode(bytes.fromhex(block)) == (pair,)


@pytest.mark.parametrize(
    "requests",
    [
        (
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),
    ],
)
def test_requests_one_after_the_other(requests):
    made = decoder()
    assert [made.decode(bytes.fromhex(block)) for block in requests] == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    "answers",
    [
        (
            (
                "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e17"
                "68747470733a2f2f7777772e6578616d706c652e636f6d"
            ),
            "4803333037c1c0bf",
            (
                "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153"
                "444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"
            ),
        ),
        (
            (
                "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8"
                "e9ae82ae43d3"
            ),
            "4883640effc1c0bf",
            (
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b"
                "3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
            ),
        ),
    ],
)
def test_answers_that_push_each_other_out(answers):
    made = decoder(size=256)
    assert tuple(made.decode(bytes.fromhex(block)) for block in answers) == ANSWERS


@pytest.mark.parametrize(
    ("number", "bits", "block"), [(10, 5, b"\x0a"), (1337, 5, b"\x1f\x9a\x0a"), (42, 8, b"\x2a"), (127, 7, b"\x7f\0")]
)
def test_integers(number, bits, block):
    assert blocks.integer(number, bits, 0) == block
    assert blocks._integer(block, 0, (1 << bits) - 1) == (number, len(block))


@given(PAIRS)
def test_what_we_write_others_read(pairs):
    decoded = hpack.Decoder().decode(blocks.encode(pairs), raw=True)
    assert [(bytes(name), bytes(value)) for name, value in decoded] == pairs


@given(st.lists(st.tuples(PAIRS, st.booleans(), st.none() | st.integers(0, 4096)), max_size=12))
def test_what_others_write_we_read(lists):
    encoder, made = hpack.Encoder(), decoder()
    for pairs, packed, size in lists:
        if size is not None:
            encoder.header_table_size = size
        assert made.decode(encoder.encode(pairs, huffman=packed)) == tuple(pairs)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_nonsense_means_the_same_to_others(chunks):
    other, made = hpack.Decoder(max_header_list_size=4096), decoder(4096)
    for chunk in chunks:
        try:
            expected = tuple((bytes(name), bytes(value)) for name, value in other.decode(chunk, raw=True))
        except (hpack.HPACKError, IndexError, ValueError):
            with pytest.raises((ValueError, IndexError, blocks.TooLong)):
                made.decode(chunk)
            return
        assert made.decode(chunk) == expected


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # index 0
        b"\xff\xff\xff\xff\xff\x0f",  # an index without end
        b"\xbe",  # an empty table's first entry
        b"\x00\x05a",  # a text that is cut short
        b"\x00",
        b"\x40",
        b"\x82\x20",  # the table resized after a field
        b"\x3f\xe2\x1f",  # to 4097 bytes
        b"\x00\x01a\x82\xff\xff",  # padding of a byte
    ],
)
def test_what_cannot_be_read(block):
    with pytest.raises((ValueError, IndexError)):
        decoder().decode(block)


def test_a_long_list_is_refused_wherever_its_length_comes_from():
    made = decoder(4096)
    made.decode(b"\x40\x01a\x7f\x81\x0e" + b"x" * 1920)  # one entry of 2 kB
    with pytest.raises(blocks.TooLong):
        made.decode(b"\xbe" * 3)
    with pytest.raises(blocks.TooLong):
        decoder(4096).decode(b"\x82" * 200)


def test_memory_for_the_table_is_bounded():
    made = decoder()
    for number in range(3000):
        with contextlib.suppress(blocks.TooLong):
            made.decode(b"\x40\x05" + b"%05d" % number + b"\x00")
    assert len(made.table._entries) <= 4096 // tables.OVERHEAD


def test_an_entry_larger_than_the_table_empties_it():
    made = decoder(size=64)
    made.decode(b"\x40\x01a\x01b")
    made.decode(b"\x40\x01a\x40" + b"x" * 64)
    with pytest.raises(IndexError):
        made.decode(b"\xbe")
