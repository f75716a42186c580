"""The process that becomes a container's init, from its first instruction to the user's program."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boxship.linux import calls, links, mounts, mounttable, namespaces, processes, procfs
from boxship.ocirun import channel as channels
from boxship.ocirun import errors, hooks, identity, inside
from boxship.ocirun.plan import Plan
from boxship.ocirun.stage import Operation, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What the maker hands over by the fork."""

    plan: Plan
    spec: Mapping[str, Any]
    bundle: str
    letters: channels.Channel
    stage: Stage
    joins: Sequence[int]  # descriptors that put the writer of "0" into a cgroup
    entered: Sequence[tuple[str, int]]  # (kind, descriptor) of namespaces to enter here
    stdio: tuple[int, int, int]
    preserve: int
    keyring: bool
    fifo: int | None  # exec.fifo, when another process says start; else the channel does


def run(birth: Birth) -> None:
    """Never returns."""
    inside.guard(birth.letters, lambda: _live(birth))


def _live(birth: Birth) -> None:
    plan, stage, letters = birth.plan, birth.stage, birth.letters
    kept = [letters.fileno(), *birth.joins, *birth.stdio, *stage.prepared.values()]
    kept += [descriptor for _, descriptor in birth.entered] + ([] if birth.fifo is None else [birth.fifo])
    processes.close_all_but([*kept, *range(3, 3 + birth.preserve)])
    inside.forget_signals()
    inside.forget_imports()
    if "user" in plan.new:
        _become_root(letters)
    os.setsid()
    for descriptor in birth.joins:
        os.write(descriptor, b"0")
        os.close(descriptor)
    _enter_namespaces(birth)
    os.umask(0)
    if birth.keyring:
        inside.join_keyring(plan.id, stage.warn)
    if "network" in plan.new:
        links.bring_up("lo")
    gate = _gate(birth)
    _build(birth)
    _name(plan, stage)
    environment = inside.prepare_environment(plan.process, identity.home(stage.root, plan.process.uid))
    identity.set_schedule(plan.process)
    if "user" not in plan.new:
        identity.set_limits(plan.process)
    inner = stage.console[1] if stage.console else None
    stdio = birth.stdio if inner is None else (inner, inner, inner)
    stage.close_helpers()
    if plan.has_mount_namespace:
        _step("pivot_root", _pivot, plan, stage)
    inside.arrange_descriptors(stdio, birth.preserve)
    if inner is not None:
        inside.take_console(0)
    if plan.personality is not None:
        processes.set_personality(plan.personality)
    if hooks.wanted(birth.spec, "startContainer"):
        path = _wait_with_hooks(birth, gate, environment)
    else:
        path = inside.settle(plan.process, stage.root, environment, letters)
        _wait(birth, gate)
    inside.execute(plan.process, path, environment)


def _become_root(letters: channels.Channel) -> None:
    """Root of the new user namespace, once the maker has written the maps."""
    letters.expect(channels.GO, warn=lambda _: None)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    try:
        os.setgroups(())
    except PermissionError:  # denied by the maker, who lacks the privilege to allow it
        return


def _enter_namespaces(birth: Birth) -> None:
    for kind, descriptor in birth.entered:
        _step(f"join {kind} namespace", namespaces.setns, descriptor, namespaces.KINDS[kind][0])
        os.close(descriptor)
    if "cgroup" in birth.plan.new:
        # only now: the group that we are in becomes the root of what is seen
        namespaces.unshare(namespaces.CLONE_NEWCGROUP)
    if not birth.plan.has_mount_namespace:
        birth.stage.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _step(name: str, action: Callable[..., object], *arguments: object) -> None:
    try:
        action(*arguments)
    except OSError as failure:
        raise errors.from_os_error(f"error during container init: {name}", failure) from None


def _build(birth: Birth) -> None:
    """Carry out the plan up to the pivot, with the hooks at their places."""
    plan, stage, letters = birth.plan, birth.stage, birth.letters
    _carry_out(plan.operations, stage)
    if plan.console is not None:
        _carry_out((plan.console,), stage)
        if stage.console is not None:
            letters.send(channels.CONSOLE, b"", stage.console[0])
            os.close(stage.console[0])
    if hooks.wanted(birth.spec, "prestart", "createRuntime"):
        letters.send(channels.HOOKS)
        letters.expect(channels.GO, warn=stage.warn)
    hooks.run(birth.spec, "createContainer", _state(birth, "created"))
    _carry_out(plan.final, stage)
    process = plan.process
    if process.apparmor or process.selinux:
        identity.set_labels(process, stage.proc())


