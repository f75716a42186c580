"""Our own OCI runtime. What is heavy is done by a helping hand (`hands`), the rest in this process."""

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from boxship.linux import cgroups
from boxship.ocirun import channel, container, create, delete, kill, start, update
from boxship.ocirun import errors as faults
from boxship.ocirun import exec as execution
from boxship.shim import hands, leftovers, runtimes, specs
from boxship.terms import errors

_log = logging.getLogger(__name__)


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
        self._facts: dict[str, Any] = {}  # what `create` reported, and the descriptor of the init

    @property
    def cgroup(self) -> cgroups.Cgroup | None:
        return self._made.cgroup if self._made is not None else None

    @property
    def shares_pids(self) -> bool:
        return specs.shares_pids(self._box.spec)

    def create(self, given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        def work() -> tuple[dict[str, Any], list[int]]:
            spec = specs.read(self._bundle)
            if spec.get("process"):
                spec["process"] = {**spec["process"], "terminal": terminal}
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
                warn=_log.warning,
            )
            leftovers.note(self._bundle, made.pid, made.cgroup.paths)
            assert made.letters is not None
            facts = {
                "pid": made.pid,
                "rootfs": made.rootfs,
                "paths": dict(made.cgroup.paths),
                "version": made.cgroup.version,
                "created": made.created,
                "outline": specs.outline(spec),
            }
            fds = [made.pidfd, made.letters.fileno()]
            return facts, fds if made.console is None else [*fds, made.console]

        with _failing("create"):
            facts, (pidfd, letters, *console) = hands.lend(work)
        self._facts = {**facts, "pidfd": pidfd}
        self._made = self._container(letters)
        return runtimes.Started(pid=self._made.pid, console=console[0] if console else None)

    def state(self) -> dict[str, Any]:
        if self._made is None:
            return {}
        letters = self._made.letters
        return {**self._facts, "letters": None if letters is None else letters.fileno()}

    def restore(self, state: Mapping[str, Any]) -> None:
        if state:
            self._facts = {name: value for name, value in state.items() if name != "letters"}
            self._made = self._container(state["letters"])

    def _container(self, letters: int | None) -> container.Container:
        """`letters`: the channel to the init, until it has executed."""
        facts = self._facts
        return container.Container(
            id=self._id,
            bundle=self._bundle,
            rootfs=facts["rootfs"],
            spec=facts["outline"],
            pid=facts["pid"],
            pidfd=facts["pidfd"],
            letters=None if letters is None else channel.Channel(socket.socket(fileno=letters)),
            cgroup=cgroups.Cgroup(paths=facts["paths"], version=facts["version"]),
            created=facts["created"],
            started=letters is None,
        )

    def start(self) -> None:
        with _failing("start"):
            start.start(self._box, warn=_log.warning)

    def execute(self, process: Mapping[str, Any], given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        box = self._box

        def work() -> tuple[dict[str, Any], list[int]]:
            target = execution.Target(id=box.id, pid=box.pid, cgroup=box.cgroup, spec=specs.read(self._bundle))
            made = execution.execute(
                target,
                {**process, "terminal": terminal},
                stdio=given,
                no_new_keyring=self._no_new_keyring,
                seccomp_cache=self._filters,
                warn=_log.warning,
            )
            return {"pid": made.pid}, [] if made.console is None else [made.console]

        with _failing("exec"):
            facts, fds = hands.lend(work)
        return runtimes.Started(pid=facts["pid"], console=fds[0] if fds else None)

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
            delete.delete(self._made, force=force, warn=_log.warning)
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
