"""Errors and statuses: the one table between the classes of `terms.errors` and gRPC's codes.

A class has one code; Conflict and NotModified share theirs with FailedPrecondition and are told apart by the end of
the message, which is therefore part of the wire format (containerd pkg/errgrpc). The message travels with its tail.
"""

from boxship.rpc import status
from boxship.rpc.status import Code
from boxship.terms import errors

_CODES: dict[type[errors.Error], Code] = {
    errors.Unknown: Code.UNKNOWN,
    errors.InvalidArgument: Code.INVALID_ARGUMENT,
    errors.NotFound: Code.NOT_FOUND,
    errors.AlreadyExists: Code.ALREADY_EXISTS,
    errors.PermissionDenied: Code.PERMISSION_DENIED,
    errors.ResourceExhausted: Code.RESOURCE_EXHAUSTED,
    errors.FailedPrecondition: Code.FAILED_PRECONDITION,
    errors.Conflict: Code.FAILED_PRECONDITION,
    errors.NotModified: Code.FAILED_PRECONDITION,
    errors.Aborted: Code.ABORTED,
    errors.OutOfRange: Code.OUT_OF_RANGE,
    errors.NotImplemented: Code.UNIMPLEMENTED,
    errors.Internal: Code.INTERNAL,
    errors.Unavailable: Code.UNAVAILABLE,
    errors.DataLoss: Code.DATA_LOSS,
    errors.Unauthenticated: Code.UNAUTHENTICATED,
    errors.Canceled: Code.CANCELLED,
    errors.DeadlineExceeded: Code.DEADLINE_EXCEEDED,
}
_CLASSES = {code: cls for cls, code in _CODES.items() if cls not in {errors.Conflict, errors.NotModified}}


def to_status(exc: BaseException) -> status.Status:
    """How a call ends that raised this. What is no error of ours is logged: it is a fault."""
    if isinstance(exc, errors.Error):
        return status.Status(code(exc), str(exc))
    if isinstance(exc, status.Status):
        return exc
    try:
        # half a megabyte for a shim, which needs it never
        import logging
    except (ImportError, OSError):  # without descriptors nothing can be loaded, but the caller must have an answer
        return status.Status(Code.UNKNOWN, _said(exc))
    logging.getLogger(__name__).error("a call failed in an unforeseen way", exc_info=exc)
    return status.Status(Code.UNKNOWN, _said(exc))


def from_status(ended: status.Status) -> errors.Error:
    """The error that a call ended with, its message without the tail."""
    return error(ended.code, ended.message)


def code(exc: errors.Error) -> Code:
    for cls in type(exc).__mro__:
        if cls in _CODES:
            return _CODES[cls]
    return Code.UNKNOWN


def error(code: Code, message: str) -> errors.Error:
    cls = _CLASSES.get(code, errors.Unknown)
    if cls is errors.FailedPrecondition:
        cls = next(
            (each for each in (errors.Conflict, errors.NotModified) if _ends_with(message, each)),
            errors.FailedPrecondition,
        )
    if message == cls.text:
        return cls()
    return cls(message.removesuffix(f": {cls.text}"))


def _ends_with(message: str, cls: type[errors.Error]) -> bool:
    return message == cls.text or message.endswith(f": {cls.text}")


def _said(exc: BaseException) -> str:
    """What a client is told of a fault: its message, but no place in our code."""
    return str(exc) or type(exc).__name__
