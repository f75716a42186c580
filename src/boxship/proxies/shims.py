"""A shim, asked over its socket: containerd.task.v3.Task, or v2.Task for older ones."""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from boxship.core import mounts, tasks
from boxship.rpc import client, status
from boxship.rpc.methods import Method
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import errors as wire_errors
from boxship.wire import methods, processes, shims, times, typed
from boxship.wire import mounts as wire_mounts


class ShimProxy:
    """One shim. Several tasks may live in it, so every call names one. Many threads may share it.

    A shim that says that it has version 3 and does not know it is asked in version 2 from then on.
    """

    def __init__(self, endpoint: shims.Endpoint, *, timeout: float) -> None:
        """Connect within `timeout` seconds.

        Raises:
            Unavailable: nobody listens there.
            InvalidArgument: no such protocol.
        """
        channels: dict[str, type[client.Channel | client.TtrpcChannel]] = {
            "ttrpc": client.TtrpcChannel,
            "grpc": client.Channel,
        }
        if endpoint.protocol not in channels:
            raise errors.InvalidArgument(f"unexpected protocol: {endpoint.protocol!r}")
        try:
            self._channel = channels[endpoint.protocol].connect(endpoint.address, timeout=timeout)
        except (OSError, ValueError) as error:
            raise errors.Unavailable(f"failed to connect to the shim at {endpoint.address}: {error}") from error
        self._version = min(max(endpoint.version, 2), shims.NEWEST)
        self._lock = threading.Lock()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call once when the connection is gone, in any thread; the callback must not wait."""
        self._channel.on_close(callback)

    def close(self) -> None:
        self._channel.close()

    def create(
        self,
        id: str,
        *,
        bundle: str,
        rootfs: Sequence[mounts.Mount],
        io: tasks.IO,
        checkpoint: str,
        options: TypedBytes | None,
    ) -> int:
        """The init's pid."""
        answer = self._call(
            "Create",
            id=id,
            bundle=bundle,
            rootfs=wire_mounts.messages(rootfs),
            **_io(io),
            checkpoint=checkpoint,
            options=typed.message(options),
        )
        return int(answer.pid)

    def start(self, id: str, exec_id: str = "") -> int:
        return int(self._call("Start", id=id, exec_id=exec_id).pid)

    def delete(self, id: str, exec_id: str = "", *, timeout: float | None = None) -> tasks.Exit:
        answer = self._call("Delete", timeout, id=id, exec_id=exec_id)
        return tasks.Exit(
            id=exec_id, pid=answer.pid, status=answer.exit_status, exited_at=times.value(answer, "exited_at")
        )

    def tell(self, id: str, exec_id: str = "", *, timeout: float) -> tasks.Process:
        """Its state. Raises DeadlineExceeded."""
        return _process(self._call("State", timeout, id=id, exec_id=exec_id))

    def state(self, id: str, exec_id: str = "", *, timeout: float) -> "Future[tasks.Process]":
        """The same, when it has been told."""
        return self._future("State", _process, timeout, id=id, exec_id=exec_id)

    def kill(self, id: str, exec_id: str, *, signal: int, all: bool) -> None:
        self._call("Kill", id=id, exec_id=exec_id, signal=signal, all=all)

    def exec(self, id: str, exec_id: str, *, io: tasks.IO, spec: TypedBytes) -> None:
        self._call("Exec", id=id, exec_id=exec_id, **_io(io), spec=typed.message(spec))

    def resize_pty(self, id: str, exec_id: str, *, width: int, height: int) -> None:
        self._call("ResizePty", id=id, exec_id=exec_id, width=width, height=height)

    def close_io(self, id: str, exec_id: str, *, stdin: bool) -> None:
        self._call("CloseIO", id=id, exec_id=exec_id, stdin=stdin)

    def pause(self, id: str) -> None:
        self._call("Pause", id=id)

    def resume(self, id: str) -> None:
        self._call("Resume", id=id)

    def pids(self, id: str) -> list[tasks.ProcessInfo]:
        return [processes.info(each) for each in self._call("Pids", id=id).processes]

    def checkpoint(self, id: str, path: str, options: TypedBytes | None) -> None:
        self._call("Checkpoint", id=id, path=path, options=typed.message(options))

    def update(self, id: str, resources: TypedBytes | None, annotations: Mapping[str, str]) -> None:
        self._call("Update", id=id, resources=typed.message(resources), annotations=annotations)

    def stats(self, id: str, *, timeout: float) -> "Future[TypedBytes]":
        return self._future("Stats", lambda answer: typed.typed(answer.stats), timeout, id=id)

    def wait(self, id: str, exec_id: str = "") -> "Future[tasks.Exit]":
        """Completes when the process exits, however long that takes."""
        return self._future("Wait", _exit, None, id=id, exec_id=exec_id)

    def connect(self, id: str, *, timeout: float) -> tuple[int, int]:
        """Pids of the shim and of the task's init; 0 when it has no such task."""
        answer = self._call("Connect", timeout, id=id)
        return int(answer.shim_pid), int(answer.task_pid)

    def shutdown(self, id: str, *, timeout: float) -> None:
        """Ask it to go; it stays while it has other tasks."""
        self._call("Shutdown", timeout, id=id)

    def _call(self, name: str, timeout: float | None = None, /, **fields: Any) -> Any:
        version = self._version
        method, request = _request(version, name, fields)
        try:
            return self._channel.call(method, request, timeout=timeout)
        except status.Status as ended:
            if ended.code is status.Code.UNIMPLEMENTED and self._may_downgrade(version, ended):
                return self._call(name, timeout, **fields)
            raise wire_errors.from_status(ended) from ended

    def _may_downgrade(self, version: int, ended: status.Status) -> bool:
        """Whether the shim does not know this edition of the service, rather than the call; once per shim."""
        with self._lock:
            # A method that the shim knows and refuses to do (Checkpoint without CRIU) says so in its own words.
            if version < shims.NEWEST or "service" not in ended.message.lower():
                return self._version < version
            self._version = 2
            return True

    def _future(
        self, name: str, convert: Callable[[Any], Any], timeout: float | None, /, **fields: Any
    ) -> "Future[Any]":
        method, request = _request(self._version, name, fields)
        result: Future[Any] = Future()

        def settle(answered: "Future[Any]") -> None:
            try:
                result.set_result(convert(answered.result()))
            except status.Status as ended:
                result.set_exception(wire_errors.from_status(ended))
            except BaseException as error:  # whoever asks the future gets it
                result.set_exception(error)

        try:
            self._channel.call_async(method, request, timeout=timeout).add_done_callback(settle)
        except status.Status as ended:
            result.set_exception(wire_errors.from_status(ended))
        return result


