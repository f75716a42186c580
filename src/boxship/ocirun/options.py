"""The options of an OCI mount, sorted: what the kernel takes as flags, as attributes, as propagation, and as data.

Source: OCI runtime-spec config.md "Linux mount options".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from boxship.linux import mountfds, mounts

# recursive word -> (attributes set, attributes cleared) for the mount and all below it
_ATIME = mountfds.MOUNT_ATTR__ATIME
RECURSIVE: dict[str, tuple[int, int]] = {
    "rro": (mountfds.MOUNT_ATTR_RDONLY, 0),
    "rrw": (0, mountfds.MOUNT_ATTR_RDONLY),
    "rnosuid": (mountfds.MOUNT_ATTR_NOSUID, 0),
    "rsuid": (0, mountfds.MOUNT_ATTR_NOSUID),
    "rnodev": (mountfds.MOUNT_ATTR_NODEV, 0),
    "rdev": (0, mountfds.MOUNT_ATTR_NODEV),
    "rnoexec": (mountfds.MOUNT_ATTR_NOEXEC, 0),
    "rexec": (0, mountfds.MOUNT_ATTR_NOEXEC),
    "rnodiratime": (mountfds.MOUNT_ATTR_NODIRATIME, 0),
    "rdiratime": (0, mountfds.MOUNT_ATTR_NODIRATIME),
    "rrelatime": (mountfds.MOUNT_ATTR_RELATIME, _ATIME),
    "rnorelatime": (0, _ATIME),
    "rnoatime": (mountfds.MOUNT_ATTR_NOATIME, _ATIME),
    "ratime": (0, _ATIME),
    "rstrictatime": (mountfds.MOUNT_ATTR_STRICTATIME, _ATIME),
    "rnostrictatime": (0, _ATIME),
    "rnosymfollow": (mountfds.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "rsymfollow": (0, mountfds.MOUNT_ATTR_NOSYMFOLLOW),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    flags: int = 0  # MS_
    cleared: int = 0  # MS_ flags which an option took away
    propagation: tuple[int, ...] = ()  # MS_, one after the other
    recursive_set: int = 0  # MOUNT_ATTR_
    recursive_clear: int = 0
    idmap: bool = False
    idmap_recursive: bool = False
    copy_up: bool = False
    data: str = ""

    @property
    def is_bind(self) -> bool:
        return bool(self.flags & mounts.MS_BIND)

    @property
    def is_recursive(self) -> bool:
        return bool(self.flags & mounts.MS_REC)

    @property
    def is_readonly(self) -> bool:
        return bool(self.flags & mounts.MS_RDONLY)


def parse(words: Iterable[str]) -> Options:
    """Sort option words; later ones win over earlier ones, unknown ones are the file system's data."""
    flags = cleared = recursive_set = recursive_clear = 0
    idmap = idmap_recursive = copy_up = False
    propagation: list[int] = []
    data: list[str] = []
    for word in words:
        if word in mounts.FLAGS:
            is_set, bits = mounts.FLAGS[word]
            flags, cleared = (flags | bits, cleared & ~bits) if is_set else (flags & ~bits, cleared | bits)
        elif word in mounts.PROPAGATION:
            propagation.append(mounts.PROPAGATION[word])
        elif word in RECURSIVE:
            to_set, to_clear = RECURSIVE[word]
            recursive_set = recursive_set & ~to_clear | to_set
            recursive_clear = recursive_clear & ~to_set | to_clear
        elif word in {"idmap", "ridmap"}:
            idmap, idmap_recursive = True, word == "ridmap"
        elif word == "tmpcopyup":
            copy_up = True
        else:
            data.append(word)
    return Options(
        flags=flags,
        cleared=cleared,
        propagation=tuple(propagation),
        recursive_set=recursive_set,
        recursive_clear=recursive_clear,
        idmap=idmap,
        idmap_recursive=idmap_recursive,
        copy_up=copy_up,
        data=",".join(data),
    )
