"""Our own OCI runtime, in this process."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from boxship.linux import cgroups
from boxship.ocirun import container, create, delete, kill, start, update
from boxship.ocirun import errors as faults
from boxship.ocirun import exec as execution
from boxship.shim import leftovers, runtimes
from boxship.terms import errors

_log = logging.getLogger(__name__)


class OwnRuntime:
    """See `runtimes.Runtime`."""

    def __init__(
        self,
        *,
        id: str,
        bundle: str,
        spec: dict[str, Any],
        rootfs: str | None,
        systemd_cgroup: bool = False,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
    ) -> None:
        self._id, self._bundle, self._spec, self._rootfs = id, bundle, spec, rootfs
        self._systemd_cgroup, self._no_pivot, self._no_new_keyring = systemd_cgroup, no_pivot, no_new_keyring
        self._made: container.Container | None = None

    @property
    def cgroup(self) -> cgroups.Cgroup | None:
        return self._made.cgroup if self._made is not None else None

    def create(self, given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        process = {**(self._spec.get("process") or {}), "terminal": terminal}
        with _failing("create"):
            self._made = create.create(
                {**self._spec, "process": process},
                id=self._id,
                bundle=self._bundle,
                rootfs=self._rootfs,
                stdio=given,
                no_pivot=self._no_pivot,
                no_new_keyring=self._no_new_keyring,
                systemd_cgroup=self._systemd_cgroup,
                warn=_log.warning,
            )
        leftovers.note(self._bundle, self._made.pid, self._made.cgroup.paths)
        return runtimes.Started(pid=self._made.pid, console=self._made.console)

    def start(self) -> None:
        with _failing("start"):
            start.start(self._container)

    def execute(self, process: Mapping[str, Any], given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        with _failing("exec"):
            made = execution.execute(
                self._container,
                {**process, "terminal": terminal},
                stdio=given,
                no_new_keyring=self._no_new_keyring,
                warn=_log.warning,
            )
        return runtimes.Started(pid=made.pid, console=made.console)

    def kill(self, number: int, *, everyone: bool) -> None:
        try:
            kill.kill(self._container, number, everyone=everyone)
        except ProcessLookupError as error:
            raise errors.NotFound("process already finished") from error

    def pause(self) -> None:
        with _failing("pause"):
            kill.pause(self._container)

    def resume(self) -> None:
        with _failing("resume"):
            kill.resume(self._container)

    def update(self, resources: Mapping[str, Any]) -> None:
        with _failing("update"):
            update.update(self._container, dict(resources))

    def checkpoint(self, path: str, options: Mapping[str, Any]) -> None:
        raise errors.NotImplemented("checkpointing needs a runtime with CRIU; name one by the option BinaryName")

    def pids(self) -> list[int]:
        return self._container.cgroup.pids()

    def delete(self, *, force: bool) -> None:
        if self._made is None:
            return
        try:
            delete.delete(self._made, force=force)
        except faults.Fault as fault:
            raise runtimes.Failed(f"failed to delete task: {fault}") from fault
        self._made = None

    @property
    def _container(self) -> container.Container:
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
