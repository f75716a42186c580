"""The task API: `containerd.task.v3.Task` and `containerd.task.v2.Task`, which differ in their names only."""

import functools
import json
from types import ModuleType
from typing import Any

from boxship.api import (
    any_pb2,
    cgroups_v1_pb2,
    cgroups_v2_pb2,
    empty_pb2,
    event_types_pb2,
    runc_options_pb2,
    task_types_pb2,
    task_v2_pb2,
    task_v3_pb2,
)
from boxship.rpc import methods
from boxship.shim import containers, endpoint, later, making, processes, stdio
from boxship.shim.events import Publisher
from boxship.terms import errors
from boxship.wire import methods as tables
from boxship.wire import times


@functools.cache
def editions() -> dict[str, tuple[ModuleType, dict[str, methods.Method]]]:
    """The messages and methods of each edition by its service; made once, before there are shims to share them."""
    services = [(each, each.DESCRIPTOR.services_by_name["Task"]) for each in (task_v3_pb2, task_v2_pb2)]
    return {service.full_name: (each, tables.of(service)) for each, service in services}


class Tasks:
    """The containers of this shim, under both editions of the API."""

    def __init__(self, maker: making.Maker, publisher: Publisher, *, pid: int, leave: Any) -> None:
        """Args:

        pid: of the shim.
        leave: called when the shim has nothing more to do and is told to go.
        """
        self.maker, self.publisher, self.pid, self.leave = maker, publisher, pid, leave
        self.containers: dict[str, containers.Container] = {}

    def state(self) -> list[Any]:
        """For `restore`, with our descriptors left open."""
        return [container.state() for container in self.containers.values()]

    def restore(self, state: list[Any]) -> None:
        for each in state:
            self.add(self.maker.restore(each, self.process_ended))

    def add(self, container: containers.Container) -> None:
        self.containers[container.id] = container
        gone = event_types_pb2.TaskOOM(container_id=container.id)
        container.watch_memory(lambda: self.publisher.publish("/tasks/oom", gone))

    def services(self) -> dict[str, endpoint.Service]:
        """What the endpoint serves."""
        return {name: (table, TaskService(self, edition)) for name, (edition, table) in editions().items()}

    def container(self, id: str) -> containers.Container:
        """Raises NotFound."""
        if id not in self.containers:
            raise errors.NotFound("container not created")
        return self.containers[id]

    def process(self, request: Any) -> tuple[containers.Container, processes.Process]:
        """Whom a request with `id` and `exec_id` is about. Raises NotFound."""
        container = self.container(request.id)
        return container, container.process(request.exec_id)

    def process_ended(self, container: containers.Container, process: processes.Process) -> None:
        self.publisher.publish(
            "/tasks/exit",
            event_types_pb2.TaskExit(
                container_id=container.id,
                id=process.id or container.id,
                pid=process.pid,
                exit_status=process.exit_status,
                exited_at=times.message(process.exited_at),
            ),
        )


