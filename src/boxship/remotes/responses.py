"""Answers whose bodies are read piece by piece, never further than somebody allows, and not for ever."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Self

from boxship.remotes import failures, urls
from boxship.terms import errors

if TYPE_CHECKING:
    import urllib3

ERROR_LIMIT = 64 * 1024
READ_SIZE = 256 * 1024
STALL = 60.0
"""Seconds within which something must come."""

_LEAST_PER_STALL = 4096
_LONGEST_DOCUMENT = 120.0


class Response:
    """An answer whose body has not been read; a context manager.

    Attributes:
        url: where it came from, after redirects.
    """

    def __init__(self, raw: "urllib3.BaseHTTPResponse", url: str, clock: Callable[[], float]) -> None:
        self._raw = raw
        self._clock = clock
        self.url = url
        self.status: int = raw.status
        self.headers: Mapping[str, str] = raw.headers

    def __repr__(self) -> str:
        return f"Response({self.status}, {urls.redacted(self.url)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def values(self, name: str) -> list[str]:
        """All values of a header that may come several times."""
        return list(self._raw.headers.getlist(name))

    def read(self, limit: int) -> bytes:
        """The whole body. Raises ResourceExhausted when it is longer than `limit`, Unavailable when it breaks off."""
        found = bytearray()
        begin = self._clock()
        for piece in self.stream():
            found += piece
            if self._clock() - begin > _LONGEST_DOCUMENT:
                self.abandon()
                raise errors.Unavailable(
                    f"{urls.redacted(self.url)}: the answer takes more than {_LONGEST_DOCUMENT:.0f} s"
                )
            if len(found) > limit:
                self.abandon()
                raise errors.ResourceExhausted(f"{urls.redacted(self.url)}: the answer is longer than {limit} bytes")
        return bytes(found)

    def stream(self) -> Iterator[bytes]:
        """The body as it comes. Raises Unavailable when it breaks off, stands still or drips."""
        import urllib3.exceptions

        since, received = self._clock(), 0
        while True:
            try:
                piece = self._raw.read1(READ_SIZE)
            except (urllib3.exceptions.HTTPError, OSError) as exc:
                self.abandon()
                raise errors.Unavailable(
                    f"{urls.redacted(self.url)}: the answer broke off: {failures.describe(exc)}"
                ) from exc
            if not piece:
                if getattr(self._raw, "length_remaining", 0):
                    self.abandon()
                    raise errors.Unavailable(
                        f"{urls.redacted(self.url)}: the answer ended {self._raw.length_remaining} bytes early"
                    )
                return
            received += len(piece)
            yield piece
            now = self._clock()
            if now - since > STALL:
                if received < _LEAST_PER_STALL:
                    self.abandon()
                    raise errors.Unavailable(f"{urls.redacted(self.url)}: only {received} bytes came in {STALL:.0f} s")
                since, received = now, 0

    def read_quietly(self) -> None:
        """Take a short body that nobody needs off the connection, so that this can be used again."""
        try:
            self.read(ERROR_LIMIT)
        except (errors.Unavailable, errors.ResourceExhausted):
            return
        self.close()

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._raw.closed:
            self._raw.release_conn()
        else:
            self.abandon()

    def abandon(self) -> None:
        self._raw.close()
        self._raw.release_conn()
