import contextlib

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc.http2 import blocks, faults, headers

PAIRS = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.binary(max_size=300)), max_size=20)


@given(PAIRS)
def test_what_we_encode_others_decode(pairs):
    decoded = hpack.Decoder().decode(blocks.encode(pairs), raw=True)
    assert [(bytes(name), bytes(value)) for name, value in decoded] == pairs


@given(st.lists(PAIRS, max_size=8))
def test_what_others_encode_we_decode(lists):
    encoder, reader = hpack.Encoder(), headers.Reader(list_limit=1 << 20)
    for pairs in lists:
        for _ in range(2):
            assert list(reader.read(encoder.encode(pairs)).headers) == pairs


def test_a_block_is_remembered_only_while_the_table_stands_still():
    reader = headers.Reader(list_limit=4096)
    indexed = b"\xbe"  # the newest entry of the dynamic table
    reader.read(b"\x40\x01a\x01b")
    first = reader.read(indexed)
    assert first.headers == ((b"a", b"b"),)
    assert reader.read(indexed) is first
    reader.read(b"\x40\x01c\x01d")
    assert reader.read(indexed).headers == ((b"c", b"d"),)


def test_the_table_may_be_emptied():
    reader = headers.Reader(list_limit=4096)
    reader.read(b"\x40\x01a\x01b")
    reader.read(b"\xbe")
    reader.read(b"\x20")
    with pytest.raises(faults.ConnectionFault):
        reader.read(b"\xbe")


def test_memory_for_blocks_is_bounded():
    reader = headers.Reader(list_limit=1 << 20)
    for number in range(2000):
        reader.read(blocks.encode([(b"number", b"%d" % number)]))
    assert len(reader._known) <= 256


@given(st.binary(max_size=200))
def test_nonsense_is_a_compression_error_or_a_list(data):
    reader = headers.Reader(list_limit=4096)
    with contextlib.suppress(faults.ConnectionFault):
        assert isinstance(reader.read(data).headers, tuple)


def test_what_a_list_means_is_kept_with_its_block():
    reader = headers.Reader(list_limit=4096)
    assert reader.read(b"\x88").view(lambda pairs: pairs) == ((b":status", b"200"),)
    assert reader.read(b"\x88").known == ((b":status", b"200"),)


@pytest.mark.parametrize("length", [b"x", b"-1", b"", b"9" * 19])
def test_a_content_length_that_is_none(length):
    block = headers.Reader(list_limit=4096).read(blocks.encode([(b"content-length", length)]))
    with pytest.raises(ValueError, match="content-length"):
        block.view(tuple)
