"""Our own OCI runtime, in this process."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from boxship.linux import cgroups
from boxship.ocirun import channel, container, create, delete, kill, listeners, start, update
from boxship.ocirun import errors as faults
from boxship.ocirun import exec as execution
from boxship.shim import journal, leftovers, runtimes, specs
from boxship.terms import errors


class OwnRuntime:
    """See `runtimes.Runtime`. The specification stays on disk; of it only the outline is kept."""

    def __init__(
        self,
        *,
        id: str,
        bundle: str,
        rootfs: str | None,
        filters: str | None = None,
        systemd_cgroup: bool = False,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
    ) -> None:
        """Args:

        rootfs: when it is not where the specification says.
        filters: a folder for compiled seccomp filters.
        """
        self._id, self._bundle, self._rootfs = id, bundle, rootfs
        self._filters = filters
        self._systemd_cgroup, self._no_pivot, self._no_new_keyring = systemd_cgroup, no_pivot, no_new_keyring
        self._made: container.Container | None = None

    @property
    def cgroup(self) -> cgroups.Cgroup | None:
        return self._made.cgroup if self._made is not None else None

    @property
    def shares_pids(self) -> bool:
        return specs.shares_pids(self._box.spec)

    def create(self, given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        spec = specs.read(self._bundle)
        if spec.get("process"):
            spec["process"] = {**spec["process"], "terminal": terminal}
        with _failing("create"):
            made = create.create(
                spec,
                id=self._id,
                bundle=self._bundle,
                rootfs=self._rootfs,
                stdio=given,
                no_pivot=self._no_pivot,
                no_new_keyring=self._no_new_keyring,
                systemd_cgroup=self._systemd_cgroup,
                seccomp_cache=self._filters,
                warn=journal.warning,
                born=lambda box: leftovers.note(self._bundle, box.pid, box.cgroup.paths),
            )
        made.spec = specs.outline(spec)
        self._made = made
        return runtimes.Started(pid=made.pid, console=made.console)

    def state(self) -> dict[str, Any]:
        made = self._made
        if made is None:
            return {}
        return {
            "pid": made.pid,
            "pidfd": made.pidfd,
            "rootfs": made.rootfs,
            "outline": made.spec,
            "paths": dict(made.cgroup.paths),
            "version": made.cgroup.version,
            "created": made.created,
            "started": made.started,
            "letters": None if made.letters is None else made.letters.fileno(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        if not state:
            return
        made = self._made = container.Container(
            id=self._id,
            bundle=self._bundle,
            rootfs=state["rootfs"],
            spec=state["outline"],
            pid=state["pid"],
            pidfd=state["pidfd"],
            cgroup=cgroups.Cgroup(paths=state["paths"], version=state["version"]),
            created=state["created"],
            started=state["started"],
        )
        if state["letters"] is not None:
            profile = (specs.read(self._bundle).get("linux") or {}).get("seccomp")
            listen = listeners.sender(profile, lambda: container.state(made, phase="creating"), lambda: made.pid)
            made.letters = channel.Channel(socket.socket(fileno=state["letters"]), listen=listen)

    def start(self) -> None:
        with _failing("start"):
            start.start(self._box, warn=journal.warning)

    def execute(self, process: Mapping[str, Any], given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        box = self._box
        with _failing("exec"):
            target = execution.Target(id=box.id, pid=box.pid, cgroup=box.cgroup, spec=specs.read(self._bundle))
            made = execution.execute(
                target,
                {**process, "terminal": terminal},
                stdio=given,
                no_new_keyring=self._no_new_keyring,
                seccomp_cache=self._filters,
                warn=journal.warning,
            )
            os.close(made.pidfd)
        return runtimes.Started(pid=made.pid, console=made.console)

    def kill(self, number: int, *, everyone: bool) -> None:
        try:
            kill.kill(self._box, number, everyone=everyone)
        except ProcessLookupError as error:
            raise errors.NotFound("process already finished") from error
        except (OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            # the words of a shim that asks runc, with runc's line break
            refused = "runc did not terminate successfully: exit status 1: unable to signal init: invalid argument\n"
            raise runtimes.Failed(f"unknown error after kill: {refused}") from error

    def pause(self) -> None:
        with _failing("pause"):
            kill.pause(self._box)

    def resume(self) -> None:
        with _failing("resume"):
            kill.resume(self._box)

    def update(self, resources: Mapping[str, Any]) -> None:
        with _failing("update"):
            update.update(self._box, dict(resources))

    def checkpoint(self, path: str, options: Mapping[str, Any]) -> None:
        raise errors.NotImplemented("checkpointing needs a runtime with CRIU; name one by the option BinaryName")

    def pids(self) -> list[int]:
        return self._box.cgroup.pids()

    def delete(self, *, force: bool) -> None:
        if self._made is None:
            return
        try:
            delete.delete(self._made, force=force, warn=journal.warning)
        except faults.Fault as fault:
            raise runtimes.Failed(f"failed to delete task: {fault}") from fault
        self._made = None

    @property
    def _box(self) -> container.Container:
        if self._made is None:
            raise errors.NotFound("no such container")
        return self._made


@contextlib.contextmanager
def _failing(action: str) -> Iterator[None]:
    try:
        yield
    except faults.Fault as fault:
        raise runtimes.Failed(faults.describe(fault, action)) from fault
    except OSError as error:
        raise runtimes.Failed(f"OCI runtime {action} failed: {error}") from error


_: type[runtimes.Runtime] = OwnRuntime
