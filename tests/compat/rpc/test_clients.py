"""Our clients call grpc-go's interop server: the cases of doc/interop-test-descriptions.md which need no credentials."""

import asyncio
import contextlib

import pytest
from compat.rpc import interop

from boxship.rpc import aio, client, status

pytestmark = [pytest.mark.peer, pytest.mark.slow]
REQUESTS = [27182, 8, 1828, 45904]
ANSWERS = [31415, 9, 2653, 58979]


@pytest.fixture
def channel(their_port):
    with client.Channel.connect(f"tcp://127.0.0.1:{their_port}") as opened:
        yield opened


def test_empty_unary(channel):
    assert channel.call(interop.EMPTY, None) == b""


def test_large_unary(channel):
    answer = channel.call(interop.UNARY, interop.Request(size=314159, payload=bytes(271828)))
    assert answer == bytes(314159)


def test_client_streaming(channel):
    with channel.stream(interop.INPUT) as stream:
        for size in REQUESTS:
            stream.send(interop.Request(payload=bytes(size)))
        stream.done_sending()
        assert list(stream) == [74922]


def test_server_streaming(channel):
    stream = channel.stream(interop.OUTPUT, interop.Request(sizes=ANSWERS))
    assert [len(answer) for answer in stream] == ANSWERS


def test_ping_pong(channel):
    with channel.stream(interop.FULL) as stream:
        for sent, wanted in zip(REQUESTS, ANSWERS, strict=True):
            stream.send(interop.Request(sizes=[wanted], payload=bytes(sent)))
            assert len(next(stream)) == wanted
        stream.done_sending()
        assert list(stream) == []


def test_empty_stream(channel):
    with channel.stream(interop.FULL) as stream:
        stream.done_sending()
        assert list(stream) == []


def test_timeout_on_sleeping_server(channel):
    with channel.stream(interop.FULL, timeout=0.001) as stream:
        with contextlib.suppress(status.Status):
            stream.send(interop.Request(payload=bytes(27182)))
        with pytest.raises(status.Status) as failure:
            next(stream)
    assert failure.value.code is status.Code.DEADLINE_EXCEEDED


def test_cancel_after_begin(channel):
    stream = channel.stream(interop.INPUT)
    stream.cancel()
    with pytest.raises(status.Status) as failure:
        next(stream)
    assert failure.value.code is status.Code.CANCELLED


def test_cancel_after_first_response(channel):
    stream = channel.stream(interop.FULL)
    stream.send(interop.Request(sizes=[31415], payload=bytes(27182)))
    assert len(next(stream)) == 31415
    stream.cancel()
    with pytest.raises(status.Status) as failure:
        next(stream)
    assert failure.value.code is status.Code.CANCELLED


def test_status_code_and_message(channel):
    request = interop.Request(code=2, message="test status message", sizes=[])
    with pytest.raises(status.Status) as failure:
        channel.call(interop.UNARY, request)
    assert (failure.value.code, failure.value.message) == (status.Code.UNKNOWN, "test status message")
    with channel.stream(interop.FULL) as stream:
        stream.send(request)
        stream.done_sending()
        with pytest.raises(status.Status) as failure:
            next(stream)
    assert failure.value.message == "test status message"


def test_special_status_message(channel):
    text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP \U0001f608\t\n"
    with pytest.raises(status.Status) as failure:
        channel.call(interop.UNARY, interop.Request(code=2, message=text))
    assert failure.value.message == text


def test_custom_metadata(channel):
    metadata = {interop.INITIAL: "test_initial_metadata_value", interop.TRAILING: b"\xab\xab\xab"}
    with channel.stream(interop.UNARY, interop.Request(size=10), metadata=metadata) as stream:
        assert stream.initial_metadata[interop.INITIAL] == ("test_initial_metadata_value",)
        assert list(stream) == [bytes(10)]
        assert stream.trailing_metadata[interop.TRAILING] == (b"\xab\xab\xab",)


@pytest.mark.parametrize("method", [interop.UNIMPLEMENTED, interop.UNKNOWN], ids=["method", "service"])
def test_unimplemented(channel, method):
    with pytest.raises(status.Status) as failure:
        channel.call(method, None)
    assert failure.value.code is status.Code.UNIMPLEMENTED


def test_soak(channel):
    for _ in range(200):
        assert len(channel.call(interop.UNARY, interop.Request(size=3141, payload=bytes(2718)))) == 3141


def test_asyncio(their_port):
    async def converse():
        async with await aio.Channel.connect(f"tcp://127.0.0.1:{their_port}") as channel:
            answer = await channel.call(interop.UNARY, interop.Request(size=314159, payload=bytes(271828)))
            assert len(answer) == 314159
            async with await channel.stream(interop.FULL) as stream:
                for sent, wanted in zip(REQUESTS, ANSWERS, strict=True):
                    await stream.send(interop.Request(sizes=[wanted], payload=bytes(sent)))
                    assert len(await anext(stream)) == wanted
                await stream.done_sending()
                assert [answer async for answer in stream] == []

    asyncio.run(converse())
