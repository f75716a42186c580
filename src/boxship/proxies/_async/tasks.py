"""containerd.services.tasks.v1.Tasks"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from boxship.api import tasks_pb2 as pb
from boxship.core import tasks
from boxship.proxies import async_callers
from boxship.terms.typed import TypedBytes
from boxship.wire import methods, typed
from boxship.wire import processes as wire

if TYPE_CHECKING:
    from boxship.core.mounts import Mount
    from boxship.terms.oci import Descriptor

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Tasks"])


class TasksProxy:
    """Tasks of the namespace that the caller is bound to."""

    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def create(
        self,
        id: str,
        *,
        rootfs: Sequence[Mount],
        io: tasks.IO,
        checkpoint: Descriptor | None = None,
        options: TypedBytes | None = None,
        runtime_path: str = "",
    ) -> int:
        from boxship.wire import mounts, oci

        request = pb.CreateTaskRequest(
            container_id=id,
            rootfs=mounts.messages(rootfs),
            stdin=io.stdin,
            stdout=io.stdout,
            stderr=io.stderr,
            terminal=io.terminal,
            checkpoint=None if checkpoint is None else oci.message(checkpoint),
            options=typed.message(options),
            runtime_path=runtime_path,
        )
        return int((await self._caller.call(_METHODS["Create"], request)).pid)

    async def start(self, id: str, exec_id: str = "") -> int:
        request = pb.StartRequest(container_id=id, exec_id=exec_id)
        return int((await self._caller.call(_METHODS["Start"], request)).pid)

    async def delete(self, id: str) -> tasks.Exit:
        return wire.exit_value(await self._caller.call(_METHODS["Delete"], pb.DeleteTaskRequest(container_id=id)))

    async def delete_process(self, id: str, exec_id: str) -> tasks.Exit:
        request = pb.DeleteProcessRequest(container_id=id, exec_id=exec_id)
        return wire.exit_value(await self._caller.call(_METHODS["DeleteProcess"], request))

    async def get(self, id: str, exec_id: str = "") -> tasks.Process:
        request = pb.GetRequest(container_id=id, exec_id=exec_id)
        return wire.value((await self._caller.call(_METHODS["Get"], request)).process)

    async def list(self, filter: str = "") -> Sequence[tasks.Process]:
        answer = await self._caller.call(_METHODS["List"], pb.ListTasksRequest(filter=filter))
        return [wire.value(each) for each in answer.tasks]

    async def kill(self, id: str, *, signal: int, exec_id: str = "", all: bool = False) -> None:
        request = pb.KillRequest(container_id=id, exec_id=exec_id, signal=signal, all=all)
        await self._caller.call(_METHODS["Kill"], request)

    async def exec(self, id: str, exec_id: str, *, io: tasks.IO, spec: TypedBytes) -> None:
        request = pb.ExecProcessRequest(
            container_id=id,
            exec_id=exec_id,
            stdin=io.stdin,
            stdout=io.stdout,
            stderr=io.stderr,
            terminal=io.terminal,
            spec=typed.message(spec),
        )
        await self._caller.call(_METHODS["Exec"], request)

    async def resize_pty(self, id: str, *, width: int, height: int, exec_id: str = "") -> None:
        request = pb.ResizePtyRequest(container_id=id, exec_id=exec_id, width=width, height=height)
        await self._caller.call(_METHODS["ResizePty"], request)

    async def close_io(self, id: str, *, stdin: bool, exec_id: str = "") -> None:
        request = pb.CloseIORequest(container_id=id, exec_id=exec_id, stdin=stdin)
        await self._caller.call(_METHODS["CloseIO"], request)

    async def pause(self, id: str) -> None:
        await self._caller.call(_METHODS["Pause"], pb.PauseTaskRequest(container_id=id))

    async def resume(self, id: str) -> None:
        await self._caller.call(_METHODS["Resume"], pb.ResumeTaskRequest(container_id=id))

    async def pids(self, id: str) -> Sequence[tasks.ProcessInfo]:
        answer = await self._caller.call(_METHODS["ListPids"], pb.ListPidsRequest(container_id=id))
        return [wire.info(each) for each in answer.processes]

    async def checkpoint(self, id: str, *, parent: str = "", options: TypedBytes | None = None) -> Sequence[Descriptor]:
        request = pb.CheckpointTaskRequest(container_id=id, parent_checkpoint=parent, options=typed.message(options))
        answer = await self._caller.call(_METHODS["Checkpoint"], request)
        from boxship.wire import oci

        return [oci.value(each) for each in answer.descriptors]

    async def update(self, id: str, *, resources: TypedBytes | None, annotations: Mapping[str, str]) -> None:
        request = pb.UpdateTaskRequest(container_id=id, resources=typed.message(resources), annotations=annotations)
        await self._caller.call(_METHODS["Update"], request)

    async def metrics(self, filters: Sequence[str] = ()) -> Sequence[tasks.Metric]:
        answer = await self._caller.call(_METHODS["Metrics"], pb.MetricsRequest(filters=filters))
        return [wire.metric(each) for each in answer.metrics]

    def wait(self, id: str, exec_id: str = "") -> async_callers.Later[tasks.Exit]:
        """Completes when the process exits, however long that takes."""
        request = pb.WaitRequest(container_id=id, exec_id=exec_id)
        return self._caller.future(_METHODS["Wait"], request, wire.wait_value)
