"""The exchange by itself."""

import json

import pytest

from boxship.core import events
from boxship.plugins.events import exchange as exchange_
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.testing.events import EventsSuite


def encode(event: events.Event) -> TypedBytes:
    return TypedBytes(type_url=event.name, value=json.dumps(dict(event.fields)).encode())


def fields(payload: TypedBytes) -> dict[str, object]:
    if payload.type_url.startswith("example."):
        raise errors.NotFound(payload.type_url)
    return json.loads(payload.value)


class TestExchange(EventsSuite):
    @pytest.fixture
    def exchange(self):
        return exchange_.Exchange(encode=encode, fields=fields)
