import pytest
from unit.rpc.http2 import playbook

from boxship.rpc.http2 import blocks, connection, events, faults, frames

Code = faults.ErrorCode


@pytest.fixture
def peer():
    return playbook.Peer()


def data(number, payload, *, end=False):
    return frames.frame(frames.DATA, frames.END_STREAM if end else 0, number, payload)


def test_it_greets_with_its_limits():
    kinds = {frame.kind for frame in playbook.Peer().greeting}
    assert kinds == {frames.SETTINGS, frames.WINDOW_UPDATE}


def test_an_answer_longer_than_a_frame_goes_out_in_one_piece(peer):
    peer.sends(frames.headers(1, playbook.REQUEST, end_stream=True, frame_size=16384))
    answer = bytes(range(256)) * 160  # 40 KiB
    assert peer.us.send_whole(peer.events[0].stream, playbook.RESPONSE, answer, playbook.TRAILERS)
    head, *parts, end = peer.answered()
    assert head == (frames.HEADERS, frames.END_HEADERS, 1, playbook.RESPONSE)
    assert [len(part[3]) for part in parts] == [16384, 16384, 8192]
    assert b"".join(part[3] for part in parts) == answer
    assert end == (frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, playbook.TRAILERS)


def test_an_answer_that_windows_or_others_are_in_the_way_of_is_not_sent(peer):
    peer.sends(frames.headers(1, playbook.REQUEST, end_stream=True, frame_size=16384))
    stream = peer.events[0].stream
    for size in (frames.DEFAULT_WINDOW + 1, 65 << 10):
        assert not peer.us.send_whole(stream, playbook.RESPONSE, bytes(size), playbook.TRAILERS)
    peer.sends(frames.window_update(0, 1 << 20), frames.window_update(1, 1 << 20))
    assert not peer.us.send_whole(stream, playbook.RESPONSE, bytes(65 << 10), playbook.TRAILERS)
    peer.us.sender.held = True
    assert not peer.us.send_whole(stream, playbook.RESPONSE, b"short", playbook.TRAILERS)
    assert peer.answered() == []


def test_a_request_and_its_answer(peer):
    peer.sends(frames.headers(1, playbook.REQUEST, end_stream=False, frame_size=16384), data(1, b"hello", end=True))
    head, body = peer.events
    assert (head.view[b":path"], head.ended) == (b"/s/M", False)
    assert (body.data, body.ended) == (b"hello", True)
    assert peer.us.send_whole(head.stream, playbook.RESPONSE, b"answer", playbook.TRAILERS)
    assert peer.answered() == [
        (frames.HEADERS, frames.END_HEADERS, 1, playbook.RESPONSE),
        (frames.DATA, 0, 1, b"answer"),
        (frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, playbook.TRAILERS),
    ]
    assert peer.us.streams == {}


@pytest.mark.parametrize("size", range(1, 40))
def test_bytes_may_come_in_any_pieces(size):
    peer = playbook.Peer()
    conversation = frames.headers(1, playbook.REQUEST, end_stream=False, frame_size=10) + data(1, b"hello", end=True)
    found = []
    for at in range(0, len(conversation), size):
        found += peer.sends(conversation[at : at + size])
    assert [type(event) for event in found] == [events.Head, events.Data]


def test_padding_and_priority_are_stripped(peer):
    padded = bytes((3,)) + b"\0\0\0\0\x10" + playbook.REQUEST + bytes(3)
    flags = frames.PADDED | frames.HAS_PRIORITY | frames.END_HEADERS
    peer.sends(frames.frame(frames.HEADERS, flags, 1, padded))
    assert peer.events[0].view[b":path"] == b"/s/M"
    peer.sends(frames.frame(frames.DATA, frames.PADDED, 1, b"\x02hi\0\0"))
    assert peer.events[0].data == b"hi"


def test_data_waits_for_the_windows(peer):
    stream = peer.request(1)
    peer.us.send_head(stream, playbook.RESPONSE)
    peer.us.send_data(stream, bytes(100_000))
    peer.us.end(stream, playbook.TRAILERS)
    sent = sum(len(frame.payload) for frame in peer.answered() if frame.kind == frames.DATA)
    assert sent == frames.DEFAULT_WINDOW
    peer.sends(frames.window_update(1, 100_000))
    assert peer.answered() == []
    peer.sends(frames.window_update(0, 100_000))
    rest = peer.answered()
    assert sum(len(frame.payload) for frame in rest[:-1]) == 100_000 - frames.DEFAULT_WINDOW
    assert rest[-1].flags & frames.END_STREAM
    assert [type(event) for event in peer.events] == [events.Drained]


