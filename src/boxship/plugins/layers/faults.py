"""What goes wrong with files while a layer is applied or read, as errors with a class."""

import contextlib
import errno
from collections.abc import Iterator

from boxship.terms import errors

_CLASSES: dict[int, type[errors.Error]] = {
    errno.ENOSPC: errors.ResourceExhausted,
    errno.EDQUOT: errors.ResourceExhausted,
    errno.EFBIG: errors.ResourceExhausted,
    errno.ENOMEM: errors.ResourceExhausted,
    errno.EMFILE: errors.ResourceExhausted,
    errno.EMLINK: errors.ResourceExhausted,
    errno.ENAMETOOLONG: errors.InvalidArgument,
    errno.ELOOP: errors.InvalidArgument,
    errno.ENOTDIR: errors.InvalidArgument,
    errno.EISDIR: errors.InvalidArgument,
    errno.EINVAL: errors.InvalidArgument,
    errno.ENOENT: errors.InvalidArgument,
    errno.EEXIST: errors.InvalidArgument,
    errno.E2BIG: errors.InvalidArgument,
    errno.ERANGE: errors.InvalidArgument,
    errno.EROFS: errors.FailedPrecondition,
    errno.EPERM: errors.PermissionDenied,
    errno.EACCES: errors.PermissionDenied,
    errno.EIO: errors.DataLoss,
}


def of(exc: OSError, what: str) -> errors.Error:
    """The error for a failed call, told with what was being done."""
    reason = exc.strerror or str(exc)
    return _CLASSES.get(exc.errno or 0, errors.Unknown)(f"{what}: {reason}")


def printable(name: bytes) -> str:
    """A name out of an archive for a message: quoted, cut, without control characters."""
    return repr(name[:200].decode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Let OSErrors out as errors with a class."""
    try:
        yield
    except OSError as exc:
        raise of(exc, what) from exc
