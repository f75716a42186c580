"""Reading and writing the little files of a control group."""

import errno
import os
from collections.abc import Iterable, Sequence

from boxship.linux import calls

_LIMIT = 1 << 20
UNLIMITED = (1 << 64) - 1  # what `max` becomes, as in containerd's metrics


def write(path: str, value: str | int) -> None:
    write_lines(path, (value,))


def write_lines(path: str, values: Sequence[str | int]) -> None:
    """One or more, each by a call of its own, as the kernel wants it."""
    value = values[0]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for value in values:
                os.write(descriptor, str(value).encode())
        finally:
            os.close(descriptor)
    except OSError as failure:
        raise calls.error(f'write "{value}"', path, failure.errno) from None


def read(path: str) -> str:
    """The file's text; '' where the controller does not have the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        pieces: list[bytes] = []
        left = _LIMIT
        while left > 0 and (piece := os.read(descriptor, min(left, 65536))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces).decode("ascii", "replace")
    except OSError as failure:
        # ENODEV: the group went meanwhile; EOPNOTSUPP: this file does not work for the kind of group
        if failure.errno in {errno.ENODEV, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO}:
            return ""
        raise calls.error("read", path, failure.errno) from None
    finally:
        os.close(descriptor)


def number(text: str) -> int:
    """The number in `text`; `max` is the biggest one, nothing is 0."""
    text = text.strip()
    if text == "max":
        return UNLIMITED
    try:
        return int(text)
    except ValueError:
        return 0


def read_number(path: str) -> int:
    return number(read(path))


def pairs(text: str) -> dict[str, int]:
    """Lines of `name number`."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value:
            found[name] = number(value)
    return found


def pids(path: str) -> list[int]:
    """The numbers in a `cgroup.procs`, or [] when the group is gone."""
    return [int(word) for word in read(path).split() if word.isdigit()]


def subgroups(folder: str) -> Iterable[str]:
    """`folder` and all folders below it, the deepest first."""
    try:
        with os.scandir(folder) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for path in below:
        yield from subgroups(path)
    yield folder


def is_group(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "cgroup.procs"))
