"""A task service over real shims, with a book and an exchange of dictionaries."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import sys
import threading
import time

from boxship.api import event_types_pb2, ttrpc_events_pb2
from boxship.core import containers
from boxship.plugins.tasks import service
from boxship.rpc.ttrpc import server
from boxship.shim import leftovers
from boxship.terms import errors
from boxship.terms.typed import TypedBytes
from boxship.wire import events as wire_events
from boxship.zygote import client as zygotes

SOURCE = pathlib.Path(__file__).parents[3] / "src"
BUSYBOX = "/bin/busybox"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Book:
    """Containers of one namespace."""

    def __init__(self):
        self.containers = {}

    def get(self, id):
        if id not in self.containers:
            raise errors.NotFound(f'container "{id}" in namespace "tests"')
        return self.containers[id]


class Ear:
    """Hears what shims forward and what the service publishes, in the order in which it comes."""

    def __init__(self, path):
        self.path = path
        self.heard = []
        self._changed = threading.Condition()
        self._connections = []
        self.listen()

    def listen(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def deafen(self):
        """As a daemon that was killed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self.path)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def publish(self, namespace, topic, event):
        self._hear(topic, wire_events.encode(event))

    def wait(self, *wanted, timeout=15.0):
        """Wait until all (topic, container id) have been heard; returns everything about these containers."""
        with self._changed:
            if not self._changed.wait_for(lambda: set(wanted) <= {(t, e.container_id) for t, e in self.heard}, timeout):
                raise AssertionError(f"wanted {wanted}, heard {[(t, e.container_id) for t, e in self.heard]}")
            ids = {id for _, id in wanted}
            return [(topic, event) for topic, event in self.heard if event.container_id in ids]

    def about(self, id):
        return [topic for topic, event in self.heard if event.container_id == id]

    def _accept(self, listener):
        try:
            while True:
                connection, _ = listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def _serve(self, connection):
        protocol = server.ServerConnection()
        try:
            while data := connection.recv(65536):
                for event in protocol.receive(data):
                    envelope = ttrpc_events_pb2.ForwardRequest.FromString(event.envelope.payload).envelope
                    self._hear(envelope.topic, TypedBytes(type_url=envelope.event.type_url, value=envelope.event.value))
                    protocol.respond(event.stream, b"")
                connection.sendall(protocol.take())
        except OSError:
            pass
        connection.close()

    def _hear(self, topic, typed):
        event = getattr(event_types_pb2, typed.name.rpartition(".")[2]).FromString(typed.value)
        with self._changed:
            self.heard.append((topic, event))
            self._changed.notify_all()


class World:
    """Folders, a book, an ear, and a service that can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.book = Book()
        self.ear = Ear(str(folder / "e"))
        self.service = None
        self.start()

    def start(self, **more):
        self.forks = zygotes.Zygote(
            {"shim": "boxship.shim.run:run", "shim-delete": "boxship.shim.cleaning:delete"},
            path=[str(SOURCE), *zygotes._module_path()],
        )
        self.service = service.TaskService(
            root=self.folder / "root",
            state=self.folder / "state",
            socket_folder=self.folder / "s",
            containers=lambda namespace: self.book,
            publisher=self.ear,
            forks=self.forks,
            grpc=str(self.folder / "g"),
            ttrpc=self.ear.path,
            program=pathlib.Path(sys.executable),
            environment={"PATH": PATH},
            **more,
        )
        self.service.recover()
        self.tasks = self.service.namespace("tests")

    def stop(self):
        """The daemon ends; shims and containers do not."""
        self.service.close()
        self.forks.close()

    def container(self, id, args, runtime="io.containerd.runc.v2", **changes):
        """Put a container of busybox into the book."""
        root = self.folder / "images" / id
        if not root.exists():
            for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
                (root / name).mkdir(parents=True)
            shutil.copy(BUSYBOX, root / "bin/busybox")
            for applet in ("sh", "true", "false", "echo", "sleep", "cat", "kill", "dd"):
                (root / "bin" / applet).symlink_to("busybox")
        value = json.dumps(spec(id, args, root, **changes)).encode()
        self.book.containers[id] = containers.Container(
            id=id,
            runtime=containers.Runtime(name=runtime),
            spec=TypedBytes(type_url="types.containerd.io/opencontainers/runtime-spec/1/Spec", value=value),
        )

    def pid_of(self, id):
        return int((self.folder / "state" / "tests" / id / "init.pid").read_text())

    def shim_of(self, id):
        return self.service.task("tests", id).shim.connect(id, timeout=5)[0]

    def leftovers(self):
        """What of tasks is on disk, beside those that are known."""
        known = {task.id for task in self.service.running("tests")}
        found = []
        for folder in (self.folder / "state" / "tests", self.folder / "root" / "tests"):
            if folder.exists():
                found += [str(each) for each in folder.iterdir() if each.name not in known]
        return found

    def census(self):
        """Everything that a task could leave behind, counted."""
        with open("/proc/self/mountinfo") as mounts:
            mounted = sum(str(self.folder) in line for line in mounts)
        own = f"boxship-tests-{self.folder.name}-"
        groups = sum(name.startswith(own) for _, folders, _ in os.walk("/sys/fs/cgroup") for name in folders)
        shims = 0
        for each in os.listdir("/proc"):
            if each.isdigit():
                with contextlib.suppress(OSError):
                    shims += os.readlink(f"/proc/{each}/cwd").startswith(str(self.folder))
        return {
            "mounts": mounted,
            "control groups": groups,
            "shims": shims,
            "files": sum(len(files) + len(folders) for _, folders, files in os.walk(self.folder / "state")),
            "working folders": sum(len(folders) for _, folders, _ in os.walk(self.folder / "root")),
            "sockets": len(os.listdir(self.folder / "s")),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": threading.active_count(),
            "template's descriptors": len(os.listdir(f"/proc/{self.forks.pid}/fd")),
        }

    def fifo(self, name):
        path = self.folder / name
        os.mkfifo(path)
        return str(path)


def spec(id, args, root, *, terminal=False, annotations=None):
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": terminal,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": [f"PATH={PATH}"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": str(root)},
        "annotations": annotations or {},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            # Others may run the same tests at the same time.
            "cgroupsPath": f"/boxship-tests-{root.parents[1].name}-{id}",
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        },
    }


def read_until_end(fd, timeout=15.0):
    """Everything from a FIFO opened without waiting, until its writers are gone."""
    import select

    said, deadline = b"", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if select.select([fd], [], [], 0.5)[0]:
            data = os.read(fd, 65536)
            if not data:
                return said
            said += data
    raise AssertionError(f"no end, but {said[-200:]!r}")


def process(*args):
    value = {"args": list(args), "env": [f"PATH={PATH}"], "cwd": "/", "user": {"uid": 0, "gid": 0}}
    return TypedBytes(
        type_url="types.containerd.io/opencontainers/runtime-spec/1/Process", value=json.dumps(value).encode()
    )


def ended(pid, timeout=10.0):
    """Whether a process is gone in time. Its parent may be slow to take note."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if leftovers.started_at(pid) is None:
            return True
        time.sleep(0.002)
    return False


def settles(measure, wanted, timeout=10.0):
    """Wait until a measure is as wanted."""
    deadline = time.monotonic() + timeout
    while (found := measure()) != wanted:
        assert time.monotonic() < deadline, {
            key: (wanted[key], found[key]) for key in wanted if wanted[key] != found[key]
        }
        time.sleep(0.01)
