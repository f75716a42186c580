"""One container's control groups, whatever the version: make, join, limit, count, freeze, kill, remove.

A `Cgroup` is a folder per controller with version 1, one folder with version 2, and both in hybrid mode, where the
version 2 group serves for killing and freezing only.
"""

import errno
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boxship.linux import (
    calls,
    cgroupevents,
    cgroupfiles,
    cgroups1,
    cgroups2,
    cgroupstats1,
    cgroupstats2,
    cgrouptree,
    devicefilter,
    devicerules,
)
from boxship.linux.cgroupevents import OomWatch
from boxship.linux.cgrouptree import Mode

__all__ = ["Cgroup", "Mode", "OomWatch", "find", "make", "of_process"]

UNIFIED = ""
_PATIENCE = 10.0  # seconds; killed processes may take that long to leave a group on a loaded machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """Controller -> folder; the key "" is the version 2 group."""

    paths: Mapping[str, str]
    version: int
    warnings: list[str] = field(default_factory=list, compare=False)

    def folder(self, controller: str) -> str | None:
        return self.paths.get(UNIFIED if self.version == 2 else controller)

    @property
    def _main(self) -> str:
        """The folder that is asked for processes."""
        for name in (UNIFIED, "pids", "freezer", "devices", "memory"):
            if name in self.paths:
                return self.paths[name]
        return next(iter(self.paths.values()))

    # --- joining

    def open_join(self) -> list[int]:
        """Descriptors for `join`, opened by who may write them, one per version 1 hierarchy.

        A task that writes "0" into `tasks` moves itself without the lock that stops every fork and exit on the
        machine: 0.2 ms for all controllers, where moving another process costs 5 to 20 ms.
        """
        opened: list[int] = []
        try:
            for folder in dict.fromkeys(path for name, path in self.paths.items() if name != UNIFIED):
                opened.append(os.open(os.path.join(folder, "tasks"), os.O_WRONLY | os.O_CLOEXEC))  # noqa: PERF401
        except OSError:
            for descriptor in opened:
                os.close(descriptor)
            raise
        return opened

    def open_unified(self) -> int | None:
        """The version 2 folder for `namespaces.clone(cgroup=…)`, or None where there is none."""
        path = self.paths.get(UNIFIED)
        return None if path is None else os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def add(self, process: int) -> None:
        """Move a process with all its threads; slow, see `open_join`."""
        for folder in dict.fromkeys(self.paths.values()):
            cgroupfiles.write(os.path.join(folder, "cgroup.procs"), process)

    # --- limits

    def apply(self, resources: Mapping[str, Any], *, devices: bool = True) -> None:
        """Write the limits of an OCI `resources` object; what it does not name stays. Raises OSError, ValueError."""
        rules = devicerules.from_spec(resources.get("devices") or ()) if devices else None
        if self.version == 2:
            cgroups2.write(self.paths[UNIFIED], resources)
            if rules is not None:
                devicefilter.attach(self.paths[UNIFIED], rules)
        else:
            self._apply_legacy(resources, rules)

    def _apply_legacy(self, resources: Mapping[str, Any], rules: list[devicerules.Rule] | None) -> None:
        if resources.get("unified"):
            raise ValueError("linux.resources.unified needs cgroup version 2, and this machine's controllers are of 1")
        memory = resources.get("memory") or {}
        if (memory.get("limit") or memory.get("swap")) and (folder := self._need("memory", "limit")):
            cgroups1.write_memory_limits(folder, memory)
        for controller, file, value in cgroups1.settings(resources):
            if folder := self._need(controller, file):
                cgroupfiles.write(os.path.join(folder, cgroups1.spelled(folder, file)), value)
                if file == "cpu.shares":
                    cgroups1.check_shares(folder, value)
        if rules is not None and "devices" in self.paths:
            cgroups1.write_devices(self.paths["devices"], rules)

    def _need(self, controller: str, file: str) -> str:
        folder = self.paths.get(controller)
        if folder is None:
            raise OSError(errno.ENOENT, f"cgroup controller {controller!r} is not mounted, it is needed for", file)
        return folder

    # --- looking

    def exists(self) -> bool:
        return os.path.isdir(self._main)

    def pids(self) -> list[int]:
        """All processes, those of subgroups too, in no order."""
        found: list[int] = []
        for folder in cgroupfiles.subgroups(self._main):
            found += cgroupfiles.pids(os.path.join(folder, "cgroup.procs"))
        return found

    def statistics(self) -> dict[str, Any]:
        """Counters in the shape of containerd's metrics with "version"; a controller that is missing has no key."""
        if self.version == 2:
            return {"version": 2, **cgroupstats2.read(self.paths[UNIFIED])}
        return {"version": 1, **cgroupstats1.read(self.paths)}

    def oom_watch(self, state: list[int] | None = None) -> OomWatch:
        """Tells of processes that died for lack of memory; raises OSError with ENOENT without a memory controller.

        `state`: of a former one, which this one goes on from.
        """
        folder = self.folder("memory")
        if folder is None:
            raise calls.error("oom watch: no memory controller", self._main, errno.ENOENT)
        if state is not None:
            return cgroupevents.restore(folder, state)
        if self.version == 2:
            return cgroupevents.watch_unified(folder)
        return cgroupevents.watch_legacy(folder)

    # --- freezing and killing

    def _freezer(self) -> tuple[str, str, str, str]:
        """(file to write, frozen, thawed, file to read)."""
        if self.version == 2 or "freezer" not in self.paths:
            folder = self.paths[UNIFIED]
            return os.path.join(folder, "cgroup.freeze"), "1", "0", os.path.join(folder, "cgroup.events")
        state = os.path.join(self.paths["freezer"], "freezer.state")
        return state, "FROZEN", "THAWED", state

    def is_frozen(self) -> bool:
        _, frozen, _, path = self._freezer()
        text = cgroupfiles.read(path)
        return "frozen 1" in text if frozen == "1" else text.strip() != "THAWED" and bool(text)

    def freeze(self) -> None:
        """Stop all processes; raises OSError with EBUSY when they did not stand still within the patience."""
        path, frozen, thawed, seen = self._freezer()
        deadline = time.monotonic() + _PATIENCE
        pause = 0.0005
        while True:
            cgroupfiles.write(path, frozen)  # version 1 wants to be asked again while processes fork
            text = cgroupfiles.read(seen)
            if "frozen 1" in text if frozen == "1" else text.strip() == frozen:
                return
            if time.monotonic() > deadline:
                cgroupfiles.write(path, thawed)
                raise calls.error("freeze", path, errno.EBUSY)
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def thaw(self) -> None:
        path, _, thawed, _ = self._freezer()
        cgroupfiles.write(path, thawed)

    def signal(self, number: int) -> None:
        """Send a signal to every process. SIGKILL misses nobody, even while they fork."""
        if number == signal.SIGKILL and self._kill_at_once():
            return
        frozen = self.is_frozen()
        if not frozen:
            try:
                self.freeze()
            except OSError:  # whoever cannot be stopped is signalled all the same
                self.warnings.append("cgroup did not freeze before the signal")
        try:
            for process in self.pids():
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
        finally:
            if not frozen or number == signal.SIGKILL:
                self.thaw()

    def _kill_at_once(self) -> bool:
        folder = self.paths.get(UNIFIED)
        if folder is None:
            return False
        try:
            cgroupfiles.write(os.path.join(folder, "cgroup.kill"), 1)
        except FileNotFoundError:  # before Linux 5.14
            return False
        if self.version == 1 and "freezer" in self.paths and self.is_frozen():
            self.thaw()
        return True

    def delete(self) -> None:
        """Remove all folders with their subgroups, waiting for killed processes to leave; raises OSError at the end."""
        deadline = time.monotonic() + _PATIENCE
        for top in dict.fromkeys(self.paths.values()):
            for folder in cgroupfiles.subgroups(top):
                _remove(folder, deadline)


