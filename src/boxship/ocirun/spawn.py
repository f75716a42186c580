"""Giving birth in namespaces: one clone where that does, a go-between where user namespaces want an order of steps.

New pid, mount, network, ipc, uts and user namespaces come with the clone itself; the pid namespace and the clocks of
others are entered by the maker for the moment of the clone; everything else is entered by the child.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence

from boxship.linux import cgroups, idmaps, namespaces, processes, rlimits
from boxship.ocirun import channel as channels
from boxship.ocirun import errors, plan, rootfs
from boxship.ocirun.stage import Stage

Body = Callable[[list[int], list[tuple[str, int]]], None]

_BY_CLONE = ("user", "pid", "mount", "network", "ipc", "uts")


def spawn(
    made: plan.Plan,
    cgroup: cgroups.Cgroup,
    letters: channels.Channel,
    inner: channels.Channel,
    stage: Stage,
    body: Body,
) -> tuple[int, int]:
    """Fork a child that runs `body` in the plan's namespaces: its (pid, pidfd). Raises Fault.

    Until the child has executed, it cannot be traced: it is born not dumpable.
    """
    with contextlib.ExitStack() as stack:
        opened = _open_namespaces(made, stack)
        joins = cgroup.open_join()
        for descriptor in joins:
            stack.callback(os.close, descriptor)
        unified = cgroup.open_unified()
        if unified is not None:
            stack.callback(os.close, unified)
        _prepare(made, stage, stack)
        stack.enter_context(quiet())
        if made.has_user_namespace and made.joined:
            return _by_go_between(made, letters, inner, opened, joins, unified, body)
        around = [(kind, fd) for kind, fd in opened if kind in {"pid", "time"}]
        inside = [(kind, fd) for kind, fd in opened if kind not in {"pid", "time"}]
        with clone_in(around), _new_clocks(made):
            pid, pidfd = namespaces.clone(_clone_flags(made), cgroup=unified)
            if pid == 0:
                body(joins, inside)
                os._exit(1)
    if "user" in made.new:
        _settle_user(made, pid, pidfd, letters)
    return pid, pidfd


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No signal handler runs in the child before it has taken them off; nobody may trace it."""
    dumpable = processes.prctl(processes.PR_GET_DUMPABLE, name="PR_GET_DUMPABLE")
    with processes.signals_blocked():
        processes.set_dumpable(False)
        try:
            yield
        finally:
            if dumpable == 1:
                processes.set_dumpable(True)


def _clone_flags(made: plan.Plan) -> int:
    return namespaces.flags_of([kind for kind in made.new if kind in _BY_CLONE])


def _open_namespaces(made: plan.Plan, stack: contextlib.ExitStack) -> list[tuple[str, int]]:
    opened: list[tuple[str, int]] = []
    for kind, path in made.joined:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as failure:
            code = failure.errno or 0
            message = f"unable to create new parent process: namespace path: lstat {path}: {errors.go_text(code)}"
            raise errors.SpecFault(message, step="linux.namespaces", path=path, errno=code) from None
        stack.callback(os.close, descriptor)
        opened.append((kind, descriptor))
    return opened


@contextlib.contextmanager
def clone_in(around: Sequence[tuple[str, int]]) -> Iterator[None]:
    """Let the next child be born in these pid and time namespaces; ours stay what they are."""
    with contextlib.ExitStack() as stack:
        for kind, descriptor in around:
            flag, name = namespaces.KINDS[kind]
            own = os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, own)
            try:
                namespaces.setns(descriptor, flag)
            except OSError as failure:
                raise errors.from_os_error(f"join {kind} namespace", failure) from None
            # in the child this runs too, harmlessly late: it never leaves the body
            stack.callback(namespaces.setns, own, flag)
        yield


@contextlib.contextmanager
def _new_clocks(made: plan.Plan) -> Iterator[None]:
    if "time" not in made.new:
        yield
        return
    own = os.open("/proc/self/ns/time", os.O_RDONLY | os.O_CLOEXEC)
    try:
        namespaces.unshare(namespaces.CLONE_NEWTIME)
        try:
            for clock, seconds, nanoseconds in made.time_offsets:
                with open("/proc/self/timens_offsets", "wb", buffering=0) as file:
                    file.write(f"{clock} {seconds} {nanoseconds}".encode())
            yield
        finally:
            namespaces.setns(own, namespaces.CLONE_NEWTIME)
    except OSError as failure:
        raise errors.from_os_error("make time namespace", failure) from None
    finally:
        os.close(own)


