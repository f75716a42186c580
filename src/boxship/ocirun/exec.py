"""Exec: one more process in a running container, with the same walls around it."""

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from boxship.linux import cgroups, namespaces, processes, procfs, sockets
from boxship.ocirun import channel as channels
from boxship.ocirun import container, devices, errors, identity, inside, listeners, process, spawn, start
from boxship.ocirun.stage import Stage

# entered by the maker for the moment of the clone; all others by the child, with one call
_AROUND = ("pid", "time")
_WALLS = ("apparmorProfile", "selinuxLabel")


class Running(Protocol):
    """What exec wants to know of a container; `container.Container` and `Target` have it."""

    @property
    def id(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def cgroup(self) -> cgroups.Cgroup: ...
    @property
    def spec(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A container that somebody else made, by its init."""

    id: str
    pid: int
    cgroup: cgroups.Cgroup
    spec: Mapping[str, Any]


def execute(
    box: Running,
    wanted: Mapping[str, Any],
    *,
    stdio: tuple[int, int, int] = (0, 1, 2),
    preserve_fds: int = 0,
    no_new_keyring: bool = False,
    ignore_paused: bool = False,
    seccomp_cache: str | None = None,
    cgroup: cgroups.Cgroup | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> container.Process:
    """Start the OCI process object `wanted` in `box`; it is executing when this returns. Raises errors.Fault.

    `cgroup` is another group than the container's, for `runc exec --cgroup`.
    """
    linux = box.spec.get("linux") or {}
    made = process.build(
        _completed(wanted, box.spec.get("process") or {}), profile=linux.get("seccomp"), cache=seccomp_cache, warn=warn
    )
    if not ignore_paused and box.cgroup.is_frozen():
        message = "cannot exec in a paused container (use --ignore-paused to override)"
        raise errors.SpecFault(message, step="exec")
    ours, theirs = sockets.pair()
    born_pid: list[int] = []
    listen = listeners.sender(linux.get("seccomp"), lambda: _state(box), lambda: born_pid[0])
    letters, inner = channels.Channel(ours, listen=listen), channels.Channel(theirs)
    keyring = None if no_new_keyring else box.id
    try:
        born = _bear(box, made, inner, stdio, preserve_fds, keyring, cgroup or box.cgroup)
    except BaseException:
        letters.close()
        raise
    finally:
        theirs.close()
    born_pid.append(born.pid)
    try:
        spawn.set_oom_score(born.pid, made.oom_score_adj, warn)
        if made.terminal:
            born.console = letters.expect(channels.CONSOLE, warn=warn)[1][0]
        start.await_execve(letters, warn)
    except errors.Fault:
        _end(born)
        raise
    finally:
        letters.close()
    return born


def _completed(wanted: Mapping[str, Any], of_init: Mapping[str, Any]) -> dict[str, Any]:
    """What it does not say of its walls is as it is for init; the rest is not, as runc has it."""
    unsaid = [name for name in _WALLS if not wanted.get(name)]
    if wanted.get("capabilities") is None:  # an object without any says that there are none
        unsaid.append("capabilities")
    return {**wanted, **{name: of_init.get(name) for name in unsaid}}


def _state(box: Running) -> dict[str, Any]:
    return {"ociVersion": box.spec.get("ociVersion") or "", "id": box.id, "status": "running", "pid": box.pid}


def _end(born: container.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        processes.send_signal(born.pidfd, signal.SIGKILL)
    processes.exit_status(born.pidfd)
    os.close(born.pidfd)
    if born.console is not None:
        os.close(born.console)


def _kinds(spec: Mapping[str, Any]) -> list[str]:
    return [item["type"] for item in (spec.get("linux") or {}).get("namespaces") or ()]


def _bear(
    box: Running,
    made: process.Process,
    inner: channels.Channel,
    stdio: tuple[int, int, int],
    preserve: int,
    keyring: str | None,
    cgroup: cgroups.Cgroup,
) -> container.Process:
    with contextlib.ExitStack() as stack:
        target = _open_target(box)
        stack.callback(os.close, target)
        joins = cgroup.open_join()
        for descriptor in joins:
            stack.callback(os.close, descriptor)
        kinds = _kinds(box.spec)
        stack.enter_context(spawn.quiet())
        with spawn.clone_in([(kind, target) for kind in kinds if kind in _AROUND]):
            pid, pidfd = _clone(cgroup, box.pid)
            if pid == 0:
                entry = _Entry(
                    made=made, letters=inner, target=target, joins=joins, kinds=kinds, stdio=stdio,
                    preserve=preserve, keyring=keyring,
                )  # fmt: skip
                inside.guard(inner, lambda: _live(entry))
    return container.Process(pid=pid, pidfd=pidfd)


def _open_target(box: Running) -> int:
    try:
        return os.pidfd_open(box.pid)
    except ProcessLookupError:
        raise errors.SpecFault("cannot exec in a stopped container", step="exec") from None


def _clone(cgroup: cgroups.Cgroup, init: int) -> tuple[int, int]:
    """Born in the version 2 group; in init's own one where the container made subgroups and the outer is closed."""
    unified = cgroup.open_unified()
    try:
        return namespaces.clone(0, cgroup=unified)
    except OSError as failure:
        if failure.errno not in {errno.EBUSY, errno.EOPNOTSUPP}:
            raise errors.from_os_error("clone", failure) from None
    finally:
        if unified is not None:
            os.close(unified)
    with contextlib.closing(_Folder(cgroups.of_process(init).open_unified())) as inner:
        return namespaces.clone(0, cgroup=inner.descriptor)


class _Folder:
    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What the maker hands over by the fork."""

    made: process.Process
    letters: channels.Channel
    target: int
    joins: list[int]
    kinds: list[str]
    stdio: tuple[int, int, int]
    preserve: int
    keyring: str | None


def _live(entry: _Entry) -> None:
    made, letters = entry.made, entry.letters
    kept = [letters.fileno(), entry.target, *entry.joins, *entry.stdio, *range(3, 3 + entry.preserve)]
    processes.close_all_but(kept)
    inside.forget_signals()
    inside.forget_imports()
    os.setsid()
    for descriptor in entry.joins:
        os.write(descriptor, b"0")
        os.close(descriptor)
    stage = Stage(rootfs="/", cgroup_paths={}, warn=lambda text: letters.send(channels.WARNING, text.encode()))
    if entry.keyring is not None:
        inside.join_keyring(entry.keyring, stage.warn)
    if made.apparmor or made.selinux:
        identity.set_labels(made, procfs.open_checked("/proc"))
    if "user" not in entry.kinds:
        identity.set_limits(made)
    _enter(entry)
    stage.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stdio = entry.stdio
    if made.terminal:
        devices.Console(rows=made.rows, columns=made.columns, show=False).execute(stage)
        if stage.console is not None:
            letters.send(channels.CONSOLE, b"", stage.console[0])
            stdio = (stage.console[1],) * 3
    environment = inside.prepare_environment(made, identity.home(stage.root, made.uid))
    identity.set_schedule(made)
    inside.arrange_descriptors(stdio, entry.preserve)
    if made.terminal:
        inside.take_console(0)
    path = inside.settle(made, stage.root, environment, letters)
    inside.execute(made, path, environment)


def _enter(entry: _Entry) -> None:
    kinds = [kind for kind in entry.kinds if kind not in _AROUND]
    try:
        namespaces.setns(entry.target, namespaces.flags_of(kinds))
    except OSError as failure:
        raise errors.from_os_error("join the container's namespaces", failure) from None
    os.close(entry.target)
    if "user" in kinds:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
