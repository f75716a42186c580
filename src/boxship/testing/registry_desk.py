"""What the connections of a small registry share: its content, its accounts, what it saw, how it shall misbehave."""

import collections
import dataclasses
import re
import threading
from collections.abc import Mapping

from boxship.testing import registry_storage, registry_tokens

_MOST_SEEN = 100_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came. `path` has its query; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclasses.dataclass(slots=True, kw_only=True)
class Fault:
    """How to misbehave, at requests whose method and path match, so many times.

    Attributes:
        path: a regular expression, searched for in the path with its query.
        status: answer this instead, with `headers` and `body`; 0 answers as usual, with `headers` put over.
        truncate_at: close the connection after so many bytes of the body.
        corrupt: flip a bit in the first byte of the body.
        extra: bytes that follow the body without being announced by more than Content-Length.
        stall: keep silent in the middle of the body until the registry closes.
        drop: close the connection without an answer.
    """

    path: str = ""
    method: str = ""
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    truncate_at: int | None = None
    corrupt: bool = False
    extra: bytes = b""
    stall: bool = False
    drop: bool = False

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in {"", method} and re.search(self.path, path) is not None


class Desk:
    """For many threads.

    Attributes:
        url: where the registry listens.
        closing: set when it stops.
    """

    def __init__(self, *, storage: registry_storage.Storage, tokens: registry_tokens.Tokens) -> None:
        self.storage = storage
        self.tokens = tokens
        self.url = ""
        self.closing = threading.Event()
        self._seen: collections.deque[Seen] = collections.deque(maxlen=_MOST_SEEN)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def fail(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def note(self, seen: Seen) -> Fault | None:
        """Remember a request; the fault to commit for it."""
        with self._lock:
            self._seen.append(seen)
            for fault in self._faults:
                if fault.fits(seen.method, seen.path):
                    fault.times -= 1
                    return fault
            return None

    def requests(self, method: str, path: str) -> list[Seen]:
        with self._lock:
            return [each for each in self._seen if method in {"", each.method} and re.search(path, each.path)]
