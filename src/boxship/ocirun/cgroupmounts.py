"""/sys/fs/cgroup inside a container: its own groups only."""

import os
from dataclasses import dataclass

from boxship.linux import cgrouptree, mountfds, openat2
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
            bits = mountfds.attributes(self.options.flags)
            if self.tree.version == 2:
                with mountfds.closing(self._unified(stage, bits)) as mount:
                    stage.put(mount, target, self.destination)
            else:
                self._legacy(stage, target, bits)

    def _unified(self, stage: Stage, bits: int) -> int:
        if self.namespaced:
            try:
                return mountfds.new_mount("cgroup2", "cgroup", "", attribute_bits=bits)
            except OSError:
                stage.warn("mounting cgroup2 failed, the machine's is bound instead")
        return self._bound(stage.cgroup_paths[""], bits)

    @staticmethod
    def _bound(folder: str, bits: int) -> int:
        mount = mountfds.bind(folder, recursive=True)
        mountfds.set_attributes(mount, to_set=bits)
        return mount

    def _legacy(self, stage: Stage, target: int, bits: int) -> None:
        """A tmpfs with a folder per hierarchy, and links for controllers that share one."""
        tmpfs = mountfds.new_mount("tmpfs", "tmpfs", "mode=755", attribute_bits=bits & ~mountfds.MOUNT_ATTR_RDONLY)
        with mountfds.closing(tmpfs):
            stage.put(tmpfs, target, self.destination)
            done: set[str] = set()
            for name, mount in self.tree.controllers.items():
                folder = os.path.basename(mount.path)
                if folder not in done:
                    done.add(folder)
                    os.mkdir(folder, 0o755, dir_fd=tmpfs)
                    with (
                        mountfds.closing(self._hierarchy(stage, name, mount, bits)) as made,
                        mountfds.closing(openat2.openat2(tmpfs, folder, os.O_PATH | os.O_DIRECTORY)) as place,
                    ):
                        stage.put(made, place, f"{self.destination}/{folder}")
                if name != folder and not name.startswith("name="):
                    os.symlink(folder, name, dir_fd=tmpfs)
            if bits & mountfds.MOUNT_ATTR_RDONLY:
                mountfds.set_attributes(tmpfs, to_set=mountfds.MOUNT_ATTR_RDONLY)

    def _hierarchy(self, stage: Stage, name: str, mount: cgrouptree.Mount, bits: int) -> int:
        if not self.namespaced:
            return self._bound(stage.cgroup_paths[name], bits)
        words = ["none" if name.startswith("name=") else "", *mount.controllers]
        return mountfds.new_mount("cgroup", "cgroup", ",".join(filter(None, words)), attribute_bits=bits)
