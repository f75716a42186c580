"""Create: everything up to the moment before the user's program (OCI runtime-spec runtime.md "Lifecycle")."""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from boxship.linux import cgroups, cgrouptree, processes, sockets
from boxship.ocirun import channel as channels
from boxship.ocirun import container, errors, hooks, init, listeners, plan, spawn
from boxship.ocirun.stage import Stage


def create(
    spec: Mapping[str, Any],
    *,
    id: str,
    bundle: str,
    rootfs: str | None = None,
    stdio: tuple[int, int, int] = (0, 1, 2),
    preserve_fds: int = 0,
    no_pivot: bool = False,
    no_new_keyring: bool = False,
    systemd_cgroup: bool = False,
    tree: cgrouptree.Tree | None = None,
    seccomp_cache: str | None = None,
    fifo: int | None = None,
    warn: Callable[[str], None] = lambda _: None,
    born: Callable[[container.Container], None] = lambda _: None,
) -> container.Container:
    """Make a container whose init waits for `start`; raises errors.Fault, and then nothing is left behind.

    `born` is called as soon as there is a process, which works meanwhile. `tree` stands in for the machine's cgroups;
    `seccomp_cache` is a folder for compiled filters; with `fifo` (an O_PATH descriptor) init waits for a reader of
    that FIFO instead of for its maker.
    """
    if systemd_cgroup:
        raise errors.SpecFault(
            "the systemd cgroup driver is not supported, use a cgroupsPath such as /group/name", step="systemd-cgroup"
        )
    tree = tree or cgrouptree.tree()
    made = plan.build(
        spec, id=id, bundle=bundle, tree=tree, rootfs=rootfs, no_pivot=no_pivot, cache=seccomp_cache, warn=warn
    )
    _check_descriptors(preserve_fds)
    with contextlib.ExitStack() as undo:
        cgroup = _make_cgroup(made, tree, undo, warn)
        try:
            box = _bear(made, spec, bundle, cgroup, stdio, preserve_fds, not no_new_keyring, fifo, warn, born, undo)
        except errors.Fault as fault:
            if fault.step == channels.DIED and _ran_out_of_memory(cgroup):
                message = "container init was OOM-killed (memory limit too low?)"
                raise errors.Fault(message, step=fault.step) from None
            raise
        undo.pop_all()
    return box


def _ran_out_of_memory(cgroup: cgroups.Cgroup) -> bool:
    try:
        found = cgroup.statistics()
    except OSError:
        return False
    return any(found.get(kind, {}).get("oom_kill", 0) for kind in ("memory_oom_control", "memory_events"))


def _check_descriptors(count: int) -> None:
    for descriptor in range(3, 3 + count):
        try:
            os.fstat(descriptor)
        except OSError:
            message = f"please check that preserved-fd {descriptor - 3} (of {count}) is present"
            raise errors.SpecFault(message, step="preserve-fds") from None


def _make_cgroup(
    made: plan.Plan, tree: cgrouptree.Tree, undo: contextlib.ExitStack, warn: Callable[[str], None]
) -> cgroups.Cgroup:
    try:
        cgroup = cgroups.make(made.cgroup_path, tree=tree)
    except OSError as failure:
        raise errors.from_os_error("unable to make cgroup", failure) from None
    undo.callback(_remove_cgroup, cgroup)
    for text in cgroup.warnings:
        warn(text)
    if cgroup.is_frozen():
        raise errors.Fault("container's cgroup is not empty or frozen: it is in use", step="cgroup")
    try:
        cgroup.apply(made.resources)
    except (OSError, ValueError) as failure:
        raise _limit_fault(failure) from None
    return cgroup


def _limit_fault(failure: OSError | ValueError) -> errors.Fault:
    step = "error during container init: error setting cgroup config for procHooks process"
    if not isinstance(failure, OSError):
        return errors.Fault(f"{step}: {failure}", step="cgroup")
    file, code = failure.filename, failure.errno or 0
    if not file:
        return errors.from_os_error(step, failure)
    if os.path.basename(file).startswith("cpuset."):
        step = "unable to apply cgroup configuration"
    doing = (failure.strerror or "").removesuffix(f": {os.strerror(code)}")
    text = f"{step}: failed to {doing}: write {file}: {errors.go_text(code)}"
    return errors.Fault(text, step="cgroup", path=file, errno=code)


