import pytest
from hpack import huffman as others
from hpack import huffman_constants, huffman_table
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc.http2 import huffman

ENCODER = others.HuffmanEncoder(huffman_constants.REQUEST_CODES, huffman_constants.REQUEST_CODES_LENGTH)


@given(st.binary(max_size=600))
def test_whatever_others_write_is_read(text):
    assert huffman.decode(ENCODER.encode(text)) == text


def test_each_symbol_is_read_wherever_it_stands():
    for symbol in range(256):
        for before in range(8):
            text = b"0" * before + bytes((symbol,)) + b"a"
            assert huffman.decode(ENCODER.encode(text)) == text


@given(st.binary(max_size=40))
def test_nonsense_is_refused_where_others_refuse_it(data):
    try:
        expected = huffman_table.decode_huffman(data)
    except Exception:
        with pytest.raises(ValueError, match=r"a text|the end"):
            huffman.decode(data)
    else:
        assert huffman.decode(data) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff\xff\xff\xff", "the end of a text"),
        (b"\x1f\xff", "padded"),  # a byte of padding
        (b"\x18", "padded"),  # zeros
    ],
)
def test_what_no_text_is_written_as(data, why):
    with pytest.raises(ValueError, match=why):
        huffman.decode(data)


def test_nothing_is_nothing():
    assert huffman.decode(b"") == b""
