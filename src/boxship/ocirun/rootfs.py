"""The operations that turn a folder into a container's root: mounts by descriptor, all targets found inside the root."""

import os
from dataclasses import dataclass

from boxship.linux import calls, idmaps, mountfds, mounts, mounttable, openat2, procfs
from boxship.ocirun import copyup, errors
from boxship.ocirun import options as mount_options
from boxship.ocirun.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPropagation:
    """Cut the mounts of the new namespace off from those it was copied from, or leave the ties that are asked for."""

    flags: int

    def describe(self) -> str:
        return f"set propagation of / to {propagation_word(self.flags)}"

    def execute(self, stage: Stage) -> None:
        mounts.mount(None, "/", None, self.flags)


def propagation_word(flags: int) -> str:
    return next((word for word, bits in mounts.PROPAGATION.items() if bits == flags), hex(flags))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterRoot:
    """Bind the root over itself, since only a mount can become `/`. The working folder is the root by now."""

    rootfs: str
    parent_may_be_shared: bool = False

    def describe(self) -> str:
        return f"bind root {self.rootfs} over itself"

    def execute(self, stage: Stage) -> None:
        if self.parent_may_be_shared:
            _make_parent_private()
        stage.root = mountfds.open_tree(calls.AT_FDCWD, ".", recursive=True)
        mountfds.move_to_path(stage.root, ".")


def _make_parent_private() -> None:
    """pivot_root refuses a root whose parent mount is shared; that is so only when `rshared` was asked for."""
    path = os.getcwd()
    parents = [info for info in mounttable.read() if _covers(info.target, path)]
    if not parents:
        return
    parent = max(parents, key=lambda info: len(info.target))
    if any(tag.startswith("shared:") for tag in parent.tags):
        mounts.mount(None, parent.target, None, mounts.MS_PRIVATE)


