import pytest
from unit.rpc.http2 import playbook

from boxship.rpc import status
from boxship.rpc.grpc import client, messages
from boxship.rpc.http2 import blocks, faults, frames


@pytest.fixture
def session():
    calls = client.Session()
    calls.receive(frames.settings({}), 0.0)
    calls.take()
    return calls


def head(*pairs, end=False):
    return frames.headers(1, blocks.encode(pairs), end_stream=end, frame_size=16384)


GRPC = ((b":status", b"200"), (b"content-type", b"application/grpc"))


def test_an_answer(session):
    exchange = session.start("/s/M", [(b"k", b"v")], b"question")
    request, body = playbook.cut(session.take())
    assert (request.stream, body.payload, body.flags) == (1, messages.framed(b"question"), frames.END_STREAM)
    answer = frames.frame(frames.DATA, 0, 1, messages.framed(b"answer"))
    assert session.receive(head(*GRPC, (b"first", b"1")) + answer + head((b"grpc-status", b"0"), end=True), 0.0)
    assert (exchange.status.code, exchange.initial["first"]) == (status.Code.OK, ("1",))
    assert exchange.pop() == b"answer"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (head(*GRPC, (b"grpc-status", b"5"), end=True), status.Code.NOT_FOUND),
        (head((b":status", b"503"), end=True), status.Code.UNAVAILABLE),
        (head((b":status", b"404"), (b"content-type", b"text/html")), status.Code.UNIMPLEMENTED),
        (head((b":status", b"200"), (b"content-type", b"text/html")), status.Code.UNKNOWN),
        (head(*GRPC, end=True), status.Code.UNKNOWN),
        (head(*GRPC) + frames.frame(frames.DATA, 1, 1, b""), status.Code.INTERNAL),
        (head(*GRPC) + frames.frame(frames.DATA, 0, 1, b"\1\0\0\0\0"), status.Code.INTERNAL),
        (
            head(*GRPC) + frames.frame(frames.DATA, 0, 1, b"\0\0") + head((b"grpc-status", b"0"), end=True),
            status.Code.INTERNAL,
        ),
        (frames.frame(frames.DATA, 0, 1, b"early"), status.Code.INTERNAL),
        (frames.rst_stream(1, faults.ErrorCode.REFUSED_STREAM), status.Code.UNAVAILABLE),
        (frames.rst_stream(1, faults.ErrorCode.CANCEL), status.Code.CANCELLED),
        (frames.rst_stream(1, 777), status.Code.INTERNAL),
        (frames.goaway(0, 0, b"bye"), status.Code.UNAVAILABLE),
        (frames.ping(b"bad"), status.Code.INTERNAL),
    ],
)
def test_how_a_call_may_end(session, answer, code):
    exchange = session.start("/s/M", [], b"")
    session.receive(answer, 0.0)
    assert exchange.status.code is code


@pytest.mark.parametrize(("now", "code"), [(4.9, status.Code.CANCELLED), (5.0, status.Code.DEADLINE_EXCEEDED)])
def test_a_reset_after_the_deadline_is_the_deadline(session, now, code):
    exchange = session.start("/s/M", [], b"", 5.0)
    session.receive(frames.rst_stream(1, faults.ErrorCode.CANCEL), now)
    assert exchange.status.code is code


def test_informational_headers_are_skipped(session):
    exchange = session.start("/s/M", [], b"")
    session.receive(head((b":status", b"103")) + head(*GRPC) + head((b"grpc-status", b"0"), end=True), 0.0)
    assert exchange.status.code is status.Code.OK


def test_no_call_begins_where_the_server_goes_away(session):
    session.receive(frames.goaway(0, 0), 0.0)
    with pytest.raises(status.Status) as failure:
        session.start("/s/M", [], b"")
    assert failure.value.code is status.Code.UNAVAILABLE


def test_the_server_limits_how_many_calls_are_open(session):
    session.receive(frames.settings({frames.MAX_CONCURRENT_STREAMS: 1}), 0.0)
    assert session.available
    session.start("/s/M", [], b"")
    assert not session.available