def _remove_cgroup(cgroup: cgroups.Cgroup) -> None:
    with contextlib.suppress(OSError):
        cgroup.signal(signal.SIGKILL)
    with contextlib.suppress(OSError):
        cgroup.delete()


@contextlib.contextmanager
def _folder(path: str) -> Iterator[None]:
    """The child is born with the root as its working folder: in a copied mount namespace it then is there already."""
    former = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            os.chdir(path)
        except FileNotFoundError:
            message = f"invalid rootfs: stat {path}: {errors.go_text(errno.ENOENT)}"
            raise errors.SpecFault(message, step="root.path", path=path, errno=errno.ENOENT) from None
        except OSError as failure:
            raise errors.from_os_error("error during container init: invalid rootfs", failure) from None
        yield
    finally:
        os.fchdir(former)
        os.close(former)


def _bear(
    made: plan.Plan,
    spec: Mapping[str, Any],
    bundle: str,
    cgroup: cgroups.Cgroup,
    stdio: tuple[int, int, int],
    preserve: int,
    keyring: bool,
    fifo: int | None,
    warn: Callable[[str], None],
    tell: Callable[[container.Container], None],
    undo: contextlib.ExitStack,
) -> container.Container:
    ours, theirs = sockets.pair()
    born: list[container.Container] = []
    profile = (spec.get("linux") or {}).get("seccomp")
    listen = listeners.sender(profile, lambda: container.state(born[0], phase="creating"), lambda: born[0].pid)
    letters, inner = channels.Channel(ours, listen=listen), channels.Channel(theirs)
    undo.callback(letters.close)
    stage = Stage(
        rootfs=made.rootfs, cgroup_paths=cgroup.paths, warn=lambda text: inner.send(channels.WARNING, text.encode())
    )

    def body(joins: list[int], entered: list[tuple[str, int]]) -> None:
        init.run(
            init.Birth(
                plan=made, spec=spec, bundle=bundle, letters=inner, stage=stage, joins=joins, entered=entered,
                stdio=stdio, preserve=preserve, keyring=keyring, fifo=fifo,
            )
        )  # fmt: skip

    try:
        with _folder(made.rootfs):
            pid, pidfd = spawn.spawn(made, cgroup, letters, inner, stage, body)
    finally:
        theirs.close()
    undo.callback(_end, pidfd)
    box = container.Container(
        id=made.id, bundle=bundle, rootfs=made.rootfs, spec=spec, pid=pid, pidfd=pidfd, cgroup=cgroup,
        created=time.time_ns(), letters=letters,
    )  # fmt: skip
    born.append(box)
    spawn.set_oom_score(pid, made.process.oom_score_adj, warn)
    tell(box)
    _accompany(box, made, letters, warn)
    if fifo is not None:
        letters.close()
        box.letters = None
    return box


def _accompany(
    box: container.Container, made: plan.Plan, letters: channels.Channel, warn: Callable[[str], None]
) -> None:
    """Answer init's letters until it is ready."""
    if made.console is not None:
        _, descriptors = letters.expect(channels.CONSOLE, warn=warn)
        box.console = descriptors[0]
    try:
        if hooks.wanted(box.spec, "prestart", "createRuntime"):
            letters.expect(channels.HOOKS, warn=warn)
            state = container.state(box, phase="creating")
            hooks.run(box.spec, "prestart", state)
            hooks.run(box.spec, "createRuntime", state)
            letters.send(channels.GO)
        letters.expect(channels.READY, warn=warn)
    except errors.Fault:
        if box.console is not None:
            os.close(box.console)
        raise


def _end(pidfd: int) -> None:
    """Kill and reap an init that did not come to be."""
    with contextlib.suppress(ProcessLookupError):
        processes.send_signal(pidfd, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        processes.exit_status(pidfd)
    os.close(pidfd)
