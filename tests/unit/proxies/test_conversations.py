"""What goes wrong below a caller comes out as an error of ours."""

import asyncio

import pytest

from boxship.proxies import async_callers, callers
from boxship.rpc import status
from boxship.terms import errors


class Choosy:
    """A stream that takes nothing."""

    def send(self, request):
        raise status.Status(status.Code.RESOURCE_EXHAUSTED, "too long")


class AwaitedChoosy:
    async def send(self, request):
        Choosy().send(request)


class Lost:
    """A channel whose connection is gone."""

    def call_async(self, method, request, *, metadata, timeout=None):
        raise status.Status(status.Code.UNAVAILABLE, "error reading from server: EOF")


def test_a_question_on_a_lost_connection_is_an_error_of_ours():
    with pytest.raises(errors.Unavailable, match="EOF"):
        callers.Caller(Lost(), "default").future(None, None, lambda answer: answer)


def test_a_request_that_is_refused_is_an_error_of_ours():
    with pytest.raises(errors.ResourceExhausted, match="too long"):
        callers.Conversation(Choosy()).send("x")
    with pytest.raises(errors.ResourceExhausted, match="too long"):
        asyncio.run(async_callers.AsyncConversation(AwaitedChoosy()).send("x"))
