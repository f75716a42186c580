"""The ends of tasks whose shims died while there was no daemon."""

import pathlib
import types

from boxship.core import tasks
from boxship.plugins.tasks import service
from boxship.testing.metadata import Remembering


class Stuck:
    """A bundle that cannot be removed."""

    def __init__(self, id):
        self.namespace, self.id, self.path = "n", id, pathlib.Path("gone")

    def delete(self):
        raise OSError(16, "Device or resource busy")


def test_a_folder_that_cannot_be_removed_keeps_nobody_from_hearing_of_the_others(tmp_path, caplog):
    told = Remembering()
    made = service.TaskService(
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
    made._dead += [(Stuck(id), tasks.Exit(status=137, exited_at=1)) for id in ("a", "b")]
    made.close()
    assert [(topic, fields["container_id"]) for _, topic, fields in told.told] == [
        *(("/tasks/exit", "a"), ("/tasks/delete", "a"), ("/tasks/exit", "b"), ("/tasks/delete", "b"))
    ]
    assert "bundle of task a cannot be removed" in caplog.text