def _remove(folder: str, deadline: float) -> None:
    pause = 0.0005
    while True:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError as failure:
            if failure.errno != errno.EBUSY or time.monotonic() > deadline:
                raise calls.error("rmdir", folder, failure.errno) from None
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        else:
            return


def find(paths: Mapping[str, str]) -> Cgroup:
    """The groups whose folders were noted when they were made."""
    return Cgroup(paths=dict(paths), version=2 if set(paths) == {UNIFIED} else 1)


def of_process(process: int) -> Cgroup:
    """The groups that a process is in now."""
    tree = cgrouptree.tree()
    groups = cgrouptree.groups_of(process)
    paths = {name: cgrouptree.folder(mount, groups[name]) for name, mount in tree.controllers.items() if name in groups}
    if tree.unified is not None and UNIFIED in groups:
        paths[UNIFIED] = cgrouptree.folder(tree.unified, groups[UNIFIED])
    return Cgroup(paths=paths, version=tree.version)


def make(path: str, *, tree: cgrouptree.Tree | None = None) -> Cgroup:
    """Make the groups named `path` in every hierarchy; a path without leading slash starts at the caller's own group,
    with version 2 beside that one, which has processes and so can hand no controller down.

    Raises OSError; folders that were made until then are removed again.
    """
    tree = tree or cgrouptree.tree()
    if tree.unified is None and not tree.controllers:
        raise calls.error("find mounted control groups", cgrouptree.PLACE, errno.ENOENT)
    own = {} if path.startswith("/") else cgrouptree.groups_of()
    paths: dict[str, str] = {}
    warnings: list[str] = []
    try:
        for name, mount in tree.controllers.items():
            paths[name] = os.path.join(cgrouptree.folder(mount, own.get(name, "/")), _clean(path))
            os.makedirs(paths[name], exist_ok=True)
            if name == "cpuset":
                cgroups1.prepare_cpuset(mount.path, paths[name])
        if tree.unified is not None:
            above = own.get(UNIFIED, "/")
            if tree.version == 2:
                above = os.path.dirname(above)
            folder = os.path.join(cgrouptree.folder(tree.unified, above), _clean(path))
            paths[UNIFIED] = folder
            if tree.version == 2:
                cgroups2.enable_controllers(tree.unified.path, folder, warnings)
            else:
                os.makedirs(folder, exist_ok=True)
    except OSError:
        Cgroup(paths=paths, version=tree.version).delete()
        raise
    return Cgroup(paths=paths, version=tree.version, warnings=warnings)


def _clean(path: str) -> str:
    """`path` without a way up."""
    return os.path.normpath("/" + path).lstrip("/")
