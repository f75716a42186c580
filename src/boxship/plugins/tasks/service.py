"""The tasks of all namespaces: which there are, how they come to be, how they go."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from boxship.core import containers, events, kinds, mounts, tasks
from boxship.plugins.tasks import foreign, informing, launching, logs, own, recovery, sockets
from boxship.plugins.tasks.bound import TaskManager
from boxship.plugins.tasks.bundles import Bundle, Bundles
from boxship.plugins.tasks.running import Running
from boxship.proxies import shims as proxies
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import shims

_log = logging.getLogger(__name__)
OWN_RUNTIMES = frozenset({"io.containerd.runc.v2", "io.containerd.boxship.v1"})
OWN_SHIM = "boxship.shim.main"
DIAL_SECONDS = 100.0
CLEAN_UP_SECONDS = 5.0
TELL_SECONDS = 0.5
"""After a start, until the ends are told of tasks whose shims died meanwhile: clients come back first, to hear it."""
_Key = tuple[str, str]


class TaskService:
    """Starts shims, keeps the way to each, notices when one dies. Many threads may use it."""

    def __init__(
        self,
        *,
        root: Path,
        state: Path,
        socket_folder: Path,
        containers: Callable[[str], containers.Store],
        publisher: events.Publisher,
        forks: kinds.Forks,
        grpc: str,
        ttrpc: str,
        program: Path,
        environment: Mapping[str, str],
        foreign_shims: Sequence[str] = (),
        debug: bool = False,
    ) -> None:
        """Nothing is touched before `recover`, which comes first.

        Args:
            root: working folders of bundles.
            state: bundles; they are gone after a reboot.
            socket_folder: for the sockets of our own shims; its path must be short.
            containers: the containers of a namespace.
            publisher: told of tasks that ended with their shims.
            forks: with the entry points `shim` and `shim-delete`.
            grpc: path of the daemon's socket for clients.
            ttrpc: path of the daemon's socket for shims.
            program: the daemon's, which shims call to publish and beside which they are looked for.
            environment: of foreign shims; its PATH is searched for them.
            foreign_shims: names of runtimes that are ours by default and shall be run by the binary on PATH.
            debug: whether foreign shims shall say more.
        """
        self._containers, self._publisher, self._forks = containers, publisher, forks
        self._bundles = Bundles(root, state)
        self._sockets = sockets.Sockets(socket_folder, grpc)
        self._grpc, self._ttrpc, self._program, self._environment = grpc, ttrpc, program, environment
        self._socket_folder, self._debug = socket_folder, debug
        self._foreign_names = frozenset(foreign_shims)
        self._legacy: set[str] = set()
        self._logs = logs.LogReader()
        self._lock = threading.Lock()
        self._tasks: dict[_Key, Running | None] = {}  # None while it is being made
        self._dead: list[tuple[Bundle, tasks.Exit]] = []  # whose end is still to be told
        self._telling = threading.Lock()
        self._closed = False
        self._own = own.OwnLauncher(
            forks,
            sockets=self._sockets,
            grpc=grpc,
            ttrpc=ttrpc,
            runtime_root=socket_folder.parent / "runc",
            clean_up_seconds=CLEAN_UP_SECONDS,
        )

    def namespace(self, name: str) -> tasks.Manager:
        """The tasks of one namespace."""
        return TaskManager(self, name)

    __call__ = namespace

    def recover(self) -> None:
        """Find the tasks of a daemon before us, clean up after those whose shims are gone."""
        self._forks.start()
        found = recovery.load(
            self._bundles, launcher=self.launcher_of, is_wanted=self._has_container, on_death=self._shim_died
        )
        self._dead += found.dead
        with self._lock:
            for task in found.alive:
                self._tasks[task.namespace, task.id] = task
        if found.dead:
            later = threading.Timer(TELL_SECONDS, self._tell)
            later.daemon = True
            later.start()

    def close(self) -> None:
        """Let go of all shims, which go on."""
        with self._lock:
            self._closed = True
            remaining = [task for task in self._tasks.values() if task is not None]
            self._tasks.clear()
        self._tell()
        for task in remaining:
            task.forget()
        self._logs.close_all()

    def container(self, namespace: str, id: str) -> containers.Container:
        """Raises NotFound."""
        return self._containers(namespace).get(id)

    def task(self, namespace: str, id: str) -> Running:
        """Raises NotFound; a task that is being made is not there yet."""
        with self._lock:
            found = self._tasks.get((namespace, id))
        if found is None:
            raise errors.NotFound(f"task {id} not found", whole=True)
        return found

    def running(self, namespace: str) -> list[Running]:
        """All tasks of a namespace, by id."""
        with self._lock:
            found = [task for task in self._tasks.values() if task is not None and task.namespace == namespace]
        return sorted(found, key=lambda task: task.id)

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
    ) -> int:
        """A new task's init pid. Raises AlreadyExists, and whatever its shim says."""
        with self._reserved(namespace, id) as register:
            self._tell()  # of one that had this name, perhaps
            launcher = self.launcher(runtime)
            bundle = self._bundles.make(namespace, id, spec)
            try:
                task = self._launch(bundle, launcher, options)
            except BaseException:
                bundle.delete()
                raise
            try:
                pid = task.shim.create(
                    id, bundle=str(bundle.path), rootfs=rootfs, io=io, checkpoint="", options=options
                )
                register(task)
            except errors.Error as error:
                self._give_up(task)
                raise _worded("failed to create shim task", error) from error
            return pid

    def delete(self, task: Running) -> tasks.Exit:
        """Forget a task. Raises whatever its shim says; when the shim does not know it, it is forgotten all the same."""
        try:
            exit_ = task.shim.delete(task.id)
        except errors.NotFound as error:
            self._remove(task)
            raise _worded("failed to delete task", error) from error
        except errors.Error as error:
            raise _worded("failed to delete task", error) from error
        self._remove(task)
        return exit_

    def launcher(self, runtime: str) -> launching.Launcher:
        """For a runtime's name or the path of a shim. Raises Unknown, as containerd, when there is none."""
        try:
            binary = self._binary(runtime)
        except errors.Unknown as error:
            raise errors.Unknown(f"failed to start shim: {error.message}") from error
        return self._foreign(binary) if binary else self._own

    def _binary(self, runtime: str) -> str:
        """The shim of a runtime, empty when it is our own."""
        if runtime in OWN_RUNTIMES and runtime not in self._foreign_names:
            return ""
        try:
            return foreign.resolve(runtime, path=self._environment.get("PATH", ""), beside=self._program.parent)
        except errors.Error as error:
            raise errors.Unknown(f"failed to resolve runtime path: {error.message}") from error

    def info(self, request: TypedBytes | None) -> TypedBytes:
        """A containerd.types.RuntimeInfo for a RuntimeRequest. Raises Unknown, as containerd."""
        runtime, options = shims.runtime_request(request)
        binary = self._binary(runtime)
        command = [binary] if binary else [sys.executable, "-P", "-m", OWN_SHIM]
        return shims.runtime_info(informing.ask(command, options, self._environment))

    def launcher_of(self, bundle: Bundle) -> launching.Launcher:
        """Who started the shim of a bundle."""
        binary = bundle.binary()
        return self._foreign(binary) if binary else self._own

    def _foreign(self, binary: str) -> launching.Launcher:
        return foreign.ForeignLauncher(
            binary,
            publisher=str(self._program),
            grpc=self._grpc,
            ttrpc=self._ttrpc,
            sockets=self._socket_folder,
            environment=self._environment,
            reader=self._logs,
            legacy=self._legacy,
            clean_up_seconds=CLEAN_UP_SECONDS,
            debug=self._debug,
        )

    def _launch(self, bundle: Bundle, launcher: launching.Launcher, options: TypedBytes | None) -> Running:
        try:
            endpoint = launcher.launch(bundle, options)
            proxy = proxies.ShimProxy(endpoint, timeout=DIAL_SECONDS)
        except errors.Error as error:
            with contextlib.suppress(errors.Error):
                launcher.clean_up(bundle)
            raise _worded("failed to start shim", error) from error
        return Running(bundle, launcher, proxy, self._shim_died)

    def _give_up(self, task: Running) -> None:
        """A task that was not made: its shim goes, or is cleaned up after when it cannot be told."""
        with contextlib.suppress(errors.Error):
            task.shim.delete(task.id, timeout=CLEAN_UP_SECONDS)
        task.leave()
        # A shim that failed half way does not know what it left.
        with contextlib.suppress(errors.Error):
            task.launcher.clean_up(task.bundle)
        self._delete_bundle(task.bundle)

    def _remove(self, task: Running) -> None:
        with self._lock:
            if self._tasks.get((task.namespace, task.id)) is not task:
                return
            # Reserved until its folder is gone, so that a new task of this name finds none.
            self._tasks[task.namespace, task.id] = None
        try:
            task.leave()
            self._delete_bundle(task.bundle)
        finally:
            self._unreserve(task.namespace, task.id)

    def _delete_bundle(self, bundle: Bundle) -> None:
        self._logs.close(bundle.path / "log")
        try:
            bundle.delete()
        except OSError as error:
            _log.error("the bundle of task %s cannot be removed: %s", bundle.id, error)

    def _shim_died(self, task: Running) -> None:
        """Runs in a thread of its own. Whoever takes the task out of the table tells of its end, so it is told once."""
        exit_ = task.clean_up()
        key = (task.namespace, task.id)
        with self._lock:
            task.is_gone = True
            known = self._tasks.get(key) is task and not self._closed
            if known:
                self._tasks[key] = None
        if known:
            self._delete_bundle(task.bundle)
            self._unreserve(*key)
            self._publish_exit(task.bundle, exit_)
        task.died.set_result(exit_)

    def _tell(self) -> None:
        with self._telling:
            while self._dead:
                bundle, exit_ = self._dead.pop(0)
                self._publish_exit(bundle, exit_)
                self._delete_bundle(bundle)

    def _publish_exit(self, bundle: Bundle, exit_: tasks.Exit) -> None:
        fields = {
            "container_id": bundle.id,
            "pid": exit_.pid,
            "exit_status": exit_.status,
            "exited_at": exit_.exited_at or time.time_ns(),
        }
        exited = events.Event(name="containerd.events.TaskExit", fields={**fields, "id": bundle.id})
        self._publisher.publish(bundle.namespace, "/tasks/exit", exited)
        deleted = events.Event(name="containerd.events.TaskDelete", fields=fields)
        self._publisher.publish(bundle.namespace, "/tasks/delete", deleted)

    def _has_container(self, bundle: Bundle) -> bool:
        try:
            self.container(bundle.namespace, bundle.id)
        except errors.NotFound:
            return False
        return True

    @contextlib.contextmanager
    def _reserved(self, namespace: str, id: str) -> Iterator[Callable[[Running], None]]:
        """While a task is being made, nobody else makes one of its name. Raises AlreadyExists."""
        key = (namespace, id)
        with self._lock:
            if key in self._tasks:
                raise errors.AlreadyExists(f"task {id}")
            self._tasks[key] = None

        def register(task: Running) -> None:
            with self._lock:
                if task.is_gone:
                    raise errors.Unavailable("the shim is gone")
                self._tasks[key] = task

        try:
            yield register
        except BaseException:
            self._unreserve(namespace, id)
            raise

    def _unreserve(self, namespace: str, id: str) -> None:
        with self._lock:
            if self._tasks.get((namespace, id)) is None:
                self._tasks.pop((namespace, id), None)


def _worded(what: str, error: errors.Error) -> errors.Error:
    """The same error, saying what was being done."""
    return type(error)(f"{what}: {error.message}")
