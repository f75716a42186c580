"""io.containerd.runtime.v2.task: the tasks, over our own shims and foreign ones."""

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from boxship.core import kinds
from boxship.daemon import processes
from boxship.plugins.tasks import service
from boxship.terms import platforms
from boxship.wiring import parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`foreign_shims`: runtimes such as io.containerd.runc.v2 that shall be run by the shim's binary on PATH."""

    foreign_shims: tuple[str, ...] = ()


def _make(config: Config, needs: parts.Needs) -> service.TaskService:
    places = needs.one(kinds.PLACES)
    books = needs.one(kinds.METADATA)
    environment = {**os.environ, "PATH": os.environ.get("PATH") or processes.DEFAULT_PATH}
    made = service.TaskService(
        root=places.folder(kinds.TASKS, "task"),
        state=places.scratch(kinds.TASKS, "task"),
        socket_folder=places.state / "s",
        containers=lambda namespace: books.namespace(namespace).containers,
        publisher=needs.one(kinds.EVENTS),
        forks=needs.one(kinds.FORKS),
        grpc=places.grpc,
        ttrpc=places.ttrpc,
        program=Path(sys.argv[0] or sys.executable).absolute(),
        environment=environment,
        foreign_shims=config.foreign_shims,
        debug=logging.getLogger().isEnabledFor(logging.DEBUG),
    )
    made.recover()
    needs.tell(parts.About(platforms=(str(platforms.default()),)))
    return made


REGISTRATION = parts.Registration(
    kind=kinds.TASKS,
    name="task",
    requires=(kinds.PLACES, kinds.FORKS, kinds.METADATA, kinds.EVENTS),
    config=Config,
    make=_make,
)
