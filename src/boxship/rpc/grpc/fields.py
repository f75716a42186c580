"""gRPC's headers and trailers: timeouts, metadata, status (doc/PROTOCOL-HTTP2.md of gRPC)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from boxship.rpc import status
from boxship.rpc.http2 import faults, headers

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_LARGEST_TIMEOUT = 99_999_999
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_NOT_PLAIN = re.compile(rb"[^\x20-\x24\x26-\x7e]")
_TEXT_LIMIT = 32 << 10  # bytes of a grpc-message or of details: a peer's header list has its limit, too
_RESERVED = frozenset((b"te", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding", b"content-length"))
_STATUS_FIELDS = frozenset((b"grpc-status", b"grpc-message", b"grpc-status-details-bin", b":status"))
_KEY = re.compile(r"[0-9a-z_.-]+")
_Code = status.Code

CONTENT_TYPE = (b"content-type", b"application/grpc")


def parse_timeout(value: bytes) -> float:
    """Seconds. Raises ValueError."""
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise ValueError(f"malformed grpc-timeout: {value.decode('ascii', 'replace')!r}")
    return int(match[1]) * _UNITS[match[2]]


def format_timeout(seconds: float) -> bytes:
    """Rounded up, in the finest unit which eight digits can hold."""
    for unit in (b"u", b"m", b"S", b"M"):
        amount = -(-max(seconds, 0.0) // _UNITS[unit])
        if amount <= _LARGEST_TIMEOUT:
            return b"%d%b" % (amount, unit)
    return b"%dH" % min(-(-seconds // 3600), _LARGEST_TIMEOUT)


def encode_metadata(metadata: Mapping[str, str | bytes | Iterable[str | bytes]]) -> list[tuple[bytes, bytes]]:
    """Header pairs; bytes are for keys that end in "-bin". Raises ValueError for a key or value no header can hold."""
    pairs: list[tuple[bytes, bytes]] = []
    for name, values in metadata.items():
        key = name.lower()
        if not _KEY.fullmatch(key) or key.startswith("grpc-"):
            raise ValueError(f"metadata key {name!r}")
        listed = (values,) if isinstance(values, (str, bytes)) else values
        pairs += [(key.encode(), _encode_value(key, value)) for value in listed]
    return pairs


def _encode_value(key: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else bytes(value)
    if key.endswith("-bin"):
        return base64.b64encode(raw).rstrip(b"=")
    if not raw.isascii() or any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise ValueError(f"value of metadata key {key!r} is not printable ASCII")
    return raw


def decode_metadata(pairs: headers.Headers) -> dict[str, tuple[str | bytes, ...]]:
    """What a list of headers says beside gRPC's and HTTP's own. Raises ValueError for a bad binary value."""
    out: dict[str, tuple[str | bytes, ...]] = {}
    for name, value in pairs:
        if name[:1] == b":" or name in _RESERVED or name in _STATUS_FIELDS:
            continue
        key = name.decode("ascii", "replace")
        if key.endswith("-bin"):
            out[key] = (*out.get(key, ()), *(decode_binary(part) for part in value.split(b",")))
        else:
            out[key] = (*out.get(key, ()), value.decode("utf-8", "replace"))
    return out


def decode_binary(value: bytes) -> bytes:
    """Base64 with or without padding. Raises ValueError."""
    value = value.strip().rstrip(b"=")
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error as fault:
        raise ValueError(f"malformed binary metadata {value[:64]!r}: {fault}") from None


def encode_text(text: str) -> bytes:
    """grpc-message: percent-encoded UTF-8."""
    raw = text.encode("utf-8", "replace")[: _TEXT_LIMIT // 3]
    return _NOT_PLAIN.sub(lambda match: b"%%%02X" % match[0][0], raw)


def decode_text(value: bytes) -> str:
    """What cannot be decoded stays as it is, so that no information is lost."""
    return _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), value).decode("utf-8", "replace")


def status_pairs(ending: status.Status | None) -> list[tuple[bytes, bytes]]:
    """The trailers which tell the status; None is OK."""
    if ending is None:
        return [(b"grpc-status", b"0")]
    pairs = [(b"grpc-status", b"%d" % ending.code)]
    if ending.message:
        pairs.append((b"grpc-message", encode_text(ending.message)))
    if ending.details and len(ending.details) <= _TEXT_LIMIT:
        pairs.append((b"grpc-status-details-bin", base64.b64encode(ending.details).rstrip(b"=")))
    return pairs


def parse_status(pairs: headers.Headers) -> status.Status | None:
    """The status which trailers tell; code OK included. None when they tell none."""
    found = dict(pairs)
    code = found.get(b"grpc-status")
    if code is None:
        return None
    try:
        details = decode_binary(found.get(b"grpc-status-details-bin", b""))
    except ValueError:
        details = b""
    number = int(code) if code.isdigit() and len(code) < 4 else _Code.UNKNOWN
    return status.Status(status.code_of(number), decode_text(found.get(b"grpc-message", b"")), details)


_HTTP_CODES = {
    b"400": _Code.INTERNAL,
    b"401": _Code.UNAUTHENTICATED,
    b"403": _Code.PERMISSION_DENIED,
    b"404": _Code.UNIMPLEMENTED,
    b"429": _Code.UNAVAILABLE,
    b"502": _Code.UNAVAILABLE,
    b"503": _Code.UNAVAILABLE,
    b"504": _Code.UNAVAILABLE,
}
_RESET_CODES = {
    faults.ErrorCode.REFUSED_STREAM: _Code.UNAVAILABLE,
    faults.ErrorCode.CANCEL: _Code.CANCELLED,
    faults.ErrorCode.ENHANCE_YOUR_CALM: _Code.RESOURCE_EXHAUSTED,
    faults.ErrorCode.INADEQUATE_SECURITY: _Code.PERMISSION_DENIED,
}


def http_status(value: bytes) -> status.Status:
    """For an answer which is HTTP but not gRPC (doc/http-grpc-status-mapping.md)."""
    code = _HTTP_CODES.get(value, _Code.UNKNOWN)
    return status.Status(code, f"unexpected HTTP status {value.decode('ascii', 'replace')} from the server")


def reset_status(code: int) -> status.Status:
    """For a call which ended by RST_STREAM."""
    name = faults.ErrorCode(code).name if code in faults.ErrorCode.__members__.values() else str(code)
    mapped = _RESET_CODES.get(code, _Code.INTERNAL)  # type: ignore[call-overload]
    return status.Status(mapped, f"stream terminated by RST_STREAM with error code: {name}")
