"""Processes of tasks, as the Tasks service speaks of them."""

from typing import Any, cast

from boxship.api import task_types_pb2 as types_pb
from boxship.api import tasks_pb2 as pb
from boxship.api import types_pb2
from boxship.core import tasks
from boxship.wire import times, typed


def message(process: tasks.Process) -> types_pb.Process:
    return types_pb.Process(
        container_id=process.container_id,
        id=process.id,
        pid=process.pid,
        status=cast("types_pb.Status", process.status.value),
        stdin=process.io.stdin,
        stdout=process.io.stdout,
        stderr=process.io.stderr,
        terminal=process.io.terminal,
        exit_status=process.exit_status,
        exited_at=times.stated(process.exited_at),
    )


def value(message: types_pb.Process) -> tasks.Process:
    return tasks.Process(
        container_id=message.container_id,
        id=message.id,
        pid=message.pid,
        status=status(message.status),
        io=io(message),
        exit_status=message.exit_status,
        exited_at=times.value(message, "exited_at"),
    )


def io(message: Any) -> tasks.IO:
    """Of any message with the fields stdin, stdout, stderr and terminal."""
    return tasks.IO(stdin=message.stdin, stdout=message.stdout, stderr=message.stderr, terminal=message.terminal)


def exit_message(exit_: tasks.Exit, id_: str = "") -> pb.DeleteResponse:
    return pb.DeleteResponse(id=id_, pid=exit_.pid, exit_status=exit_.status, exited_at=times.message(exit_.exited_at))


def exit_value(message: pb.DeleteResponse) -> tasks.Exit:
    return tasks.Exit(
        id=message.id, pid=message.pid, status=message.exit_status, exited_at=times.value(message, "exited_at")
    )


def wait_message(exit_: tasks.Exit) -> pb.WaitResponse:
    return pb.WaitResponse(exit_status=exit_.status, exited_at=times.message(exit_.exited_at))


def wait_value(message: pb.WaitResponse) -> tasks.Exit:
    return tasks.Exit(status=message.exit_status, exited_at=times.value(message, "exited_at"))


def info_message(info: tasks.ProcessInfo) -> types_pb.ProcessInfo:
    return types_pb.ProcessInfo(pid=info.pid, info=typed.message(info.info))


def info(message: types_pb.ProcessInfo) -> tasks.ProcessInfo:
    return tasks.ProcessInfo(pid=message.pid, info=typed.value(message, "info"))


def metric_message(metric: tasks.Metric) -> types_pb2.Metric:
    return types_pb2.Metric(id=metric.id, timestamp=times.message(metric.timestamp), data=typed.message(metric.data))


def metric(message: types_pb2.Metric) -> tasks.Metric:
    return tasks.Metric(id=message.id, timestamp=times.value(message, "timestamp") or 0, data=typed.typed(message.data))


def status(number: int) -> tasks.Status:
    try:
        return tasks.Status(number)
    except ValueError:
        return tasks.Status.UNKNOWN