def _state(birth: Birth, phase: str) -> dict[str, Any]:
    return {
        "ociVersion": birth.spec.get("ociVersion") or "1.2.1",
        "id": birth.plan.id,
        "status": phase,
        "pid": os.getpid(),
        "bundle": birth.bundle,
        "annotations": dict(birth.spec.get("annotations") or {}),
    }


def _carry_out(operations: Sequence[Operation], stage: Stage) -> None:
    for operation in operations:
        try:
            operation.execute(stage)
        except OSError as failure:
            step = f"error during container init: error {_doing(operation.describe())}"
            raise errors.from_os_error(step, failure) from None


def _doing(text: str) -> str:
    """`mount x` as `mounting x`, as runc words it."""
    verb, _, rest = text.partition(" ")
    stem = verb.removesuffix("e")
    return f"{stem}ing {rest}"


def _name(plan: Plan, stage: Stage) -> None:
    if plan.hostname:
        calls.checked(_sethostname(os.fsencode(plan.hostname)), "sethostname")
    if plan.domainname:
        raw = os.fsencode(plan.domainname)
        calls.checked(calls.libc.setdomainname(raw, len(raw)), "setdomainname")
    for name, value in plan.sysctl:
        _step(f"set sysctl {name}", procfs.write_sysctl, stage.proc(), name, value)


def _sethostname(raw: bytes) -> int:
    result: int = calls.libc.sethostname(raw, len(raw))
    return result


def _pivot(plan: Plan, stage: Stage) -> None:
    """Make the root mount `/` and let go of the machine's."""
    old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(stage.root)
    if plan.pivots:
        mounts.pivot_root(".", ".")
        # the old root lies on the new one now; nothing that happens to it may travel back to the machine
        os.fchdir(old)
        mounts.mount(None, ".", None, mounts.MS_SLAVE | mounts.MS_REC)
        mounts.umount(".", mounts.MNT_DETACH)
    else:
        _drop_machine_mounts(plan.rootfs)
        mounts.mount(".", "/", None, mounts.MS_MOVE)
        os.chroot(".")
    os.chdir("/")
    os.close(old)
    if plan.final_propagation:
        mounts.mount(None, "/", None, plan.final_propagation)


def _drop_machine_mounts(rootfs: str) -> None:
    """Without pivot the machine's mounts stay behind the root: at least its proc and sysfs must not."""
    for info in mounttable.read():
        if info.type not in {"proc", "sysfs"} or info.target.startswith(rootfs + "/"):
            continue
        mounts.mount(None, info.target, None, mounts.MS_SLAVE | mounts.MS_REC)
        try:
            mounts.umount(info.target, mounts.MNT_DETACH)
        except OSError:
            mounts.mount("tmpfs", info.target, "tmpfs", 0)


def _gate(birth: Birth) -> int | None:
    """/proc/self/fd, to open the FIFO through when /proc is no longer the machine's."""
    if birth.fifo is None:
        return None
    return os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _wait(birth: Birth, gate: int | None) -> None:
    """Say that all is ready, and stand still until somebody says start."""
    birth.letters.send(channels.READY)
    if gate is None or birth.fifo is None:
        birth.letters.expect(channels.GO, warn=lambda _: None)
        return
    fifo = os.open(str(birth.fifo), os.O_WRONLY | os.O_CLOEXEC, dir_fd=gate)
    os.write(fifo, b"0")
    birth.letters.divert(fifo)


def _wait_with_hooks(birth: Birth, gate: int | None, environment: dict[bytes, bytes]) -> str:
    """StartContainer hooks run as root of the container, so the user changes only after them."""
    _wait(birth, gate)
    hooks.run(birth.spec, "startContainer", _state(birth, "created"))
    return inside.settle(birth.plan.process, birth.stage.root, environment, birth.letters)
