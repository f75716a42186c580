"""A small image out of this machine's own files: a shell, some commands and the libraries that they need.

For trying boxship out, and for tests, where no image can be fetched.
"""

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence

from boxship.core import tar, tar_output
from boxship.terms import errors

COMMANDS = (
    "sh",
    "cat",
    "echo",
    "env",
    "false",
    "head",
    "hostname",
    "id",
    "ls",
    "mount",
    "ps",
    "seq",
    "sleep",
    "true",
    "wc",
)
FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp")
FILES = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/group": b"root:x:0:\n"}


def layer(commands: Iterable[str] = COMMANDS) -> bytes:
    """A layer, packed with gzip, with those of the commands that this machine has, in /bin, and their libraries.

    Raises:
        NotFound: the machine has no shell.
    """
    parts = [*map(_folder, FOLDERS), *(_file(name, data) for name, data in FILES.items())]
    seen: set[str] = set()
    for command in commands:
        path = shutil.which(command)
        if path is None:
            if command == "sh":
                raise errors.NotFound("a shell (sh) on PATH, to make an image from")
            continue
        for source, target in [(path, f"bin/{command}"), *((each, each.lstrip("/")) for each in _libraries(path))]:
            if target not in seen:
                seen.add(target)
                parts += _copy(source, target, seen)
    return gzip.compress(b"".join(parts) + tar_output.END, 1, mtime=0)


def _libraries(path: str) -> Sequence[str]:
    """What the dynamic linker would load with a program, by absolute path; nothing for a static one."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    found = [word for line in done.stdout.split("\n") for word in line.split() if word.startswith("/")]
    return found if done.returncode == 0 else []


def _copy(source: str, target: str, seen: set[str]) -> list[bytes]:
    parts = []
    folder = os.path.dirname(target)
    while folder and folder not in seen and folder not in FOLDERS:
        seen.add(folder)
        parts.append(_folder(folder))
        folder = os.path.dirname(folder)
    with open(os.path.realpath(source), "rb") as file:
        parts.append(_file(target, file.read(), mode=0o755))
    return [*reversed(parts[:-1]), parts[-1]]


def _folder(name: str) -> bytes:
    mode = 0o1777 if name == "tmp" else 0o755
    return tar_output.header(tar.Entry(tar.Kind.DIRECTORY, name.encode() + b"/", mode=mode))


def _file(name: str, data: bytes, mode: int = 0o644) -> bytes:
    entry = tar.Entry(tar.Kind.FILE, name.encode(), size=len(data), mode=mode)
    return tar_output.header(entry) + data + tar_output.padding(len(data))
