"""The two messages which wrap every call: Request and Response (containerd/ttrpc, request.proto).

Request: service = 1, method = 2, payload = 3, timeout_nano = 4 (int64), metadata = 5 (repeated: key = 1, value = 2).
Response: status = 1 (google.rpc.Status: code = 1 int32, message = 2, details = 3), payload = 2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from boxship.rpc import status
from boxship.rpc.ttrpc import fields

_NOTHING: Mapping[str, tuple[str, ...]] = {}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of a call, with its only or first message."""

    service: str
    method: str
    payload: bytes
    timeout_nano: int = 0  # nanoseconds; 0 is no deadline
    metadata: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer of a call, or its last one."""

    payload: bytes
    status: status.Status | None = None  # None when the call ended well


def encode_request(
    service: str,
    method: str,
    payload: bytes,
    *,
    timeout_nano: int = 0,
    metadata: Mapping[str, Iterable[str]] = _NOTHING,
) -> bytes:
    parts = [fields.tagged(1, service.encode()), fields.tagged(2, method.encode())]
    if payload:
        parts.append(fields.tagged(3, payload))
    parts.append(fields.number(4, timeout_nano))
    for key, values in metadata.items():
        parts += [
            fields.tagged(5, fields.tagged(1, key.encode()) + fields.tagged(2, value.encode())) for value in values
        ]
    return b"".join(parts)


def decode_request(message: bytes) -> Request:
    """Raises fields.Malformed."""
    service = method = ""
    payload, timeout_nano = b"", 0
    metadata: dict[str, tuple[str, ...]] = {}
    for field, value in fields.read(message):
        if isinstance(value, int):
            if field == 4:
                timeout_nano = fields.signed(value, 64)
        elif field == 1:
            service = _text(value)
        elif field == 2:
            method = _text(value)
        elif field == 3:
            payload = value
        elif field == 5:
            key, text = _pair(value)
            metadata[key] = (*metadata.get(key, ()), text)
    return Request(service=service, method=method, payload=payload, timeout_nano=timeout_nano, metadata=metadata)


def encode_response(payload: bytes) -> bytes:
    """The answer of a call that ended well. An OK status is left out, as Go leaves out an empty message's fields."""
    return fields.tagged(2, payload) if payload else b""


def encode_failure(failure: status.Status) -> bytes:
    return fields.tagged(1, encode_status(failure))


def decode_response(message: bytes) -> Response:
    """Raises fields.Malformed."""
    payload, failure = b"", None
    for field, value in fields.read(message):
        if isinstance(value, int):
            continue
        if field == 1:
            failure = decode_status(value)
        elif field == 2:
            payload = value
    return Response(payload=payload, status=failure)


def encode_status(failure: status.Status) -> bytes:
    """google.rpc.Status; the details, when there are any, are one already."""
    return failure.details or fields.number(1, failure.code) + fields.tagged(
        2, failure.message.encode("utf-8", "replace")
    )


def decode_status(message: bytes) -> status.Status | None:
    """None when the code is OK. Raises fields.Malformed."""
    code, text, details = 0, "", b""
    for field, value in fields.read(message):
        if isinstance(value, int):
            if field == 1:
                code = fields.signed(value, 32)
        elif field == 2:
            text = value.decode("utf-8", "replace")
        elif field == 3:
            details = message
    return status.Status(status.code_of(code), text, details) if code else None


def _pair(message: bytes) -> tuple[str, str]:
    key = text = ""
    for field, value in fields.read(message):
        if isinstance(value, bytes):
            if field == 1:
                key = _text(value).lower()
            elif field == 2:
                text = _text(value)
    return key, text


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise fields.Malformed("a string is not UTF-8") from None
