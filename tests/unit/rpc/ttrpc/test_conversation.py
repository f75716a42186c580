"""Both ends of a ttrpc connection, without a socket."""

import pytest

from boxship.rpc import status
from boxship.rpc.ttrpc import client, envelopes, frames, server


class Pair:
    """Two ends; `up` and `down` carry what there is and return what it meant."""

    def __init__(self, **limits):
        self.client = client.ClientConnection()
        self.server = server.ServerConnection(**limits)

    def up(self):
        return self.server.receive(self.client.take())

    def down(self):
        return self.client.receive(self.server.take())


def request(stream=1, flags=0, kind=frames.REQUEST, payload=None):
    body = envelopes.encode_request("s", "M", b"p") if payload is None else payload
    return frames.encode(stream, kind, flags, body)


def statuses(connection):
    """What the server answered to whom, by hand."""
    out = []
    for frame in frames.Reader().feed(connection.take()):
        answer = envelopes.decode_response(frame.payload)
        out.append((frame.stream, answer.status.code, answer.status.message))
    return out


def test_a_call():
    pair = Pair()
    stream = pair.client.request("svc", "M", b"question", timeout_nano=7, metadata={"k": ("v",)})
    (event,) = pair.up()
    assert (event.envelope.service, event.envelope.payload, event.envelope.metadata) == (
        "svc",
        b"question",
        {"k": ("v",)},
    )
    pair.server.respond(event.stream, b"answer")
    assert pair.down() == [client.Response(stream=stream, payload=b"answer", status=None)]


def test_streams_have_odd_numbers_that_grow():
    pair = Pair()
    assert [pair.client.request("s", "M", b"") for _ in range(3)] == [1, 3, 5]


def test_streamed_answers():
    pair = Pair()
    pair.client.request("s", "M", b"")
    pair.up()
    pair.server.send(1, b"a")
    pair.server.send(1, b"")
    pair.server.finish(1)
    assert [(event.payload, event.closed) for event in pair.down()] == [(b"a", False), (b"", False), (None, True)]


def test_streamed_requests():
    pair = Pair()
    stream = pair.client.request("s", "M", b"", streams_requests=True)
    pair.client.send(stream, b"a")
    pair.client.finish(stream)
    first, second, third = pair.up()
    assert not first.closed
    assert (second.payload, second.closed) == (b"a", False)
    assert (third.payload, third.closed) == (None, True)
    pair.server.respond(stream, b"sum")
    assert pair.down()[0].payload == b"sum"


def test_an_answer_for_a_forgotten_call_is_ignored():
    pair = Pair()
    stream = pair.client.request("s", "M", b"")
    pair.up()
    pair.client.forget(stream)
    pair.server.respond(stream, b"late")
    assert pair.down() == []


def test_an_answer_too_long_becomes_a_failure():
    pair = Pair()
    pair.client.request("s", "M", b"")
    pair.up()
    pair.server.respond(1, bytes(frames.MESSAGE_LIMIT))
    (event,) = pair.down()
    assert event.status.code is status.Code.RESOURCE_EXHAUSTED


def test_a_request_too_long_is_not_sent():
    pair = Pair()
    with pytest.raises(status.Status) as failure:
        pair.client.request("s", "M", bytes(frames.MESSAGE_LIMIT))
    assert failure.value.code is status.Code.RESOURCE_EXHAUSTED
    assert pair.client.take() == b""


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        (request(2), status.Code.INVALID_ARGUMENT, "StreamID must be odd"),
        (request(5) + request(3), status.Code.INVALID_ARGUMENT, "must increment"),
        (request(1, payload=b"\x0a\xff"), status.Code.INVALID_ARGUMENT, "unmarshal error"),
        (request(1, payload=b"\x0a\x01\xff"), status.Code.INVALID_ARGUMENT, "UTF-8"),
        (request(7, kind=frames.DATA), status.Code.INVALID_ARGUMENT, "no longer active"),
        (request() + request(kind=frames.DATA), status.Code.INVALID_ARGUMENT, "no longer active"),
        (
            request(flags=frames.REMOTE_OPEN) + request(kind=frames.DATA, flags=frames.REMOTE_CLOSED),
            status.Code.INVALID_ARGUMENT,
            "cannot include data",
        ),
        (
            frames.HEADER.pack(frames.MESSAGE_LIMIT + 1, 9, 1, 0) + bytes(frames.MESSAGE_LIMIT + 1),
            status.Code.RESOURCE_EXHAUSTED,
            "message length 4194305 exceed maximum message size of 4194304",
        ),
    ],
)
def test_what_breaks_the_protocol_is_answered_to_its_stream(sent, code, text):
    serving = server.ServerConnection()
    serving.receive(sent)
    (answer,) = statuses(serving)
    assert answer[1] is code
    assert text in answer[2]
    assert len(serving.receive(request(101))) == 1


def test_open_calls_are_limited():
    serving = server.ServerConnection(stream_limit=2)
    assert len(serving.receive(request(1) + request(3) + request(5))) == 2
    assert [answer[:2] for answer in statuses(serving)] == [(5, status.Code.RESOURCE_EXHAUSTED)]
    serving.respond(1, b"")
    assert len(serving.receive(request(7))) == 1


def test_kinds_of_the_future_are_ignored():
    serving = server.ServerConnection()
    assert serving.receive(frames.encode(1, 77, 255, b"?")) == []
    assert serving.take() == b""


def test_an_answer_that_makes_no_sense_ends_its_call():
    calling = client.ClientConnection()
    calling.request("s", "M", b"")
    (event,) = calling.receive(frames.encode(1, frames.RESPONSE, 0, b"\x0a\xff"))
    assert event.status.code is status.Code.INTERNAL
