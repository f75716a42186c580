"""An answer that is not there yet."""

from collections.abc import Callable
from typing import Any


class Later:
    """What a handler returns when it must wait for something: `settle` or `fail` it, once; `then` hears of it."""

    __slots__ = ("_callback", "_outcome", "abandoned")

    def __init__(self) -> None:
        self.abandoned = False  # set by who asked, when the answer has nobody to go to
        self._callback: Callable[[Any, Exception | None], None] | None = None
        self._outcome: tuple[Any, Exception | None] | None = None

    def settle(self, answer: Any) -> None:
        self._decide(answer, None)

    def fail(self, error: Exception) -> None:
        self._decide(None, error)

    def then(self, callback: Callable[[Any, Exception | None], None]) -> None:
        """Called with the answer or the error; at once when it is decided."""
        self._callback = callback
        if self._outcome is not None:
            callback(*self._outcome)

    def _decide(self, answer: Any, error: Exception | None) -> None:
        if self._outcome is None:
            self._outcome = (answer, error)
            if self._callback is not None:
                self._callback(answer, error)
