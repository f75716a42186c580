"""The table of mounts that a process sees: /proc/PID/mountinfo, see proc_pid_mountinfo(5)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A line of /proc/PID/mountinfo, see proc_pid_mountinfo(5)."""

    id: int
    parent: int
    major: int
    minor: int
    root: str
    target: str
    options: tuple[str, ...]
    tags: tuple[str, ...]
    type: str
    source: str
    super_options: tuple[str, ...]


_ESCAPES = {"040": " ", "011": "\t", "012": "\n", "134": "\\", "043": "#"}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    head, *rest = text.split("\\")
    return head + "".join(_ESCAPES.get(part[:3], "\\" + part[:3]) + part[3:] for part in rest)


def parse_mountinfo(content: bytes) -> Iterator[Info]:
    """The mounts in `content`; lines that are none are left out."""
    for line in content.split(b"\n"):
        fields = os.fsdecode(line).split(" ")
        if len(fields) < 10 or "-" not in fields[6:]:
            continue
        dash = fields.index("-", 6)
        major, _, minor = fields[2].partition(":")
        yield Info(
            id=int(fields[0]),
            parent=int(fields[1]),
            major=int(major),
            minor=int(minor),
            root=_unescaped(fields[3]),
            target=_unescaped(fields[4]),
            options=tuple(fields[5].split(",")),
            tags=tuple(fields[6:dash]),
            type=fields[dash + 1],
            source=_unescaped(fields[dash + 2]),
            super_options=tuple(fields[dash + 3].split(",")) if len(fields) > dash + 3 else (),
        )


def read(process: int | str = "self") -> list[Info]:
    """The mounts that `process` sees, in the order they were made."""
    with open(f"/proc/{process}/mountinfo", "rb") as file:
        return list(parse_mountinfo(file.read()))
