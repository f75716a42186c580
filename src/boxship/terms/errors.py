"""One class per class of failure, as in containerd's errdefs.

The class tells a caller what can be done; the message tells what was being done, and to what.
The class text ends every printed message (`image "x": not found`), because Go clients read the class
back from that tail: it is appended by `str()` and never typed by hand.

    errors.Error
    ├── Unknown               ├── OutOfRange
    ├── InvalidArgument       ├── NotImplemented
    ├── NotFound              ├── Internal
    ├── AlreadyExists         ├── Unavailable
    ├── PermissionDenied      ├── DataLoss
    ├── ResourceExhausted     ├── Unauthenticated
    ├── FailedPrecondition    ├── DeadlineExceeded
    │   ├── Conflict          └── Canceled
    │   └── NotModified
    └── Aborted
"""

from typing import ClassVar


class Error(Exception):
    """A failure with a class that travels over the wire.

    Attributes:
        message: what was being done to what, without the class text.
        text: the class text that ends the printed message.
    """

    text: ClassVar[str] = "unknown"

    def __init__(self, message: str = "", *, whole: bool = False) -> None:
        """`whole`: the message says its class in its own words, and no text is appended, where Go does so, too."""
        super().__init__(message)
        self.message = message
        self._whole = whole

    def __str__(self) -> str:
        if self._whole:
            return self.message
        return f"{self.message}: {self.text}" if self.message else self.text


class Unknown(Error):
    """Nobody knows more than the message says. Its text is not appended: Go's is not either."""

    def __str__(self) -> str:
        return self.message or self.text


class InvalidArgument(Error):
    """What was asked for can never work; ask differently."""

    text = "invalid argument"


class NotFound(Error):
    """The named thing does not exist."""

    text = "not found"


class AlreadyExists(Error):
    """The named thing exists; nothing was changed."""

    text = "already exists"


class PermissionDenied(Error):
    """The caller may not do this."""

    text = "permission denied"


class ResourceExhausted(Error):
    """A limit was reached: space, memory, a queue, a rate."""

    text = "resource exhausted"


class FailedPrecondition(Error):
    """The thing is in a state that does not allow this."""

    text = "failed precondition"


class Conflict(FailedPrecondition):
    """Somebody else's change stands in the way."""

    text = "conflict"


class NotModified(FailedPrecondition):
    """Nothing needed to be changed."""

    text = "not modified"


class Aborted(Error):
    """Interrupted by something else; the whole may be tried again."""

    text = "aborted"


class OutOfRange(Error):
    """An offset lies behind the end."""

    text = "out of range"


class NotImplemented(Error):
    """This part cannot do that."""

    text = "not implemented"


class Internal(Error):
    """An invariant is broken: a fault of ours."""

    text = "internal"


class Unavailable(Error):
    """Not now; the same call may work later."""

    text = "unavailable"


class DataLoss(Error):
    """Stored bytes are gone or damaged."""

    text = "data loss"


class Unauthenticated(Error):
    """Credentials are missing or wrong."""

    text = "unauthenticated"


class Canceled(Error):
    """The caller gave up."""

    text = "context canceled"


class DeadlineExceeded(Error):
    """The caller's time is over."""

    text = "context deadline exceeded"


def no_space(what: str, place: object, reason: str) -> ResourceExhausted:
    """`what` failed since the file system that `place` lies on is full, or a quota on it is."""
    return ResourceExhausted(f"{what} below {place}: {reason}; make room there, for example by removing images")


CLASSES: tuple[type[Error], ...] = (
    Unknown,
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Conflict,
    NotModified,
    Aborted,
    OutOfRange,
    NotImplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
    Canceled,
    DeadlineExceeded,
)
