"""The way to a shim that is lost while somebody waits."""

import concurrent.futures
import os
import socket
import threading

import pytest

from boxship.api import task_v3_pb2 as pb
from boxship.core import tasks
from boxship.plugins.tasks import bundles, running
from boxship.proxies import shims as proxies
from boxship.rpc import server, status
from boxship.wire import methods, shims

PATIENCE = 10


class Shim:
    """A shim that answers Wait when its test says so; one more may take over its socket."""

    SERVICE = pb.DESCRIPTOR.services_by_name["Task"]

    def __init__(self, path):
        self.asked = threading.Event()
        self.ended = concurrent.futures.Future()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{path}.new")
        listener.listen()
        os.rename(f"{path}.new", path)
        handlers = [each for each in methods.handlers(self.SERVICE, self) if each.method.name in {"Wait", "Shutdown"}]
        self._server = server.Server(handlers, translate=lambda exc: status.Status(status.Code.UNKNOWN, str(exc)))
        self._server.serve(listener, protocol="ttrpc")

    def Wait(self, _request, _call):
        self.asked.set()
        return self.ended

    def __getattr__(self, name):
        if name[:1].isupper():
            return lambda _request, _call: None
        raise AttributeError(name)

    def close(self):
        self._server.shutdown(0)


class Launcher:
    def __init__(self):
        self.exit = tasks.Exit(status=137, exited_at=1)

    def leaving_seconds(self, _bundle):
        return 0.0

    def clean_up(self, _bundle):
        return self.exit


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shim.sock"


@pytest.fixture
def task(tmp_path, path):
    bundle = bundles.Bundle(namespace="n", id="a", path=tmp_path)
    bundle.note_endpoint(shims.Endpoint(address=f"unix://{path}", protocol="ttrpc", version=3))
    first = Shim(path)

    def died(gone):
        gone.died.set_result(gone.clean_up())

    made = running.Running(bundle, Launcher(), proxies.ShimProxy(bundle.endpoint(), timeout=PATIENCE), died)
    made.first = first
    yield made
    made.forget()
    first.close()


def test_who_waits_hears_of_the_end_over_the_next_connection(task, path):
    waiting = task.wait()
    assert task.first.asked.wait(PATIENCE)
    second = Shim(path)
    try:
        task.first.close()
        assert second.asked.wait(PATIENCE)
        second.ended.set_result(pb.WaitResponse(exit_status=7))
        assert waiting.result(PATIENCE).status == 7
    finally:
        second.close()


def test_who_waits_hears_of_the_death_of_the_shim(task, path):
    waiting = task.wait()
    assert task.first.asked.wait(PATIENCE)
    path.unlink()
    task.first.close()
    assert waiting.result(PATIENCE).status == 137
    assert task.wait().result(PATIENCE).status == 137