def test_a_smaller_initial_window_may_make_a_window_negative(peer):
    stream = peer.request(1)
    peer.us.send_head(stream, playbook.RESPONSE)
    peer.us.send_data(stream, bytes(60_000))
    peer.answered()
    peer.sends(frames.settings({frames.INITIAL_WINDOW_SIZE: 10}))
    peer.us.send_data(stream, b"more")
    assert [frame.kind for frame in peer.answered()] == [frames.SETTINGS]
    peer.sends(frames.settings({frames.INITIAL_WINDOW_SIZE: 60_004}))
    assert peer.answered()[-1].payload == b"more"


def test_streams_that_wait_take_turns(peer):
    streams = [peer.request(number) for number in (1, 3)]
    for stream in streams:
        peer.us.send_head(stream, playbook.RESPONSE)
        peer.us.send_data(stream, bytes(1_000_000))
    peer.answered()
    peer.sends(*(frames.window_update(stream.id, 1_000_000) for stream in streams), frames.window_update(0, 200_000))
    sent = {frame.stream for frame in peer.answered() if frame.kind == frames.DATA}
    assert sent == {1, 3}


def test_a_full_socket_stops_data_and_not_control(peer):
    stream = peer.request(1)
    peer.us.send_head(stream, playbook.RESPONSE)
    peer.us.sender.held = True
    peer.us.send_data(stream, b"later")
    peer.sends(frames.ping(b"12345678"))
    assert [frame.kind for frame in peer.answered()] == [frames.HEADERS, frames.PING]
    assert peer.us.resume() == [stream]
    assert peer.answered()[0].payload == b"later"


def test_what_is_consumed_is_given_back():
    peer = playbook.Peer(limits=connection.Limits(stream_window=1000, connection_window=100_000))
    stream = peer.request(1, end=False)
    peer.sends(data(1, bytes(600)))
    assert peer.answered() == []
    peer.us.consume(stream, 600)
    assert peer.answered() == [(frames.WINDOW_UPDATE, 0, 1, (600).to_bytes(4, "big"))]
    peer.sends(data(1, bytes(1000)))
    assert peer.events[0].data == bytes(1000)
    peer.sends(data(1, b"x"))
    assert peer.resets() == [(1, Code.FLOW_CONTROL_ERROR)]


def test_the_connection_window_refills_by_itself():
    peer = playbook.Peer(limits=connection.Limits(connection_window=100_000))
    peer.request(1, end=False)
    peer.sends(*(data(1, bytes(10_000)) for _ in range(5)))
    assert (frames.WINDOW_UPDATE, 0, 0, (50_000).to_bytes(4, "big")) in peer.answered()


def test_an_answer_before_the_request_has_ended_resets_the_rest(peer):
    stream = peer.request(1, end=False)
    peer.us.send_head(stream, playbook.TRAILERS, ended=True)
    assert peer.resets() == [(1, Code.NO_ERROR)]
    peer.sends(data(1, b"late", end=True))
    assert (peer.events, peer.answered()) == ([], [])


def test_a_reset_is_told(peer):
    stream = peer.request(1)
    peer.sends(frames.rst_stream(1, Code.CANCEL))
    assert peer.events == [events.Reset(stream, Code.CANCEL)]
    peer.us.send_data(stream, b"nobody listens")
    assert peer.answered() == []


def test_late_frames_for_a_closed_stream_do_no_harm(peer):
    stream = peer.request(1)
    peer.us.send_whole(stream, playbook.RESPONSE, b"", playbook.TRAILERS)
    peer.answered()
    peer.sends(frames.window_update(1, 5), frames.rst_stream(1, Code.CANCEL))
    assert (peer.events, peer.answered()) == ([], [])


