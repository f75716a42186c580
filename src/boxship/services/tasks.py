"""containerd.services.tasks.v1.Tasks"""

from collections.abc import Callable
from concurrent.futures import Future

from boxship.api import empty_pb2
from boxship.api import tasks_pb2 as pb
from boxship.core import tasks
from boxship.rpc import calls, methods
from boxship.terms import errors
from boxship.wire import headers, mounts, oci, typed
from boxship.wire import processes as wire


class TasksService:
    """`managers` gives the tasks of a namespace."""

    SERVICE = pb.DESCRIPTOR.services_by_name["Tasks"]

    def __init__(self, managers: Callable[[str], tasks.Manager]) -> None:
        self._managers = managers

    def Create(self, request: pb.CreateTaskRequest, call: calls.Call) -> pb.CreateTaskResponse:
        if request.task_api_address:
            raise errors.NotImplemented("tasks in a sandbox that serves the task API itself are not supported")
        pid = self._of(call).create(
            request.container_id,
            rootfs=mounts.values(request.rootfs),
            io=wire.io(request),
            checkpoint=oci.value(request.checkpoint) if request.HasField("checkpoint") else None,
            options=typed.value(request, "options"),
            runtime_path=request.runtime_path,
        )
        return pb.CreateTaskResponse(container_id=request.container_id, pid=pid)

    def Start(self, request: pb.StartRequest, call: calls.Call) -> pb.StartResponse:
        return pb.StartResponse(pid=self._of(call).start(request.container_id, request.exec_id))

    def Delete(self, request: pb.DeleteTaskRequest, call: calls.Call) -> pb.DeleteResponse:
        return wire.exit_message(self._of(call).delete(request.container_id))

    def DeleteProcess(self, request: pb.DeleteProcessRequest, call: calls.Call) -> pb.DeleteResponse:
        exit_ = self._of(call).delete_process(request.container_id, request.exec_id)
        return wire.exit_message(exit_, request.exec_id)

    def Get(self, request: pb.GetRequest, call: calls.Call) -> pb.GetResponse:
        return pb.GetResponse(process=wire.message(self._of(call).get(request.container_id, request.exec_id)))

    def List(self, request: pb.ListTasksRequest, call: calls.Call) -> pb.ListTasksResponse:
        return pb.ListTasksResponse(tasks=[wire.message(each) for each in self._of(call).list(request.filter)])

    def Kill(self, request: pb.KillRequest, call: calls.Call) -> empty_pb2.Empty:
        self._of(call).kill(request.container_id, signal=request.signal, exec_id=request.exec_id, all=request.all)
        return empty_pb2.Empty()

    def Exec(self, request: pb.ExecProcessRequest, call: calls.Call) -> empty_pb2.Empty:
        if not request.exec_id:
            raise errors.InvalidArgument("exec id cannot be empty")
        self._of(call).exec(request.container_id, request.exec_id, io=wire.io(request), spec=typed.typed(request.spec))
        return empty_pb2.Empty()

    def ResizePty(self, request: pb.ResizePtyRequest, call: calls.Call) -> empty_pb2.Empty:
        self._of(call).resize_pty(
            request.container_id, width=request.width, height=request.height, exec_id=request.exec_id
        )
        return empty_pb2.Empty()

    def CloseIO(self, request: pb.CloseIORequest, call: calls.Call) -> empty_pb2.Empty:
        self._of(call).close_io(request.container_id, stdin=request.stdin, exec_id=request.exec_id)
        return empty_pb2.Empty()

    def Pause(self, request: pb.PauseTaskRequest, call: calls.Call) -> empty_pb2.Empty:
        self._of(call).pause(request.container_id)
        return empty_pb2.Empty()

    def Resume(self, request: pb.ResumeTaskRequest, call: calls.Call) -> empty_pb2.Empty:
        self._of(call).resume(request.container_id)
        return empty_pb2.Empty()

    def ListPids(self, request: pb.ListPidsRequest, call: calls.Call) -> pb.ListPidsResponse:
        found = self._of(call).pids(request.container_id)
        return pb.ListPidsResponse(processes=[wire.info_message(each) for each in found])

    def Checkpoint(self, request: pb.CheckpointTaskRequest, call: calls.Call) -> pb.CheckpointTaskResponse:
        made = self._of(call).checkpoint(
            request.container_id, parent=request.parent_checkpoint, options=typed.value(request, "options")
        )
        return pb.CheckpointTaskResponse(descriptors=[oci.message(each) for each in made])

    def Update(self, request: pb.UpdateTaskRequest, call: calls.Call) -> empty_pb2.Empty:
        self._of(call).update(
            request.container_id,
            resources=typed.value(request, "resources"),
            annotations=dict(request.annotations),
        )
        return empty_pb2.Empty()

    def Metrics(self, request: pb.MetricsRequest, call: calls.Call) -> pb.MetricsResponse:
        found = self._of(call).metrics(request.filters)
        return pb.MetricsResponse(metrics=[wire.metric_message(each) for each in found])

    @methods.quick
    def Wait(self, request: pb.WaitRequest, call: calls.Call) -> "Future[pb.WaitResponse]":
        """No thread waits: the answer goes out when the process has ended."""
        ended = self._of(call).wait(request.container_id, request.exec_id)
        answer: Future[pb.WaitResponse] = Future()

        def pass_on(ended: "Future[tasks.Exit]") -> None:
            if ended.cancelled():
                answer.set_exception(errors.Canceled())
            elif fault := ended.exception():
                answer.set_exception(fault)
            else:
                answer.set_result(wire.wait_message(ended.result()))

        ended.add_done_callback(pass_on)
        return answer

    def _of(self, call: calls.Call) -> tasks.Manager:
        return self._managers(headers.namespace(call.metadata))
