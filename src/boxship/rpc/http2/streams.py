"""One stream of a connection: which side may still send, and its two windows (RFC 9113 sections 5.1 and 5.2)."""

from __future__ import annotations

import collections
from typing import Any

END = b""  # ends a stream by a flag on its last DATA frame, where a block would end it by trailers


class Stream:
    """State only; whoever opened it leaves his own object in `owner`."""

    __slots__ = (
        "ending",
        "expected",
        "id",
        "local_open",
        "owner",
        "pending",
        "pending_size",
        "received",
        "remote_open",
        "unacknowledged",
        "window_in",
        "window_out",
    )

    def __init__(self, number: int, window_out: int, window_in: int) -> None:
        self.id = number
        self.local_open = True  # we may send
        self.remote_open = True  # the peer may send
        self.window_out = window_out
        self.window_in = window_in
        self.unacknowledged = 0  # bytes consumed for which no WINDOW_UPDATE has gone out yet
        self.pending: collections.deque[bytes] | None = None  # data that waits for a window
        self.pending_size = 0
        self.ending: bytes | None = None  # what ends our side once nothing is pending: a block of trailers, or END
        self.expected: int | None = None  # content-length
        self.received = 0
        self.owner: Any = None
