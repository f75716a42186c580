"""/sys/fs/cgroup inside a container: its own groups only."""

import os
from dataclasses import dataclass

from boxship.linux import cgrouptree, mountfds, mounts, openat2
from boxship.ocirun import options as mount_options
from boxship.ocirun.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupMount:
    destination: str
    options: mount_options.Options
    tree: cgrouptree.Tree
    namespaced: bool  # the container has a cgroup namespace of its own: the file system shows it the right part

    def describe(self) -> str:
        return f'mount "cgroup" ({self.tree.mode.value}) to rootfs at "{self.destination}"'

    def execute(self, stage: Stage) -> None:
        with mountfds.closing(stage.place(self.destination, is_folder=True)) as target:
            if self.tree.version == 2:
                with mountfds.closing(self._unified(stage)) as mount:
                    stage.put(mount, target, self.destination)
            else:
                self._legacy(stage, target)

    def _unified(self, stage: Stage) -> int:
        if self.namespaced:
            try:
                return self._made("cgroup2", "")
            except OSError:
                stage.warn("mounting cgroup2 failed, the machine's is bound instead")
        return self._bound(stage.cgroup_paths[""])

    def _made(self, fstype: str, words: str) -> int:
        """A mount of a hierarchy; read-only is the mount, never the file system, which all share."""
        mount = mountfds.new_mount(fstype, "cgroup", words, self.options.flags & ~mounts.MS_RDONLY)
        return self._closed(mount)

    def _bound(self, folder: str) -> int:
        mount = mountfds.bind(folder, recursive=True)
        mountfds.set_attributes(mount, to_set=mountfds.attributes(self.options.flags))
        return mount

    def _closed(self, mount: int) -> int:
        if self.options.is_readonly:
            mountfds.set_attributes(mount, to_set=mountfds.MOUNT_ATTR_RDONLY)
        return mount

    def _legacy(self, stage: Stage, target: int) -> None:
        """A tmpfs with a folder per hierarchy, and links for controllers that share one."""
        flags = self.options.flags & ~mounts.MS_RDONLY
        with mountfds.closing(mountfds.new_mount("tmpfs", "tmpfs", "mode=755", flags)) as tmpfs:
            stage.put(tmpfs, target, self.destination)
            done: set[str] = set()
            for name, mount in self.tree.controllers.items():
                folder = os.path.basename(mount.path)
                if folder not in done:
                    done.add(folder)
                    os.mkdir(folder, 0o755, dir_fd=tmpfs)
                    with (
                        mountfds.closing(self._hierarchy(stage, name, mount)) as made,
                        mountfds.closing(openat2.openat2(tmpfs, folder, os.O_PATH | os.O_DIRECTORY)) as place,
                    ):
                        stage.put(made, place, f"{self.destination}/{folder}")
                if name != folder and not name.startswith("name="):
                    os.symlink(folder, name, dir_fd=tmpfs)
            self._closed(tmpfs)

    def _hierarchy(self, stage: Stage, name: str, mount: cgrouptree.Mount) -> int:
        if not self.namespaced:
            return self._bound(stage.cgroup_paths[name])
        words = ["none" if name.startswith("name=") else "", *mount.controllers]
        return self._made("cgroup", ",".join(filter(None, words)))
