"""What a connection has to tell its driver."""

from __future__ import annotations

import dataclasses
from typing import Any

from boxship.rpc.http2 import streams


@dataclasses.dataclass(slots=True)
class Head:
    """A request (server) or a response (client) begins. `view` is what the connection's `interpret` made of the list."""

    stream: streams.Stream
    view: Any
    ended: bool


@dataclasses.dataclass(slots=True)
class Data:
    """`ended`: the peer sends no more."""

    stream: streams.Stream
    data: bytes
    ended: bool


@dataclasses.dataclass(slots=True)
class Trailers:
    """The peer ended its side with a list of headers."""

    stream: streams.Stream
    view: Any


@dataclasses.dataclass(slots=True)
class Reset:
    """The stream is gone: the peer reset it, or broke it."""

    stream: streams.Stream
    code: int


@dataclasses.dataclass(slots=True)
class Drained:
    """What was pending for sending on the stream has been handed to the driver."""

    stream: streams.Stream


@dataclasses.dataclass(slots=True)
class GoingAway:
    """The peer takes no new streams, and has not looked at those above `last`."""

    last: int
    code: int
    debug: bytes


@dataclasses.dataclass(slots=True)
class Pong:
    """The peer has answered our PING."""

    payload: bytes


@dataclasses.dataclass(slots=True)
class Terminated:
    """The peer broke the connection. GOAWAY is in the output; send it and close."""

    code: int
    reason: str


Event = Head | Data | Trailers | Reset | Drained | GoingAway | Pong | Terminated
