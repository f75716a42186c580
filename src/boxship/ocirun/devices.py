"""The container's /dev: nodes, links, the pty multiplexer, the console."""

import contextlib
import errno
import os
import stat
from dataclasses import dataclass

from boxship.linux import calls, mountfds, openat2, tty
from boxship.ocirun.stage import Stage

_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDevice:
    """A device node; in a user namespace, where nobody may make nodes, a bind of the machine's."""

    path: str
    type: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    bound: bool = False

    def describe(self) -> str:
        how = "bind" if self.bound else "make"
        return f"{how} device {self.path} {self.type} {self.major}:{self.minor} mode {self.mode:o}"

    def execute(self, stage: Stage) -> None:
        if self.bound:
            self._bind(stage)
            return
        folder, name = os.path.split(self.path)
        with mountfds.closing(openat2.make_folders(stage.root, folder)) as parent:
            try:
                # the umask is 0 here
                os.mknod(name, _KINDS[self.type] | self.mode, os.makedev(self.major, self.minor), dir_fd=parent)
            except FileExistsError:
                self._check_present(parent, name)
            except PermissionError:
                self._bind(stage)
                return
            os.chown(name, self.uid, self.gid, dir_fd=parent, follow_symlinks=False)

    def _check_present(self, parent: int, name: str) -> None:
        """What is there already may stay if it is the very device."""
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        same_kind = stat.S_IFMT(found.st_mode) == _KINDS[self.type]
        if not same_kind or found.st_rdev not in {os.makedev(self.major, self.minor), 0}:
            raise calls.error("mknod: something else is there", self.path, errno.EEXIST)

    def _bind(self, stage: Stage) -> None:
        source = mountfds.bind(self.path)
        with mountfds.closing(source), mountfds.closing(stage.place(self.path, is_folder=False)) as target:
            found = os.fstat(source)
            if found.st_rdev != os.makedev(self.major, self.minor):
                raise calls.error("bind device: the machine's node is another one", self.path, errno.ENXIO)
            stage.put(source, target, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link; one that is there already stays."""

    path: str
    target: str
    replace: bool = False
    optional: bool = False  # only where the machine has what it leads to

    def describe(self) -> str:
        return f"link {self.path} to {self.target}"

    def execute(self, stage: Stage) -> None:
        if self.optional and not os.path.exists(self.target):
            return
        folder, name = os.path.split(self.path)
        with mountfds.closing(openat2.make_folders(stage.root, folder)) as parent:
            if self.replace:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=parent)
            try:
                os.symlink(self.target, name, dir_fd=parent)
            except FileExistsError:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """A pty of the container's own devpts; its inner end is shown as /dev/console."""

    rows: int = 0
    columns: int = 0
    show: bool = True  # exec has a terminal, but no console

    def describe(self) -> str:
        return "open a pty" + (" and mount it at /dev/console" if self.show else "")

    def execute(self, stage: Stage) -> None:
        master = _open_master(stage.root)
        inner = tty.peer(master)
        if self.rows or self.columns:
            tty.resize(master, self.rows, self.columns)
        stage.console = (master, inner)
        if self.show:
            with (
                mountfds.closing(mountfds.open_tree(inner)) as mount,
                mountfds.closing(stage.place("/dev/console", is_folder=False)) as target,
            ):
                stage.put(mount, target, "/dev/console")


def _open_master(root: int) -> int:
    """Open the multiplexer of the container's devpts, and make sure that it is one (CVE-2025-52565)."""
    flags = os.O_RDWR | os.O_NOCTTY
    try:
        master = openat2.open_in_root(root, "/dev/pts/ptmx", flags)
    except FileNotFoundError:
        master = openat2.open_in_root(root, "/dev/ptmx", flags)
    tty.check_ptmx(master, "/dev/pts/ptmx")
    return master
