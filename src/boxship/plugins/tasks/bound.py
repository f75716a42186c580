"""The tasks of one namespace."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Protocol

from boxship.core import containers, mounts, tasks
from boxship.plugins.tasks.running import Running
from boxship.terms import errors, filters, identifiers, oci
from boxship.terms.typed import TypedBytes
from boxship.wire import shims as wire

_log = logging.getLogger(__name__)
STATE_SECONDS = 2.0
"""How long a shim may take to tell a state; one that takes longer has an unknown one."""


class Table(Protocol):
    """The tasks of all namespaces, as far as a manager needs them; see `service.TaskService`."""

    def container(self, namespace: str, id: str) -> containers.Container: ...

    def task(self, namespace: str, id: str) -> Running: ...

    def running(self, namespace: str) -> list[Running]: ...

    def create(
        self,
        namespace: str,
        id: str,
        *,
        runtime: str,
        spec: bytes | None,
        rootfs: Sequence[mounts.Mount],
        io: tasks.IO,
        options: TypedBytes | None,
    ) -> int: ...

    def delete(self, task: Running) -> tasks.Exit: ...


class TaskManager:
    """See core.tasks.Manager. Each call finds the container, then the task, then asks its shim."""

    def __init__(self, service: Table, namespace: str) -> None:
        self._service, self._namespace = service, namespace

    def create(
        self,
        id: str,
        *,
        rootfs: Sequence[mounts.Mount],
        io: tasks.IO,
        checkpoint: oci.Descriptor | None = None,
        options: TypedBytes | None = None,
        runtime_path: str = "",
    ) -> int:
        container = self._service.container(self._namespace, id)
        if checkpoint is not None:
            raise errors.NotImplemented("restoring a task from a checkpoint in the content store")
        chosen = options if options is not None and options.value else container.runtime.options
        return self._service.create(
            self._namespace,
            id,
            runtime=runtime_path or container.runtime.name,
            spec=container.spec.value if container.spec is not None else None,
            rootfs=rootfs,
            io=io,
            options=chosen,
        )

    def start(self, id: str, exec_id: str = "") -> int:
        return self._task(id).shim.start(id, exec_id)

    def delete(self, id: str) -> tasks.Exit:
        return self._service.delete(self._task(id))

    def delete_process(self, id: str, exec_id: str) -> tasks.Exit:
        return self._task(id).shim.delete(id, exec_id)

    def get(self, id: str, exec_id: str = "") -> tasks.Process:
        task = self._task(id)
        try:
            return task.shim.tell(id, exec_id, timeout=STATE_SECONDS)
        except errors.DeadlineExceeded:
            return _unknown(id, exec_id)

    def list(self, filter: str = "") -> Sequence[tasks.Process]:
        """All are asked at once. `filter` is passed over, as containerd does."""
        running = self._service.running(self._namespace)
        asked = [(task, task.shim.state(task.id, timeout=STATE_SECONDS)) for task in running]
        deadline = time.monotonic() + STATE_SECONDS
        listed = []
        for task, answer in asked:
            try:
                listed.append(_outcome(answer, deadline) or _unknown(task.id))
            except errors.Error as error:
                if not isinstance(error, errors.NotFound):
                    _log.warning("state of task %s: %s", task.id, error)
        return listed

    def kill(self, id: str, *, signal: int, exec_id: str = "", all: bool = False) -> None:
        self._task(id).shim.kill(id, exec_id, signal=signal, all=all)

    def exec(self, id: str, exec_id: str, *, io: tasks.IO, spec: TypedBytes) -> None:
        if not exec_id:
            raise errors.InvalidArgument("exec id cannot be empty")
        task = self._task(id)
        try:
            identifiers.validate(exec_id)
        except errors.InvalidArgument as error:
            raise errors.InvalidArgument(f"invalid exec id {exec_id}: {error.message}") from error
        task.shim.exec(id, exec_id, io=io, spec=spec)

    def resize_pty(self, id: str, *, width: int, height: int, exec_id: str = "") -> None:
        self._task(id).shim.resize_pty(id, exec_id, width=width, height=height)

    def close_io(self, id: str, *, stdin: bool, exec_id: str = "") -> None:
        task = self._task(id)
        if stdin:
            task.shim.close_io(id, exec_id, stdin=True)

    def pause(self, id: str) -> None:
        self._task(id).shim.pause(id)

    def resume(self, id: str) -> None:
        self._task(id).shim.resume(id)

    def pids(self, id: str) -> Sequence[tasks.ProcessInfo]:
        return self._task(id).shim.pids(id)

    def checkpoint(self, id: str, *, parent: str = "", options: TypedBytes | None = None) -> Sequence[oci.Descriptor]:
        task = self._task(id)
        path = wire.checkpoint_path(options)
        if not path:
            raise errors.NotImplemented("writing a checkpoint of a task into the content store")
        task.shim.checkpoint(id, path, options)
        return []

    def update(self, id: str, *, resources: TypedBytes | None, annotations: Mapping[str, str]) -> None:
        self._task(id).shim.update(id, resources, annotations)

    def metrics(self, filters: Sequence[str] = ()) -> Sequence[tasks.Metric]:
        wanted = _filter(filters)
        running = [task for task in self._service.running(self._namespace) if wanted.matches(_fields(task))]
        asked = [(task, time.time_ns(), task.shim.stats(task.id, timeout=STATE_SECONDS)) for task in running]
        wait([answer for _, _, answer in asked], STATE_SECONDS)
        measured = []
        for task, timestamp, answer in asked:
            error = answer.exception() if answer.done() else errors.DeadlineExceeded("the shim does not answer")
            if error is None:
                measured.append(tasks.Metric(id=task.id, timestamp=timestamp, data=answer.result()))
            elif not isinstance(error, errors.NotFound):
                _log.warning("collecting metrics for %s: %s", task.id, error)
        return measured

    def wait(self, id: str, exec_id: str = "") -> "Future[tasks.Exit]":
        return self._task(id).wait(exec_id)

    def _task(self, id: str) -> Running:
        self._service.container(self._namespace, id)
        return self._service.task(self._namespace, id)


def _outcome(asked: "Future[tasks.Process]", deadline: float) -> tasks.Process | None:
    """None when the shim does not tell in time."""
    try:
        return asked.result(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, errors.DeadlineExceeded):
        return None


def _unknown(id: str, exec_id: str = "") -> tasks.Process:
    return tasks.Process(container_id="", id=exec_id or id, pid=0, status=tasks.Status.UNKNOWN)


def _fields(task: Running) -> Callable[[Sequence[str]], str | None]:
    known = {"id": task.id, "namespace": task.namespace}
    return lambda path: known.get(path[0]) if path else None


def _filter(texts: Sequence[str]) -> filters.Filter:
    return filters.parse_all(texts)


_: type[tasks.Manager] = TaskManager
