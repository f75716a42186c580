"""A server may answer the last request and end the call before the client has done with sending."""

import asyncio

import pytest

from boxship.proxies import async_callers, callers
from boxship.rpc import status
from boxship.terms import errors


class Hasty:
    """A stream whose other end answers and ends the call while a request is still being sent."""

    def __init__(self, ending, answers):
        self.ending, self.answers = ending, list(answers)

    def send(self, request):
        raise self.ending

    def __next__(self):
        if self.answers:
            return self.answers.pop(0)
        if self.ending.code is status.Code.OK:
            raise StopIteration
        raise self.ending


class AwaitedHasty(Hasty):
    async def send(self, request):
        raise self.ending

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return super().__next__()
        except StopIteration:
            raise StopAsyncIteration from None


def plain(ending, answers, count):
    made = callers.Conversation(Hasty(ending, answers))
    made.send("last")
    return [made.receive() for _ in range(count)]


def awaited(ending, answers, count):
    async def talk():
        made = async_callers.AsyncConversation(AwaitedHasty(ending, answers))
        await made.send("last")
        return [await made.receive() for _ in range(count)]

    return asyncio.run(talk())


class Lost:
    """A channel whose connection is gone."""

    def call_async(self, method, request, *, metadata, timeout=None):
        raise status.Status(status.Code.UNAVAILABLE, "error reading from server: EOF")


def test_a_question_on_a_lost_connection_is_an_error_of_ours():
    with pytest.raises(errors.Unavailable, match="EOF"):
        callers.Caller(Lost(), "default").future(None, None, lambda answer: answer)


@pytest.mark.parametrize("talk", [plain, awaited])
def test_the_answer_is_not_lost_to_the_end(talk):
    assert talk(status.Status(status.Code.OK, ""), ["committed"], 2) == ["committed", None]
    with pytest.raises(errors.NotFound, match="x: not found"):
        talk(status.Status(status.Code.NOT_FOUND, "x: not found"), [], 1)
