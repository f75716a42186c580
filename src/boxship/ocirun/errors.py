"""What can go wrong with a container, as one value with parts: step, path, errno, advice."""

import os


class Fault(Exception):
    """A step that failed. `str()` is one line in runc's words; `advice` is a sentence for people, or ''."""

    def __init__(self, message: str, *, step: str = "", path: str = "", errno: int = 0, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.path = path
        self.errno = errno
        self.advice = advice

    def __str__(self) -> str:
        return self.message


class SpecFault(Fault):
    """The specification asks for what makes no sense or cannot be had; no process was started."""


def go_text(code: int) -> str:
    """The kernel's words for an errno as Go spells them: with a small first letter."""
    text = os.strerror(code)
    return text[:1].lower() + text[1:]


def from_os_error(step: str, failure: OSError) -> Fault:
    """A Fault that says what was being done, how the kernel refused, and to what."""
    code = failure.errno or 0
    reason = failure.strerror or (os.strerror(code) if code else str(failure))
    reason = reason.replace(os.strerror(code), go_text(code)) if code else reason
    path = os.fsdecode(failure.filename) if failure.filename is not None else ""
    where = f" ({path})" if path and path not in step else ""
    return Fault(f"{step}: {reason}{where}", step=step, path=path, errno=code)


_PREFIXES = {
    "create": "OCI runtime create failed: runc create failed: ",
    "start": "OCI runtime start failed: runc start failed: ",
    "exec": "OCI runtime exec failed: exec failed: ",
}


def describe(fault: Fault, action: str) -> str:
    """The line a client shows, for `action` create, start or exec, with the advice at its end."""
    return _PREFIXES.get(action, f"OCI runtime {action} failed: ") + sentence(fault)


def sentence(fault: Fault) -> str:
    """The fault as runc's log says it, without the command's prefix, with the advice at its end."""
    middle = "" if isinstance(fault, SpecFault) else "unable to start container process: "
    return middle + str(fault) + (f" ({fault.advice})" if fault.advice else "")


# --- across the fork, as bytes that need no codec of the other side


def encode(fault: Fault) -> bytes:
    parts = (fault.message, fault.step, fault.path, str(fault.errno), fault.advice)
    return b"\0".join(os.fsencode(part.replace("\0", "?"))[:8192] for part in parts)


def decode(raw: bytes) -> Fault:
    parts = [os.fsdecode(part) for part in raw.split(b"\0")] + [""] * 5
    code = int(parts[3]) if parts[3].isdigit() else 0
    return Fault(parts[0] or "container init died", step=parts[1], path=parts[2], errno=code, advice=parts[4])