def test_trailers_end_a_request(peer):
    peer.request(1, end=False)
    peer.sends(frames.headers(1, playbook.TRAILERS, end_stream=True, frame_size=16384))
    assert [type(event) for event in peer.events] == [events.Trailers]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(data(0, b""), Code.PROTOCOL_ERROR, id="data on stream 0"),
        pytest.param(data(1, b""), Code.PROTOCOL_ERROR, id="data on an idle stream"),
        pytest.param(frames.frame(frames.HEADERS, 4, 2, playbook.REQUEST), Code.PROTOCOL_ERROR, id="even stream"),
        pytest.param(frames.rst_stream(1, 0), Code.PROTOCOL_ERROR, id="reset of an idle stream"),
        pytest.param(frames.window_update(1, 1), Code.PROTOCOL_ERROR, id="window of an idle stream"),
        pytest.param(frames.window_update(0, 0), Code.PROTOCOL_ERROR, id="window of nothing"),
        pytest.param(frames.window_update(0, (1 << 31) - 1) * 2, Code.FLOW_CONTROL_ERROR, id="window too large"),
        pytest.param(frames.frame(frames.PING, 0, 0, b"short"), Code.FRAME_SIZE_ERROR, id="short ping"),
        pytest.param(frames.frame(frames.PING, 0, 1, bytes(8)), Code.PROTOCOL_ERROR, id="ping on a stream"),
        pytest.param(frames.frame(frames.SETTINGS, 0, 0, b"odd"), Code.FRAME_SIZE_ERROR, id="odd settings"),
        pytest.param(frames.frame(frames.SETTINGS, 1, 0, bytes(6)), Code.FRAME_SIZE_ERROR, id="ack with payload"),
        pytest.param(frames.frame(frames.SETTINGS, 0, 1), Code.PROTOCOL_ERROR, id="settings on a stream"),
        pytest.param(frames.settings({frames.ENABLE_PUSH: 2}), Code.PROTOCOL_ERROR, id="push 2"),
        pytest.param(frames.settings({frames.MAX_FRAME_SIZE: 1}), Code.PROTOCOL_ERROR, id="frame size 1"),
        pytest.param(frames.settings({frames.INITIAL_WINDOW_SIZE: 1 << 31}), Code.FLOW_CONTROL_ERROR, id="window 2^31"),
        pytest.param(frames.frame(frames.GOAWAY, 0, 0, b"short"), Code.FRAME_SIZE_ERROR, id="short goaway"),
        pytest.param(frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), Code.PROTOCOL_ERROR, id="push promise"),
        pytest.param(frames.frame(frames.CONTINUATION, 4, 1), Code.PROTOCOL_ERROR, id="continuation of nothing"),
        pytest.param(frames.frame(frames.HEADERS, 0, 1, b"") + frames.ping(bytes(8)), Code.PROTOCOL_ERROR, id="cut in"),
        pytest.param(frames.frame(frames.HEADERS, 4, 1, b"\x80"), Code.COMPRESSION_ERROR, id="index 0"),
        pytest.param(frames.frame(frames.HEADERS, 4, 1, b"\xff\xff\xff"), Code.COMPRESSION_ERROR, id="cut number"),
        pytest.param(frames.frame(frames.HEADERS, 0xC, 1, b"\x05x"), Code.PROTOCOL_ERROR, id="padding too long"),
        pytest.param(b"\xff\xff\xff" + bytes(6), Code.FRAME_SIZE_ERROR, id="huge frame"),
    ],
)
def test_who_breaks_the_protocol_is_sent_away(peer, sent, code):
    peer.sends(sent)
    assert peer.goaway() == code
    assert type(peer.events[-1]) is events.Terminated
    assert peer.sends(frames.ping(bytes(8))) == []


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n\r\n", bytes(24), b"\x80\x03\x00\x01" + bytes(20)])
def test_who_speaks_another_protocol_is_sent_away(opening):
    us = connection.Connection(client=False, interpret=dict)
    assert type(us.receive(opening, 0.0)[-1]) is events.Terminated


def test_the_first_frame_must_be_settings():
    us = connection.Connection(client=False, interpret=dict)
    assert type(us.receive(frames.PREFACE + frames.ping(bytes(8)), 0.0)[-1]) is events.Terminated


@pytest.mark.parametrize(
    "pairs",
    [
        [(b":method", b"POST"), (b":path", b"/s/M")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":status", b"200")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b"a", b"b"), (b":path", b"/")],
        [(b":method", b"POST"), (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b"Upper", b"b")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b"connection", b"close")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b"te", b"gzip")],
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b"a", b"b\r\nc: d")],
    ],
)
def test_a_malformed_request_is_reset(peer, pairs):
    peer.sends(frames.headers(1, blocks.encode(pairs), end_stream=True, frame_size=16384))
    assert peer.resets() == [(1, Code.PROTOCOL_ERROR)]
    assert type(peer.request(3)).__name__ == "Stream"


