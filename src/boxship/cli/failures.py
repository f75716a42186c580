"""The one place where a failed call becomes a message for a person and an exit code for a script.

Exit codes: 1 a failure, 2 wrong usage, 125 `run` failed before the container's command ran, 126 the command cannot be
executed, 127 it was not found, 130 interrupted; otherwise that of the container.
"""

import traceback

from boxship.cli import world
from boxship.terms import errors

_WAYS_OUT: dict[type[errors.Error], str] = {
    errors.Unavailable: "is the daemon running? `boxship daemon start` starts one",
    errors.PermissionDenied: "try it as root",
    errors.Unauthenticated: "log in: credentials are read from ~/.docker/config.json",
}


def tell(exc: Exception, around: world.World, *, debug: bool = False) -> int:
    """Print what went wrong; returns the exit code."""
    if debug:
        around.say("".join(traceback.format_exception(exc)).rstrip())
    if not isinstance(exc, (errors.Error, OSError)):
        around.say(f"boxship: a fault of boxship itself: {type(exc).__name__}: {exc}")
        around.say("Please report it, with what `--debug` before the command prints.")
        return 1
    around.say(f"boxship: {exc}")
    if isinstance(exc, errors.Error) and (hint := _WAYS_OUT.get(type(exc))) and hint not in str(exc):
        around.say(f"  {hint}")
    return 1
