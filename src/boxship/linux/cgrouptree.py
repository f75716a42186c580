"""Where control groups are mounted and which mode the machine is in (cgroups(7)).

*legacy*: version 1 controllers only; *unified*: version 2 at /sys/fs/cgroup; *hybrid*: version 1 controllers beside a
version 2 tree without them.
"""

import enum
import os
from dataclasses import dataclass

from boxship.linux import mounttable

PLACE = "/sys/fs/cgroup"

# Not controllers but words in the options of a version 1 mount.
_NO_CONTROLLERS = {"rw", "ro", "xattr", "noprefix", "clone_children", "favordynmods", "nofavordynmods"}


class Mode(enum.Enum):
    LEGACY = "legacy"
    HYBRID = "hybrid"
    UNIFIED = "unified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a hierarchy is mounted; `root` is the group that shows there, `/` unless seen from a cgroup namespace."""

    path: str
    root: str
    controllers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    mode: Mode
    controllers: dict[str, Mount]  # version 1, `name=systemd` included
    unified: Mount | None

    @property
    def version(self) -> int:
        return 2 if self.mode is Mode.UNIFIED else 1


def from_mounts(table: list[mounttable.Info]) -> Tree:
    """The tree that a table of mounts shows; where a hierarchy is mounted twice the first mount counts."""
    controllers: dict[str, Mount] = {}
    unified: Mount | None = None
    for info in table:
        if info.type == "cgroup2" and unified is None:
            unified = Mount(path=info.target, root=info.root, controllers=())
        elif info.type == "cgroup":
            names = tuple(name for name in info.super_options if name not in _NO_CONTROLLERS and "agent" not in name)
            for name in names:
                controllers.setdefault(name, Mount(path=info.target, root=info.root, controllers=names))
    # Beside a unified tree at the usual place may be version 1 mounts, such as a net_cls for split tunnels; they hold
    # nothing that limits.
    if not controllers or (unified is not None and unified.path == PLACE):
        return Tree(mode=Mode.UNIFIED, controllers={}, unified=unified)
    mode = Mode.LEGACY if unified is None else Mode.HYBRID
    return Tree(mode=mode, controllers=controllers, unified=unified)


_tree: Tree | None = None


def tree() -> Tree:
    """This machine's tree, read once per process."""
    global _tree
    if _tree is None:
        _tree = from_mounts(mounttable.read())
    return _tree


def groups_of(process: int | str = "self") -> dict[str, str]:
    """The groups that a process is in: controller (`""` for version 2) -> path within its hierarchy."""
    with open(f"/proc/{process}/cgroup", "rb") as file:
        return parse_groups(file.read())


def parse_groups(content: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in content.split(b"\n"):
        number, _, rest = os.fsdecode(line).partition(":")
        names, colon, path = rest.partition(":")
        if number and colon:
            for name in names.split(","):
                found[name] = path
    return found


def folder(mount: Mount, group: str) -> str:
    """The folder of a group, whose path is as the kernel names it, below a mount."""
    relative = group
    if mount.root != "/" and (group == mount.root or group.startswith(mount.root + "/")):
        relative = group[len(mount.root) :]
    return os.path.join(mount.path, relative.strip("/")) if relative.strip("/") else mount.path
