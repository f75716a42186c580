"""The one place where a failed call becomes a message for a person and an exit code for a script.

Exit codes: 1 a failure, 2 wrong usage, 130 interrupted. Commands whose exit code is a container's (`run`, `exec`,
`start -a`) keep off those: 125 for all that went wrong before the command ran, wrong usage too; 126 when it cannot be
executed, 127 when it is not there.
"""

import os
import re

from boxship.cli import world
from boxship.terms import errors

OURS, NOT_EXECUTABLE, NOT_THERE = 125, 126, 127

_LAYERS = re.compile(
    r"(?:(?:failed to create shim task|failed to start shim|failed to resolve runtime path|OCI runtime \w+ failed|runc \w+ failed|exec failed"
    r"|unable to start container process|error during container init): )+"
)
"""What each of containerd, shim and runtime puts before a message; scripts read it, people need not."""
_PROGRAM = re.compile(r'exec:? "?(?P<name>[^"]*?)"?: (?:stat [^:]*: )?(?P<why>.*)', re.DOTALL)
_SAID = re.compile(r"(?<!\S)(?:not?|already|cannot|nobody|nothing|neither|unknown|refused|must)(?![\w-])")
"""A message with such a word says its class in its own words."""
_QUOTED = re.compile(r"""(["']).*?\1""")
_GONE = "error reading from server"
_THINGS = (errors.NotFound, errors.AlreadyExists)
"""Classes whose messages may be no more than the name of a thing."""


def tell(exc: Exception, around: world.World, *, debug: bool = False, about: str = "") -> int:
    """Print what went wrong, with a way out if we know one; returns the exit code 1.

    Args:
        exc: what was raised.
        around: who is told.
        debug: show where it came from.
        about: the thing that it happened to, when the message does not name it.
    """
    if debug:
        import traceback

        around.say("".join(traceback.format_exception(exc)).rstrip())
    if isinstance(exc, UnicodeEncodeError):
        around.say(f"boxship: {exc.object!a:.200}: a name must be text, in UTF-8")
        return 1
    if not isinstance(exc, (errors.Error, OSError)):
        around.say(f"boxship: a fault of boxship itself: {type(exc).__name__}: {exc}")
        around.say("Please report it, with what `boxship --debug` prints for the same command.")
        return 1
    text = words(exc)
    around.say(f"boxship: {about}: {text}" if about and about not in text else f"boxship: {text}")
    if (hint := _way_out(exc)) and hint not in text:
        around.say(f"  {hint}")
    return 1


def words(exc: errors.Error | OSError) -> str:
    """The message for a person: without the layers it came through, and with its class only where that says something."""
    if isinstance(exc, OSError):
        what = exc.strerror or str(exc) or type(exc).__name__
        return f"{exc.filename}: {what}" if exc.filename else what
    text = _LAYERS.sub("", exc.message, count=1) if _LAYERS.match(exc.message) else exc.message
    if found := _PROGRAM.fullmatch(text):
        return _program(found["name"], found["why"])
    while text.endswith(tail := f": {exc.text}"):
        text = text.removesuffix(tail)
    if isinstance(exc, errors.Unavailable) and text.startswith(_GONE):
        return "the daemon has gone away; containers go on without it"
    if not text:
        return exc.text
    return f"{text}: {exc.text}" if isinstance(exc, _THINGS) and not _SAID.search(_QUOTED.sub("", text)) else text


def code(exc: errors.Error | OSError) -> int:
    """What a command that was not run gives to a script, as Docker does."""
    if isinstance(exc, OSError) or not (found := _PROGRAM.fullmatch(_LAYERS.sub("", exc.message, count=1))):
        return OURS
    if "executable file not found" in found["why"] or "no such file or directory" in found["why"]:
        return NOT_THERE
    return NOT_EXECUTABLE


def _program(name: str, why: str) -> str:
    if "executable file not found" in why:
        return f"cannot run {name!r}: the container has no such program in its $PATH{_rest(why)}"
    if why.startswith("no such file or directory"):
        return f"cannot run {name!r}: the container has no such file{_rest(why)}"
    if why.startswith("permission denied"):
        return f"cannot run {name!r}: it is no file that its user may execute{_rest(why)}"
    return f"cannot run {name!r}: {why}"


def _rest(why: str) -> str:
    """What the runtime adds behind the reason, such as the missing interpreter of a script."""
    found = re.search(r"\(.*\)|; .*", why, re.DOTALL)
    return f" {found[0]}" if found else ""


def _way_out(exc: Exception) -> str:
    if isinstance(exc, errors.Unauthenticated):
        return "credentials are read from ~/.docker/config.json, or given by --user"
    if isinstance(exc, PermissionError | errors.PermissionDenied) and os.geteuid() != 0 and "root" not in str(exc):
        return "try it as root"
    return ""
