"""Messages in a stream of data: a flag, four bytes of length (big endian), then the message."""

from __future__ import annotations

import struct

from boxship.rpc import status

MESSAGE_LIMIT = 16 << 20  # bytes, as containerd has it, either way
PREFIX_SIZE = 5
_Code = status.Code
_prefix = struct.Struct(">BL").pack


def framed(message: bytes) -> bytes:
    """Raises Status RESOURCE_EXHAUSTED when the message is too long."""
    size = len(message)
    if size > MESSAGE_LIMIT:
        raise status.Status(
            _Code.RESOURCE_EXHAUSTED, f"trying to send message larger than max ({size} vs. {MESSAGE_LIMIT})"
        )
    return _prefix(0, size) + message


def only(data: bytes) -> bytes | None:
    """The message, when the data is exactly one that nobody objects to; an Assembler judges everything else."""
    size = len(data) - PREFIX_SIZE
    if size >= 0 and not data[0] and int.from_bytes(data[1:5], "big") == size and size <= MESSAGE_LIMIT:
        return data[PREFIX_SIZE:]
    return None


class Assembler:
    """Puts messages together again. Holds at most one unfinished message."""

    __slots__ = ("_encoding", "_missing", "_parts", "_prefix")

    def __init__(self, encoding: str = "identity") -> None:
        self._encoding = encoding
        self._prefix = b""
        self._parts: list[bytes] = []
        self._missing = -1  # bytes of the current message still to come; negative while in a prefix

    @property
    def idle(self) -> bool:
        """Whether the data so far ends where a message ends."""
        return self._missing < 0 and not self._prefix

    @property
    def size(self) -> int:
        """Bytes of the unfinished message which are held."""
        return sum(map(len, self._parts))

    def feed(self, data: bytes) -> list[bytes]:
        """The messages which this data completes.

        Raises:
            Status: RESOURCE_EXHAUSTED for one that is too long, UNIMPLEMENTED or INTERNAL for a compressed one.
        """
        if self._missing < 0 and not self._prefix and (whole := only(data)) is not None:
            return [whole]
        return self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        out: list[bytes] = []
        at, end = 0, len(data)
        while at < end or self._missing == 0:
            if self._missing < 0:
                step = min(PREFIX_SIZE - len(self._prefix), end - at)
                self._prefix += data[at : at + step]
                at += step
                if len(self._prefix) < PREFIX_SIZE:
                    break
                self._missing = self._announced(self._prefix)
                self._prefix = b""
            step = min(self._missing, end - at)
            self._parts.append(data[at : at + step])
            at += step
            self._missing -= step
            if not self._missing:
                out.append(b"".join(self._parts))
                self._parts = []
                self._missing = -1
        return out

    def _announced(self, prefix: bytes) -> int:
        size = int.from_bytes(prefix[1:], "big")
        if prefix[0] == 1:
            if self._encoding == "identity":
                raise status.Status(_Code.INTERNAL, "grpc: compressed flag set with identity or empty encoding")
            raise status.Status(
                _Code.UNIMPLEMENTED, f'grpc: Decompressor is not installed for grpc-encoding "{self._encoding}"'
            )
        if prefix[0]:
            raise status.Status(_Code.INTERNAL, f"grpc: received unexpected payload format {prefix[0]}")
        if size > MESSAGE_LIMIT:
            raise status.Status(
                _Code.RESOURCE_EXHAUSTED, f"grpc: received message larger than max ({size} vs. {MESSAGE_LIMIT})"
            )
        return size
