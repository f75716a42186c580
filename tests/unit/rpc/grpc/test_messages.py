import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc import status
from boxship.rpc.grpc import messages


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(1, 30), max_size=40))
def test_messages_come_back_in_any_pieces(sent, sizes):
    assembler, found, at = messages.Assembler(), [], 0
    data = b"".join(map(messages.framed, sent))
    for size in [*sizes, len(data)]:
        found += assembler.feed(data[at : at + size])
        at += size
    assert found == sent
    assert assembler.idle


@pytest.mark.parametrize(
    ("prefix", "encoding", "code"),
    [
        (b"\x01\0\0\0\x05", "gzip", status.Code.UNIMPLEMENTED),
        (b"\x01\0\0\0\x05", "identity", status.Code.INTERNAL),
        (b"\x02\0\0\0\x05", "identity", status.Code.INTERNAL),
        (b"\0\x01\0\0\x01", "identity", status.Code.RESOURCE_EXHAUSTED),
        (b"\0\xff\xff\xff\xff", "identity", status.Code.RESOURCE_EXHAUSTED),
    ],
)
@pytest.mark.parametrize("size", [1, 5])
def test_what_is_refused_is_refused_by_its_prefix(prefix, encoding, code, size):
    assembler = messages.Assembler(encoding)
    pieces = [prefix[at : at + size] for at in range(0, 5, size)]
    assert all(assembler.feed(piece) == [] for piece in pieces[:-1])
    with pytest.raises(status.Status) as failure:
        assembler.feed(pieces[-1])
    assert failure.value.code is code


def test_a_message_too_long_is_not_framed():
    with pytest.raises(status.Status, match=r"16777217 vs\. 16777216"):
        messages.framed(bytes(messages.MESSAGE_LIMIT + 1))


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_nonsense_holds_no_more_than_it_is(pieces):
    assembler = messages.Assembler()
    with contextlib.suppress(status.Status):
        for piece in pieces:
            assembler.feed(piece)
    assert assembler.size <= sum(map(len, pieces))
