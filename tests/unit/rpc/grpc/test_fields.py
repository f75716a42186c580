import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc import status
from boxship.rpc.grpc import fields


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"4m", 0.004), (b"5u", 5e-6), (b"99999999n", 0.099999999)],
)
def test_timeouts_are_read(text, seconds):
    assert fields.parse_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", [b"", b"S", b"1", b"1s", b"123456789S", b"-1S", b"1.5S", b" 1S", b"1S\n", "\u0661S".encode()]
)
def test_malformed_timeouts_are_refused(text):
    with pytest.raises(ValueError, match="malformed grpc-timeout"):
        fields.parse_timeout(text)


@given(st.floats(min_value=0, max_value=1e10))
def test_a_timeout_is_never_shortened_and_hardly_lengthened(seconds):
    read = fields.parse_timeout(fields.format_timeout(seconds))
    assert seconds * 0.999999 <= read <= max(seconds * 1.01, seconds + 1e-6)


@given(st.text(max_size=200))
def test_texts_come_back(text):
    encoded = fields.encode_text(text)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert fields.decode_text(encoded) == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("encoded", "text"), [(b"100%", "100%"), (b"%zz", "%zz"), (b"%C3%BC", "ü"), (b"%ff", "\ufffd")]
)
def test_texts_that_were_not_encoded_stay(encoded, text):
    assert fields.decode_text(encoded) == text


@given(
    st.dictionaries(
        st.from_regex(r"[a-f][a-f0-9_.]{0,8}", fullmatch=True),
        st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    )
)
def test_metadata_comes_back(metadata):
    pairs = tuple(fields.encode_metadata(metadata))
    assert fields.decode_metadata(pairs) == {key: (value,) for key, value in metadata.items()}


@given(st.binary(max_size=50))
def test_binary_metadata_comes_back(value):
    ((name, encoded),) = fields.encode_metadata({"x-bin": value})
    assert name == b"x-bin"
    assert b"=" not in encoded
    assert fields.decode_binary(encoded) == value
    assert fields.decode_binary(encoded + b"=" * (-len(encoded) % 4)) == value


def test_several_values_of_a_key_keep_their_order():
    pairs = ((b"a", b"1"), (b"b-bin", b"AA,AQ"), (b"a", b"2"), (b":path", b"/"), (b"te", b"trailers"))
    assert fields.decode_metadata(pairs) == {"a": ("1", "2"), "b-bin": (b"\0", b"\1")}


@pytest.mark.parametrize(
    "metadata",
    [{"bad key": "x"}, {"": "x"}, {"grpc-status": "0"}, {":path": "/"}, {"k": "a\r\nb"}, {"k": "ü"}, {"k": "\x7f"}],
)
def test_what_no_header_can_hold_is_refused(metadata):
    with pytest.raises(ValueError, match="metadata key"):
        fields.encode_metadata(metadata)


def test_malformed_binary_metadata_is_refused():
    with pytest.raises(ValueError, match="malformed binary metadata"):
        fields.decode_metadata(((b"x-bin", b"!!!"),))


def test_a_status_comes_back():
    sent = status.Status(status.Code.ABORTED, "näh", b"\x08\x0a")
    found = fields.parse_status(tuple(fields.status_pairs(sent)))
    assert (found.code, found.message, found.details) == (sent.code, sent.message, sent.details)


@pytest.mark.parametrize("code", [b"99", b"-1", b"x", b"", b"1" * 5000])
def test_a_code_nobody_gave_out_is_unknown(code):
    assert fields.parse_status(((b"grpc-status", code),)).code is status.Code.UNKNOWN


def test_a_long_text_is_cut_so_that_it_can_be_sent():
    pairs = fields.status_pairs(status.Status(status.Code.UNKNOWN, "ü" * 100_000, bytes(100_000)))
    assert sum(len(name) + len(value) for name, value in pairs) < 64_000