class TaskService:
    """One edition. Each method answers the RPC of its name with a message, or with a Later of one."""

    def __init__(self, tasks: Tasks, edition: ModuleType) -> None:
        self._tasks = tasks
        self._pb: Any = edition

    def State(self, request: Any, _call: Any) -> Any:
        container, process = self._tasks.process(request)
        return self._pb.StateResponse(
            id=process.id or container.id,
            bundle=container.bundle,
            pid=process.pid,
            status=int(container.status(process)),
            stdin=process.names.stdin,
            stdout=process.names.stdout,
            stderr=process.names.stderr,
            terminal=process.names.terminal,
            exit_status=process.exit_status,
            exited_at=times.stated(process.exited_at),
        )

    def Create(self, request: Any, _call: Any) -> Any:
        tasks = self._tasks
        if request.id in tasks.containers:
            raise errors.AlreadyExists(f"container {request.id}")
        container = tasks.maker.make(request, tasks.process_ended)
        created = event_types_pb2.TaskCreate(
            container_id=request.id,
            bundle=request.bundle,
            rootfs=request.rootfs,
            io=event_types_pb2.TaskIO(
                stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, terminal=request.terminal
            ),
            checkpoint=request.checkpoint,
            pid=container.init.pid,
        )
        tasks.publisher.publish("/tasks/create", created)
        tasks.add(container)
        return self._pb.CreateTaskResponse(pid=container.init.pid)

    def Start(self, request: Any, _call: Any) -> Any:
        container, process = self._tasks.process(request)
        container.start(process)
        if process.id:
            started = event_types_pb2.TaskExecStarted(container_id=container.id, exec_id=process.id, pid=process.pid)
            self._publish("exec-started", started)
        else:
            self._publish("start", event_types_pb2.TaskStart(container_id=container.id, pid=process.pid))
        return self._pb.StartResponse(pid=process.pid)

    def Delete(self, request: Any, _call: Any) -> Any:
        container, process = self._tasks.process(request)
        answer = later.Later()

        def deleted(_process: Any, error: Exception | None) -> None:
            if error is not None:
                answer.fail(error)
                return
            exited_at = times.message(process.exited_at)
            if not process.id:
                del self._tasks.containers[container.id]
                gone = event_types_pb2.TaskDelete(
                    container_id=container.id, pid=process.pid, exit_status=process.exit_status, exited_at=exited_at
                )
                self._publish("delete", gone)
            answer.settle(
                self._pb.DeleteResponse(pid=process.pid, exit_status=process.exit_status, exited_at=exited_at)
            )

        container.delete(process).then(deleted)
        return answer

    def Pids(self, request: Any, _call: Any) -> Any:
        container = self._tasks.container(request.id)
        execs = {process.pid: process.id for process in container.execs.values() if process.pid}
        listed = []
        for pid in container.pids():
            info = None
            if pid in execs:
                details = runc_options_pb2.ProcessDetails(exec_id=execs[pid])
                info = any_pb2.Any(type_url=details.DESCRIPTOR.full_name, value=details.SerializeToString())
            listed.append(task_types_pb2.ProcessInfo(pid=pid, info=info))
        return self._pb.PidsResponse(processes=listed)

    def Pause(self, request: Any, _call: Any) -> Any:
        container = self._tasks.container(request.id)
        container.pause()
        self._publish("paused", event_types_pb2.TaskPaused(container_id=container.id))
        return empty_pb2.Empty()

    def Resume(self, request: Any, _call: Any) -> Any:
        container = self._tasks.container(request.id)
        container.resume()
        self._publish("resumed", event_types_pb2.TaskResumed(container_id=container.id))
        return empty_pb2.Empty()

    def Checkpoint(self, request: Any, _call: Any) -> Any:
        container = self._tasks.container(request.id)
        options = runc_options_pb2.CheckpointOptions.FromString(request.options.value)
        wanted = {field.name: value for field, value in options.ListFields()}
        container.checkpoint(request.path, wanted)
        done = event_types_pb2.TaskCheckpointed(container_id=container.id, checkpoint=request.path)
        self._publish("checkpointed", done)
        return empty_pb2.Empty()

    def Kill(self, request: Any, _call: Any) -> Any:
        container, process = self._tasks.process(request)
        container.kill(process, request.signal, everyone=request.all)
        return empty_pb2.Empty()

    def Exec(self, request: Any, _call: Any) -> Any:
        container = self._tasks.container(request.id)
        container.exec(request.exec_id, _names(request), _json(request.spec, "process"))
        self._publish("exec-added", event_types_pb2.TaskExecAdded(container_id=container.id, exec_id=request.exec_id))
        return empty_pb2.Empty()

    def ResizePty(self, request: Any, _call: Any) -> Any:
        container, process = self._tasks.process(request)
        container.resize(process, request.width, request.height)
        return empty_pb2.Empty()

    def CloseIO(self, request: Any, _call: Any) -> Any:
        _, process = self._tasks.process(request)
        if request.stdin and process.streams is not None:
            process.streams.close_stdin()
        return empty_pb2.Empty()

    def Update(self, request: Any, _call: Any) -> Any:
        self._tasks.container(request.id).update(_json(request.resources, "resources"))
        return empty_pb2.Empty()

    def Wait(self, request: Any, _call: Any) -> Any:
        _, process = self._tasks.process(request)
        answer = later.Later()

        def ended(_process: Any, _error: Exception | None) -> None:
            exited_at = times.message(process.exited_at)
            answer.settle(self._pb.WaitResponse(exit_status=process.exit_status, exited_at=exited_at))

        process.wait().then(ended)
        return answer

    def Stats(self, request: Any, _call: Any) -> Any:
        numbers = self._tasks.container(request.id).statistics()
        edition: Any = cgroups_v2_pb2 if numbers.pop("version") == 2 else cgroups_v1_pb2
        metrics = edition.Metrics(**numbers)
        packed = any_pb2.Any(type_url=metrics.DESCRIPTOR.full_name, value=metrics.SerializeToString())
        return self._pb.StatsResponse(stats=packed)

    def Connect(self, request: Any, _call: Any) -> Any:
        container = self._tasks.containers.get(request.id)
        pid = container.init.pid if container is not None else 0
        return self._pb.ConnectResponse(shim_pid=self._tasks.pid, task_pid=pid)

    def Shutdown(self, _request: Any, _call: Any) -> Any:
        if not self._tasks.containers:
            self._tasks.leave()
        return empty_pb2.Empty()

    def _publish(self, what: str, event: Any) -> None:
        self._tasks.publisher.publish(f"/tasks/{what}", event)


def _names(request: Any) -> stdio.Names:
    return stdio.Names(stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, terminal=request.terminal)


def _json(packed: Any, what: str) -> dict[str, Any]:
    """The JSON object in an Any. Raises Unknown, which is what containerd's plain errors become."""
    try:
        value = json.loads(packed.value)
    except ValueError as error:
        raise errors.Unknown(f"{what}: {error}") from error
    if not isinstance(value, dict):
        raise errors.Unknown(f"{what}: a JSON object is needed")
    return value
