"""The ends of tasks whose shims died while there was no daemon."""

import concurrent.futures
import pathlib
import types

import pytest

from boxship.core import tasks
from boxship.plugins.tasks import service
from boxship.terms import errors
from boxship.testing.metadata import Remembering


class Stuck:
    """A bundle that cannot be removed."""

    def __init__(self, id):
        self.namespace, self.id, self.path = "n", id, pathlib.Path("gone")

    def delete(self):
        raise OSError(16, "Device or resource busy")


@pytest.fixture
def told():
    return Remembering()


@pytest.fixture
def made(tmp_path, told):
    return service.TaskService(
        root=tmp_path,
        state=tmp_path,
        socket_folder=tmp_path / "s",
        containers=lambda _: None,
        publisher=told,
        forks=types.SimpleNamespace(),
        grpc="",
        ttrpc="",
        program=tmp_path,
        environment={},
    )


def test_a_folder_that_cannot_be_removed_keeps_nobody_from_hearing_of_the_others(made, told, caplog):
    made._dead += [(Stuck(id), tasks.Exit(status=137, exited_at=1)) for id in ("a", "b")]
    made.close()
    assert [(topic, fields["container_id"]) for _, topic, fields in told.told] == [
        *(("/tasks/exit", "a"), ("/tasks/delete", "a"), ("/tasks/exit", "b"), ("/tasks/delete", "b"))
    ]
    assert "bundle of task a cannot be removed" in caplog.text


def test_a_task_whose_shim_died_before_it_was_known_is_not_made(made):
    gone = tasks.Exit(status=137, exited_at=1)
    task = types.SimpleNamespace(
        namespace="n", id="a", is_gone=False, clean_up=lambda: gone, died=concurrent.futures.Future()
    )

    def make():
        with made._reserved("n", "a") as register:
            made._shim_died(task)
            register(task)

    with pytest.raises(errors.Unavailable, match="the shim is gone"):
        make()
    assert task.died.result(0) == gone
    with pytest.raises(errors.NotFound):
        made.task("n", "a")
    assert made.running("n") == []
