import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.terms import documents, errors

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b'{"a":1,"a":2}', "'a' stands twice"),
        (b'{"x":{"b":1,"c":2,"b":1}}', "'b' stands twice"),
        (b'{"a":NaN}', "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e400]", "too large"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[" + b"1" * 5000 + b"]", "64 bits"),
        (rb'"\ud800"', "surrogate"),
        (rb'{"\udc00":1}', "surrogate"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"\xff", "UTF-8"),
        (b"", "Expecting value"),
        (b"{} x", "Extra data"),
        (b"[" * 100_000, "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
    ],
)
def test_refuses_what_has_two_meanings_or_none(data: bytes, cause: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=cause):
        documents.load(data)


def test_is_bounded() -> None:
    assert documents.load(b'"abc"', limit=5) == "abc"
    with pytest.raises(errors.InvalidArgument, match="6 bytes are more than the 5"):
        documents.load(b'"abcd"', limit=5)


def test_brackets_in_strings_are_no_depth() -> None:
    text = '["\\"' + "[{" * 200 + '\\\\"]'
    assert documents.load(text.encode()) == json.loads(text)
    assert documents.load(rb'"\ud83d\ude00"') == "😀"


@given(VALUES)
def test_reads_what_python_writes(value: object) -> None:
    assert documents.load(json.dumps(value).encode()) == value
    assert documents.load(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200) | st.text('{}[]":,\\ue0123dft', max_size=100).map(str.encode))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        documents.load(data)
    except errors.InvalidArgument:
        return
    json.loads(data)