@functools.cache
def _edition(version: int) -> tuple[ModuleType, dict[str, Method]]:
    """The messages and methods of containerd.task.v2 or v3; most daemons meet one of them."""
    if version == shims.NEWEST:
        from boxship.api import task_v3_pb2 as edition
    else:
        from boxship.api import task_v2_pb2 as edition  # type: ignore[no-redef]
    return edition, methods.of(edition.DESCRIPTOR.services_by_name["Task"])


@functools.cache
def _method(version: int, name: str) -> tuple[Method, Callable[..., Any]]:
    """A method, and the class of its requests."""
    edition, table = _edition(version)
    descriptor = edition.DESCRIPTOR.services_by_name["Task"].methods_by_name[name].input_type
    return table[name], getattr(edition, descriptor.name)


def _request(version: int, name: str, fields: Mapping[str, Any]) -> tuple[Method, Any]:
    method, message = _method(version, name)
    return method, message(**fields)


def _io(io: tasks.IO) -> dict[str, Any]:
    return {"stdin": io.stdin, "stdout": io.stdout, "stderr": io.stderr, "terminal": io.terminal}


def _exit(answer: Any) -> tasks.Exit:
    return tasks.Exit(status=answer.exit_status, exited_at=times.value(answer, "exited_at"))


def _process(answer: Any) -> tasks.Process:
    return tasks.Process(
        container_id="",
        id=answer.id,
        pid=answer.pid,
        status=processes.status(answer.status),
        io=processes.io(answer),
        exit_status=answer.exit_status,
        exited_at=times.value(answer, "exited_at"),
    )
