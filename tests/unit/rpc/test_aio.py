import asyncio
import contextlib

import pytest
from unit.rpc import echo

from boxship.rpc import aio, status


@pytest.fixture
def run(connect):
    """Run a coroutine function with a channel."""

    def running(converse):
        async def main():
            async with await aio.Channel.adopt(connect("grpc")) as channel, asyncio.timeout(30):
                await converse(channel)

        asyncio.run(main())

    return running


@pytest.mark.parametrize("size", [0, 16_384, 16 << 20])
def test_an_answer_comes_back_whole(run, size):
    async def converse(channel):
        assert await channel.call(echo.QUICK, bytes(size)) == bytes(size)

    run(converse)


def test_a_status_is_raised(run):
    async def converse(channel):
        with pytest.raises(status.Status) as failure:
            await channel.call(echo.FAIL, b"")
        assert (failure.value.code, failure.value.details) == (status.Code.NOT_FOUND, b"\x08\x05")

    run(converse)


def test_a_deadline_and_a_canceled_task_end_the_call_at_the_server(run, service):
    async def converse(channel):
        with pytest.raises(status.Status) as failure:
            await channel.call(echo.WAIT, b"", timeout=0.02)
        assert failure.value.code is status.Code.DEADLINE_EXCEEDED
        assert await asyncio.to_thread(service.canceled.acquire, timeout=10)
        waiting = asyncio.ensure_future(channel.call(echo.WAIT, b""))
        await asyncio.to_thread(service.futures.get)
        await asyncio.to_thread(service.futures.get)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(service.canceled.acquire, timeout=10)
        assert await channel.call(echo.QUICK, b"next") == b"next"

    run(converse)


def test_streams(run):
    async def converse(channel):
        counted = await channel.stream(echo.COUNT, b"100")
        assert [answer async for answer in counted] == [b"%d" % number for number in range(100)]
        async with await channel.stream(echo.COLLECT) as stream:
            for _ in range(50):
                await stream.send(bytes(100_000))
            await stream.done_sending()
            assert [answer async for answer in stream] == [b"5000000"]
        async with await channel.stream(echo.TALK) as stream:
            for word in (b"a", bytes(3_000_000)):
                await stream.send(word)
                assert await anext(stream) == b"you said " + word

    run(converse)


def test_a_server_that_has_heard_enough(run):
    async def converse(channel):
        async with await channel.stream(echo.TALK) as stream:
            assert await stream.send(b"enough")
            while await stream.send(b"more"):
                await channel.call(echo.QUICK, b"")
            assert [answer async for answer in stream] == [b"you said enough"]

    run(converse)


def test_a_conversation_may_be_canceled_while_somebody_listens(run, service):
    async def converse(channel):
        stream = await channel.stream(echo.TALK)
        listening = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await stream.cancel()
        with pytest.raises(status.Status) as failure:
            await listening
        assert failure.value.code is status.Code.CANCELLED

    run(converse)


def test_metadata(run, service):
    async def converse(channel):
        async with await channel.stream(echo.METADATA, b"x", metadata={"k": "v"}) as stream:
            assert (await stream.initial_metadata())["first"] == ("one",)
            assert [answer async for answer in stream] == [b"x"]
            assert stream.trailing_metadata["last-bin"] == (b"\0\xff",)
        assert service.calls.get().metadata["k"] == ("v",)

    run(converse)


def test_many_calls_at_a_time(run):
    async def converse(channel):
        answers = await asyncio.gather(*(channel.call(echo.FUTURE, b"%d" % number) for number in range(300)))
        assert answers == [b"later %d" % number for number in range(300)]

    run(converse)


def test_a_lost_connection_ends_every_call(run, serving, service):
    async def converse(channel):
        waiting = asyncio.ensure_future(channel.call(echo.WAIT, b""))
        await asyncio.to_thread(service.futures.get)
        await asyncio.to_thread(serving.shutdown, 0)
        with pytest.raises(status.Status) as failure:
            await waiting
        assert failure.value.code is status.Code.UNAVAILABLE
        with pytest.raises(status.Status):
            await channel.call(echo.QUICK, b"")

    run(converse)


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="vsock"):
        asyncio.run(aio.Channel.connect("vsock://2:1024"))
