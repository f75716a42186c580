"""Parts that other distributions bring along, by entry points (packaging.python.org, specifications/entry-points).

importlib.metadata would read them too, at the price of some fifty modules that nobody else needs in a daemon.
"""

import os
import sys
from collections.abc import Iterable, Iterator

from boxship.wiring import parts

GROUP = "boxship.plugins"
_LARGEST = 1 << 20


def found(folders: Iterable[str] | None = None) -> list[parts.Builtin]:
    """The parts that are installed in the folders, by default those that modules are imported from.

    An entry is named by the part's whole uri (`io.containerd.snapshotter.v1.mine = my.module:REGISTRATION`), so that a
    disabled one is never imported.
    """
    result: dict[str, parts.Builtin] = {}
    for text in _documents(sys.path if folders is None else folders):
        for name, where in _entries(text):
            kind, _, last = name.rpartition(".")
            result.setdefault(name, parts.Builtin(kind, last, where))
    return list(result.values())


def _documents(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        try:
            names = sorted(name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for name in names:
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    yield file.read(_LARGEST)
            except (OSError, UnicodeDecodeError):
                continue


def _entries(text: str) -> Iterator[tuple[str, str]]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, where = line.partition("=")
            yield name.strip(), where.partition("[")[0].strip()
