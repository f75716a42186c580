"""Memory of processes, each shared page counted once (PSS, proc_pid_smaps(5))."""

import os
import pathlib


def pids() -> set[int]:
    return {int(each) for each in os.listdir("/proc") if each.isdigit()}


def family(pid: int) -> set[int]:
    """A process and all below it."""
    parents = {each: _parent(each) for each in pids()}
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {each for each, parent in parents.items() if parent in found}
    return found


def helpers(pid: int) -> set[int]:
    """A process, all below it, and whatever else was forked from one of them that runs from a file in memory.

    What our template forks has init as its parent.
    """
    known = family(pid)
    images = {image for each in known if (image := _image(each)) is not None}
    return known | {each for each in pids() if _image(each) in images}


def kib(pid: int) -> int:
    """0 for a process that is gone, and for the kernel's own."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def keepers(folder: str) -> set[int]:
    """Processes that stand in a bundle below the folder: shims, not their containers."""
    found = set()
    for pid in pids():
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(f"{folder}/"):
                found.add(pid)
        except OSError:
            continue
    return found


def _image(pid: int) -> tuple[int, int] | None:
    """The file in memory that a process runs from (memfd_create(2)); None for one on a disk."""
    try:
        if not os.readlink(f"/proc/{pid}/exe").startswith("/memfd:"):
            return None
        found = os.stat(f"/proc/{pid}/exe")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _parent(pid: int) -> int:
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
