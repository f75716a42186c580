"""Signals by the names and numbers that people use."""

import re
import signal

from boxship.terms import errors

_REAL_TIME = re.compile(r"RTM(IN|AX)(?:([+-])([0-9]{1,2}))?", re.ASCII)


def number(text: int | str) -> int:
    """For 15, "15", "TERM", "SIGTERM", "SIGRTMIN+3". Raises InvalidArgument."""
    if isinstance(text, int) or text.isdecimal():
        found = int(text)
        if 0 < found <= signal.SIGRTMAX:
            return found
        raise errors.InvalidArgument(f"signal {text!r}: signals are numbered from 1 to {int(signal.SIGRTMAX)}")
    name = text.upper().removeprefix("SIG")
    if real := _REAL_TIME.fullmatch(name):
        start = signal.SIGRTMIN if real[1] == "IN" else signal.SIGRTMAX
        found = start + int(f"{real[2] or '+'}{real[3] or 0}")
        if signal.SIGRTMIN <= found <= signal.SIGRTMAX:
            return found
    elif f"SIG{name}" in signal.Signals.__members__:
        return int(signal.Signals[f"SIG{name}"])
    raise errors.InvalidArgument(f"signal {text!r} is not known: name one such as SIGTERM, or its number")
