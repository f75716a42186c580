"""How a call ended: gRPC's status codes (github.com/grpc/grpc, doc/statuscodes.md), which ttrpc shares."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Status(Exception):
    """A call that did not end well. The client raises it; a handler may raise it to choose code and text itself.

    `details` is a serialized google.rpc.Status, empty when there is none.
    """

    def __init__(self, code: Code, message: str = "", details: bytes = b"") -> None:
        super().__init__(code, message, details)
        self.code = code
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def code_of(number: int) -> Code:
    """The code with this number; UNKNOWN for a number that gRPC has not given out."""
    try:
        return Code(number)
    except ValueError:
        return Code.UNKNOWN