def _prepare(made: plan.Plan, stage: Stage, stack: contextlib.ExitStack) -> None:
    """Open the sources of binds as ourselves where the child cannot: in a user namespace their folders may be closed
    to it, and mapping ids needs a process beside.
    """
    for operation in made.operations:
        if isinstance(operation, rootfs.Bind) and (made.has_user_namespace or operation.options.idmap):
            try:
                mount = operation.open_outside()
            except OSError as failure:
                raise errors.from_os_error(f"error during container init: {operation.describe()}", failure) from None
            stage.prepared[id(operation)] = mount
            stack.callback(os.close, mount)


def _settle_user(made: plan.Plan, pid: int, pidfd: int, letters: channels.Channel) -> None:
    """Write the maps and the limits of a child that waits for them."""
    try:
        idmaps.write(pid, [item.line() for item in made.uid_maps], [item.line() for item in made.gid_maps])
        for limit in made.process.rlimits:
            rlimits.put(limit.type, limit.soft, limit.hard, process=pid)
    except OSError as failure:
        processes.send_signal(pidfd, signal.SIGKILL)
        processes.exit_status(pidfd)
        os.close(pidfd)
        raise errors.from_os_error("failed to set up user namespace", failure) from None
    letters.send(channels.GO)


def _by_go_between(
    made: plan.Plan,
    letters: channels.Channel,
    inner: channels.Channel,
    opened: list[tuple[str, int]],
    joins: list[int],
    unified: int | None,
    body: Body,
) -> tuple[int, int]:
    """Joined namespaces beside a user namespace: a process in between joins, and bears init as our own child."""
    helper, helper_pidfd = namespaces.clone(0, cgroup=unified)
    if helper == 0:
        _be_between(made, inner, opened, joins, body)
        os._exit(1)
    try:
        if "user" in made.new:
            letters.expect(channels.MAPS, warn=lambda _: None)
            _settle_user(made, helper, helper_pidfd, letters)
        content, _ = letters.expect(channels.CHILD, warn=lambda _: None)
        pid = int(content)
        if "user" in made.new:
            letters.send(channels.GO)
        return pid, os.pidfd_open(pid)
    finally:
        with contextlib.suppress(ChildProcessError, OSError):
            processes.exit_status(helper_pidfd)
            os.close(helper_pidfd)


def _be_between(
    made: plan.Plan, inner: channels.Channel, opened: list[tuple[str, int]], joins: list[int], body: Body
) -> None:
    try:
        _join_all(opened)
        if "user" in made.new:
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            inner.send(channels.MAPS)
            inner.expect(channels.GO, warn=lambda _: None)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        flags = _clone_flags(made) & ~namespaces.CLONE_NEWUSER
        pid, _ = namespaces.clone(flags | namespaces.CLONE_PARENT)
    except errors.Fault as fault:
        inner.send(channels.FAULT, errors.encode(fault))
        os._exit(1)
    except OSError as failure:
        inner.send(channels.FAULT, errors.encode(errors.from_os_error("make namespaces", failure)))
        os._exit(1)
    if pid == 0:
        body(joins, [])
    inner.send(channels.CHILD, str(pid).encode())
    os._exit(0)


def _join_all(opened: list[tuple[str, int]]) -> None:
    """Join what may be joined from outside first; what belongs to the user namespace opens up after joining that."""
    later: list[tuple[str, int]] = []
    for kind, descriptor in sorted(opened, key=lambda item: item[0] == "user"):
        try:
            namespaces.setns(descriptor, namespaces.KINDS[kind][0])
        except PermissionError:
            later.append((kind, descriptor))
        if kind == "user":
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
    for kind, descriptor in later:
        try:
            namespaces.setns(descriptor, namespaces.KINDS[kind][0])
        except OSError as failure:
            raise errors.from_os_error(f"join {kind} namespace", failure) from None


def set_oom_score(pid: int, score: int | None, warn: Callable[[str], None]) -> None:
    """Lowering it needs CAP_SYS_RESOURCE; without that the container runs on with the score it has."""
    if score is None:
        return
    try:
        with open(f"/proc/{pid}/oom_score_adj", "wb", buffering=0) as file:
            file.write(str(score).encode())
    except PermissionError:
        warn(f"oom_score_adj stays as it is: lowering it to {score} needs CAP_SYS_RESOURCE")
    except OSError as failure:
        raise errors.from_os_error("write oom_score_adj", failure) from None