def test_going_away_lets_open_streams_end_and_ignores_new_ones(peer):
    stream = peer.request(1)
    peer.us.go_away()
    assert peer.goaway() == Code.NO_ERROR
    peer.sends(frames.headers(3, playbook.REQUEST, end_stream=True, frame_size=16384))
    assert peer.events == []
    # Requests that were under way have bodies, and are given up: that is no reason to cut off the ones that run.
    peer.sends(frames.headers(5, playbook.REQUEST, end_stream=False, frame_size=16384), data(5, b"question", end=True))
    peer.sends(frames.rst_stream(5, Code.CANCEL), frames.rst_stream(3, Code.CANCEL))
    assert peer.goaway() is None
    assert peer.us.send_whole(stream, playbook.RESPONSE, b"last", playbook.TRAILERS)


def test_too_many_streams_are_refused():
    peer = playbook.Peer(limits=connection.Limits(streams=1))
    peer.request(1)
    peer.sends(frames.headers(3, playbook.REQUEST, end_stream=True, frame_size=16384))
    assert peer.resets() == [(3, Code.REFUSED_STREAM)]


def test_a_client_opens_streams_and_hears_of_the_end():
    peer = playbook.Peer(client=True)
    stream = peer.us.open(playbook.REQUEST, ended=False)
    peer.us.send_last(stream, b"question")
    head, body = peer.answered()
    assert (head.stream, body.payload, body.flags) == (1, b"question", frames.END_STREAM)
    peer.sends(frames.headers(1, playbook.RESPONSE, end_stream=False, frame_size=16384), data(1, b"answer", end=True))
    assert [type(event) for event in peer.events] == [events.Head, events.Data]
    assert peer.us.streams == {}


def test_a_client_hears_which_streams_were_not_looked_at():
    peer = playbook.Peer(client=True)
    peer.sends(frames.goaway(5, Code.NO_ERROR, b"bye"))
    assert peer.events == [events.GoingAway(5, Code.NO_ERROR, b"bye")]
    assert peer.us.peer_going


def test_a_smaller_header_table_is_acknowledged_in_the_next_block():
    peer = playbook.Peer(settings={frames.HEADER_TABLE_SIZE: 100})
    stream = peer.request(1)
    peer.us.send_head(stream, playbook.RESPONSE)
    assert peer.answered()[0].payload == b"\x20" + playbook.RESPONSE


FLOODS = {
    "ping": frames.ping(bytes(8)),
    "pong": frames.ping(bytes(8), ack=True),
    "settings": frames.settings({}),
    "settings ack": frames.settings_ack(),
    "priority": frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\0\x10"),
    "window": frames.window_update(0, 1),
    "empty data": data(1, b""),
    "unknown": frames.frame(0x77, 0, 0),
    "goaway": frames.goaway(0, 0),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_stopped(name):
    peer = playbook.Peer()
    peer.request(1, end=False)
    for _ in range(30):
        peer.sends(FLOODS[name] * 1000)
        if peer.goaway() == Code.ENHANCE_YOUR_CALM:
            return
    pytest.fail("nobody stopped it")


def test_rapid_resets_are_stopped():
    peer = playbook.Peer()
    for number in range(1, 10_000, 2):
        peer.sends(
            frames.headers(number, playbook.REQUEST, end_stream=True, frame_size=16384),
            frames.rst_stream(number, Code.CANCEL),
        )
        if peer.goaway() == Code.ENHANCE_YOUR_CALM:
            assert peer.us.streams == {}
            return
    pytest.fail("nobody stopped it")


def test_a_client_that_works_may_ping_and_cancel():
    peer = playbook.Peer()
    for number in range(1, 40_000, 2):
        stream = peer.request(number)
        peer.us.send_whole(stream, playbook.RESPONSE, b"x", playbook.TRAILERS)
        peer.sends(frames.ping(bytes(8)), frames.window_update(0, 100))
        assert peer.goaway() is None


def test_time_forgives():
    peer = playbook.Peer()
    for _ in range(100):
        peer.now += 10.0
        peer.sends(FLOODS["ping"] * 1000)
        assert peer.goaway() is None


def test_a_header_block_without_end_is_stopped(peer):
    peer.sends(frames.frame(frames.HEADERS, 0, 1, bytes(10)))
    for _ in range(100):
        peer.sends(frames.frame(frames.CONTINUATION, 0, 1, b""))
    assert peer.goaway() == Code.ENHANCE_YOUR_CALM


def test_a_header_bomb_is_stopped(peer):
    entry = b"\x40\x01a" + b"\x7f\x81\x1e" + bytes(4000)  # 127 + 3841 bytes: a table entry of nearly 4 KiB
    bomb = entry + b"\xbe" * 15_000
    peer.sends(frames.headers(1, bomb, end_stream=True, frame_size=16384))
    assert peer.goaway() in (Code.ENHANCE_YOUR_CALM, Code.COMPRESSION_ERROR)
