from hypothesis import given
from hypothesis import strategies as st

from boxship.rpc.ttrpc import frames

FRAMES = st.lists(
    st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=50)),
    max_size=6,
)


def cut(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(FRAMES, st.lists(st.integers(1, 40), max_size=30))
def test_frames_come_back_in_any_pieces(sent, sizes):
    reader, found = frames.Reader(), []
    for piece in cut(b"".join(frames.encode(*frame) for frame in sent), sizes):
        found += reader.feed(piece)
    assert [frame[:4] for frame in found] == sent
    assert reader.idle


@given(st.lists(st.integers(1, 1 << 20), max_size=20))
def test_what_is_too_long_is_skipped_exactly(sizes):
    reader, found, length = frames.Reader(), [], frames.MESSAGE_LIMIT + 3
    data = frames.HEADER.pack(length, 1, 1, 0) + bytes(length) + frames.encode(3, 1, 0, b"next")
    for piece in cut(data, sizes):
        found += reader.feed(piece)
        assert len(reader._kept) < frames.HEADER_SIZE or reader._kept.endswith(b"xt") or found == []
    assert [(frame.stream, frame.payload, frame.length) for frame in found] == [(1, b"", length), (3, b"next", 4)]


def test_the_longest_length_holds_nothing():
    reader = frames.Reader()
    assert reader.feed(b"\xff" * 10 + bytes(100_000)) == []
    assert reader._kept == b""
    assert reader.missing == 0xFFFFFFFF - 100_000


def test_missing_completes_the_frame():
    reader, data = frames.Reader(), frames.encode(1, 1, 0, bytes(1000))
    assert reader.feed(data[:4]) == []
    assert reader.feed(data[4 : 4 + reader.missing]) == []
    at = 10
    while reader.missing and at < len(data):
        step = reader.missing
        found = reader.feed(data[at : at + step])
        at += step
    assert [frame.payload for frame in found] == [bytes(1000)]
