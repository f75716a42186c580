"""Frames: nine bytes of header (length 24 bits, kind, flags, stream 31 bits; big endian), then the payload.

RFC 9113 sections 4.1 and 6. Builders return whole frames; readers take a payload and raise ConnectionFault.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from boxship.rpc.http2 import faults

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20

HEADER = struct.Struct(">HBBBL")  # the length is split: upper 16 bits, lower 8
HEADER_SIZE = HEADER.size
STREAM_MASK = 0x7FFFFFFF
DEFAULT_FRAME_SIZE = 16384
LARGEST_FRAME_SIZE = (1 << 24) - 1
DEFAULT_WINDOW = 65535
LARGEST_WINDOW = (1 << 31) - 1

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)

_SETTING = struct.Struct(">HL")
_U32 = struct.Struct(">L")
_Code = faults.ErrorCode


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    length = len(payload)
    return HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def headers(stream: int, block: bytes, *, end_stream: bool, frame_size: int) -> bytes:
    """A HEADERS frame, with as many CONTINUATION frames as the block needs."""
    flags = END_STREAM if end_stream else 0
    if len(block) <= frame_size:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    parts = [frame(HEADERS, flags, stream, block[:frame_size])]
    for at in range(frame_size, len(block), frame_size):
        last = END_HEADERS if at + frame_size >= len(block) else 0
        parts.append(frame(CONTINUATION, last, stream, block[at : at + frame_size]))
    return b"".join(parts)


def response(
    stream: int, head: bytes, data: bytes, trailers: bytes, *, frame_size: int
) -> tuple[bytes | memoryview, ...]:
    """HEADERS, DATA and HEADERS that end the stream, in pieces; each block fits a frame, data takes what it needs."""
    pack, size = HEADER.pack, len(data)
    first = pack(0, len(head), HEADERS, END_HEADERS, stream)
    last = pack(0, len(trailers), HEADERS, END_HEADERS | END_STREAM, stream)
    if size <= frame_size:
        return (first, head, pack(size >> 8, size & 0xFF, DATA, 0, stream), data, last, trailers)
    pieces: list[bytes | memoryview] = [first, head]
    view = memoryview(data)
    for at in range(0, size, frame_size):
        step = min(frame_size, size - at)
        pieces += (pack(step >> 8, step & 0xFF, DATA, 0, stream), view[at : at + step])
    return (*pieces, last, trailers)


def settings(values: Mapping[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def settings_ack() -> bytes:
    return frame(SETTINGS, ACK, 0)


def ping(payload: bytes, *, ack: bool = False) -> bytes:
    return frame(PING, ACK if ack else 0, 0, payload)


def rst_stream(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, _U32.pack(code))


def goaway(last: int, code: int, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, _U32.pack(last) + _U32.pack(code) + debug)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, _U32.pack(increment))


def unpadded(flags: int, payload: bytes, *, priority: bool = False) -> bytes:
    """The payload of DATA or HEADERS without its padding and, for HEADERS, its priority fields (6.1, 6.2)."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, "a padded frame without a length of padding")
        start, end = 1, end - payload[0]
    if priority and flags & HAS_PRIORITY:
        start += 5
    if start > end:
        raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, "more padding than payload")
    return payload[start:end]


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """The settings, checked against their limits (6.5.2)."""
    if len(payload) % _SETTING.size:
        raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    for key, value in _SETTING.iter_unpack(payload):
        if key == ENABLE_PUSH and value > 1:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH {value}")
        if key == INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise faults.ConnectionFault(_Code.FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE {value}")
        if key == MAX_FRAME_SIZE and not DEFAULT_FRAME_SIZE <= value <= LARGEST_FRAME_SIZE:
            raise faults.ConnectionFault(_Code.PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE {value}")
        yield key, value


def read_u32(name: str, payload: bytes) -> int:
    """The single number of RST_STREAM and WINDOW_UPDATE."""
    if len(payload) != _U32.size:
        raise faults.ConnectionFault(_Code.FRAME_SIZE_ERROR, f"{name} of {len(payload)} bytes")
    return int.from_bytes(payload, "big")