def _covers(target: str, path: str) -> bool:
    return target in {"/", path} or path.startswith(target + "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Show a file or folder of the machine in the container."""

    source: str
    destination: str
    options: mount_options.Options
    users: tuple[str, ...] = ()  # lines of uid_map and gid_map of an id-mapped mount
    groups: tuple[str, ...] = ()

    def describe(self) -> str:
        mapped = " with mapped ids" if self.options.idmap else ""
        return f'mount "{self.source}" to rootfs at "{self.destination}"{mapped}'

    def open_source(self) -> int:
        """The detached mount with its attributes, from the mount namespace of whoever calls."""
        try:
            mount = mountfds.bind(self.source, recursive=self.options.is_recursive)
        except FileNotFoundError as failure:
            text = f"stat {self.source}: {os.strerror(failure.errno or 0)}"
            raise OSError(failure.errno, text) from None
        try:
            change(mount, self.options)
            if self.options.idmap:
                self._map(mount)
        except OSError:
            os.close(mount)
            raise
        return mount

    def open_outside(self) -> int:
        """As `open_source`, by the maker: what happens inside must not come back to the machine."""
        mount = self.open_source()
        mountfds.set_attributes(mount, propagation=mounts.MS_SLAVE, recursive=True)
        return mount

    def _map(self, mount: int) -> None:
        with mountfds.closing(idmaps.open_namespace(self.users, self.groups)) as namespace:
            recursive = self.options.idmap_recursive
            mountfds.set_attributes(mount, user_namespace=namespace, recursive=recursive)

    def execute(self, stage: Stage) -> None:
        mount = stage.prepared.pop(id(self), -1)
        if mount < 0:
            mount = self.open_source()
        with mountfds.closing(mount):
            self._check(mount, stage)
            target = stage.place(self.destination, is_folder=openat2.is_folder(mount))
            with mountfds.closing(target):
                stage.put(mount, target, self.destination)
            spread(mount, self.options)

    def _check(self, mount: int, stage: Stage) -> None:
        """Else anybody's files would be read as the kernel's, such as what it says to security modules."""
        if self.destination == "/proc" and procfs.magic(mount) != procfs.PROC_MAGIC:
            what = f'error mounting "{self.source}" to rootfs at "/proc"'
            why = f'"{os.path.join(stage.rootfs, "proc")}" cannot be mounted because it is not of type proc'
            raise errors.Fault(f"error during container init: {what}: {why}", step="mounts", path="/proc")


def change(mount: int, options: mount_options.Options) -> None:
    """Give a detached mount the attributes which its options ask for; those not named stay as they are."""
    to_set, to_clear = mountfds.attribute_changes(options.flags, options.cleared)
    if to_set or to_clear:
        mountfds.set_attributes(mount, to_set=to_set, to_clear=to_clear)
    if options.recursive_set or options.recursive_clear:
        mountfds.set_attributes(mount, to_set=options.recursive_set, to_clear=options.recursive_clear, recursive=True)


def spread(mount: int, options: mount_options.Options) -> None:
    """Set the propagation words, in their order."""
    for flags in options.propagation:
        recursive = bool(flags & mounts.MS_REC)
        mountfds.set_attributes(mount, propagation=flags & ~mounts.MS_REC, recursive=recursive)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMount:
    """A file system of the container's own: tmpfs, devpts, mqueue, overlay, …"""

    type: str
    source: str
    destination: str
    options: mount_options.Options
    plain: bool = False  # links on the way are refused (proc, sysfs)
    readonly_later: bool = False  # /dev becomes read-only after its nodes are made

    def describe(self) -> str:
        data = f" with {self.options.data}" if self.options.data else ""
        return f'mount "{self.source or self.type}" to rootfs at "{self.destination}"{data}'

    def _target(self, stage: Stage) -> int:
        if self.plain:
            return stage.plain_folder(self.destination)
        return stage.place(self.destination, is_folder=True)

    def execute(self, stage: Stage) -> None:
        flags = self.options.flags & ~(mounts.MS_RDONLY if self.readonly_later else 0)
        takes_mode = self.type == "tmpfs" and "mode=" not in self.options.data and stage.has(self.destination)
        with mountfds.closing(self._target(stage)) as target:
            data = self.options.data
            if takes_mode:
                # that of the folder which the image has, as without a mount; else everybody may write, as in runc
                mode = os.fstat(target).st_mode & 0o7777
                data = f"{data},mode={mode:o}" if data else f"mode={mode:o}"
            mount = mountfds.new_mount(self.type, self.source, data, flags)
            with mountfds.closing(mount):
                if self.options.copy_up:
                    copyup.copy(target, mount)
                change(
                    mount,
                    mount_options.Options(
                        recursive_set=self.options.recursive_set, recursive_clear=self.options.recursive_clear
                    ),
                )
                stage.put(mount, target, self.destination)
                spread(mount, self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class SysfsMount:
    """sysfs, or a bind of the machine's where the network namespace is not ours to show."""

    destination: str
    options: mount_options.Options

    def describe(self) -> str:
        return f'mount "sysfs" to rootfs at "{self.destination}"'

    def execute(self, stage: Stage) -> None:
        with mountfds.closing(stage.plain_folder(self.destination)) as target:
            bits = mountfds.attributes(self.options.flags)
            try:
                mount = mountfds.new_mount("sysfs", "sysfs", "", self.options.flags)
            except PermissionError:
                mount = mountfds.bind("/sys", recursive=True)
                mountfds.set_attributes(mount, to_set=bits, recursive=True)
            with mountfds.closing(mount):
                stage.put(mount, target, self.destination)


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFolder:
    """The working folder, if the image does not have it."""

    path: str

    def describe(self) -> str:
        return f"mkdir {self.path}"

    def execute(self, stage: Stage) -> None:
        os.close(openat2.make_folders(stage.root, self.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemountReadonly:
    """Make a mount of the container read-only, now that all is in its place."""

    path: str

    def describe(self) -> str:
        return f"remount {self.path} read-only"

    def execute(self, stage: Stage) -> None:
        if self.path == "/":
            mountfds.set_attributes(stage.root, to_set=mountfds.MOUNT_ATTR_RDONLY)
            return
        with mountfds.closing(openat2.open_in_root(stage.root, self.path)) as place:
            mountfds.set_attributes(place, to_set=mountfds.MOUNT_ATTR_RDONLY)
