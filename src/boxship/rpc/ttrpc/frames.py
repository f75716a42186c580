"""Frames: ten bytes of header (length, stream, kind, flags; big endian), then `length` bytes."""

from __future__ import annotations

import struct
from typing import NamedTuple

MESSAGE_LIMIT = 4 << 20  # bytes; every peer refuses more
REQUEST, RESPONSE, DATA = 1, 2, 3
REMOTE_CLOSED, REMOTE_OPEN, NO_DATA = 1, 2, 4
HEADER = struct.Struct(">IIBB")
HEADER_SIZE = HEADER.size


class Frame(NamedTuple):
    stream: int
    kind: int
    flags: int
    payload: bytes
    length: int  # of the payload as announced; above MESSAGE_LIMIT the payload was skipped and is empty


def encode(stream: int, kind: int, flags: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), stream, kind, flags) + payload


class Reader:
    """Cuts a stream of bytes into frames. Holds at most one unfinished frame; what is too long is skipped exactly."""

    __slots__ = ("_kept", "_skip", "_skipping")

    def __init__(self) -> None:
        self._kept = b""
        self._skip = 0
        self._skipping: Frame | None = None

    @property
    def idle(self) -> bool:
        """Whether the bytes so far end where a frame ends."""
        return not self._kept and self._skipping is None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames which these bytes complete. A frame that is too long appears once its bytes are skipped."""
        if self._kept:
            data = self._kept + data
        out: list[Frame] = []
        at, end = 0, len(data)
        while True:
            if self._skipping is not None:
                step = min(self._skip, end - at)
                at += step
                self._skip -= step
                if self._skip:
                    break
                out.append(self._skipping)
                self._skipping = None
            if end - at < HEADER_SIZE:
                break
            length, stream, kind, flags = HEADER.unpack_from(data, at)
            if length > MESSAGE_LIMIT:
                at += HEADER_SIZE
                self._skip, self._skipping = length, Frame(stream, kind, flags, b"", length)
                continue
            finish = at + HEADER_SIZE + length
            if finish > end:
                break
            out.append(Frame(stream, kind, flags, data[at + HEADER_SIZE : finish], length))
            at = finish
        self._kept = data[at:]
        return out

    @property
    def missing(self) -> int:
        """How many bytes complete the unfinished frame, as far as its header tells; a good size for the next read."""
        if self._skipping is not None:
            return self._skip
        if len(self._kept) < HEADER_SIZE:
            return HEADER_SIZE - len(self._kept)
        return HEADER_SIZE + int.from_bytes(self._kept[:4], "big") - len(self._kept)
