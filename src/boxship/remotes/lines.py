"""Answers whose head and trailer end: http.client reads as many lines as a server cares to send, and waits for each.

Interim answers (1xx) and trailers come without any bound there; a server could keep a thread for ever with them.
"""

import errno
import functools
import io
import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import urllib3

MOST_LINES = 1000
"""Lines in a row, with no bytes of a body between them."""

LONGEST = 60.0
"""Seconds for these lines, to begin with the first."""


class Source(io.RawIOBase):
    """A socket's input that can be given a last moment: a single byte each minute is never late for the socket."""

    def __init__(self, inner: io.RawIOBase) -> None:
        self._inner = inner
        self.until = math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if time.monotonic() > self.until:
            raise TimeoutError
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


class Lines(io.BufferedReader):
    """A connection's input. Raises TimeoutError, and OSError for too many lines."""

    raw: Source
    count = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        if self.count == 0:
            self.raw.until = time.monotonic() + LONGEST
        self.count += 1
        if self.count > MOST_LINES:
            raise OSError(errno.EPROTO, f"more than {MOST_LINES} lines of headers")
        return super().readline(size)

    def read(self, size: int | None = -1, /) -> bytes:
        self._body()
        return super().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        self._body()
        return super().read1(size)

    def _body(self) -> None:
        self.count = 0
        self.raw.until = math.inf


def bound(pool: "urllib3.HTTPConnectionPool") -> "urllib3.HTTPConnectionPool":
    """Make the connections of a pool read like this."""
    plain, secure = _connections()
    pool.ConnectionCls = secure if pool.scheme == "https" else plain
    return pool


@functools.cache
def _connections() -> tuple[Any, Any]:
    """Connections that read so; made late, since most commands need none."""
    import http.client

    import urllib3.connection

    class Response(http.client.HTTPResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fp = Lines(Source(self.fp.detach()))

    class Plain(urllib3.connection.HTTPConnection):
        response_class = Response

    class Secure(urllib3.connection.HTTPSConnection):
        response_class = Response

    return Plain, Secure
