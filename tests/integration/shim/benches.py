"""A shim in a process of its own, called over ttrpc; and somebody who listens to its events."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import threading
import time

from boxship.api import any_pb2, event_types_pb2, runc_options_pb2, task_v3_pb2, ttrpc_events_pb2
from boxship.rpc.ttrpc import client, server
from boxship.shim import endpoint, leftovers
from boxship.wire import methods

BUSYBOX = pathlib.Path("/bin/busybox")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Listener:
    """The daemon's ttrpc socket, as far as a shim sees it."""

    def __init__(self, path):
        self.path = path
        self.envelopes = []
        self._changed = threading.Condition()
        self._sockets = []
        self.start()

    def start(self, *, rest=0.0):
        """`rest`: as of boxship.shim.run; with 0 there is a new worker for each thing to do."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        """Go away as a killed daemon does."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self.path)
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def wait(self, predicate, timeout=10.0):
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self.topics), timeout):
                raise AssertionError(f"events so far: {self.topics}")
        return self.topics

    @property
    def topics(self):
        return [envelope.topic for envelope in self.envelopes]

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._sockets.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        protocol = server.ServerConnection()
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                for event in protocol.receive(data):
                    request = ttrpc_events_pb2.ForwardRequest.FromString(event.envelope.payload)
                    assert event.envelope.metadata["containerd-namespace-ttrpc"] == (request.envelope.namespace,)
                    with self._changed:
                        self.envelopes.append(request.envelope)
                        self._changed.notify_all()
                    protocol.respond(event.stream, b"")
                connection.sendall(protocol.take())
        connection.close()


class Failure(Exception):
    """What a call ended with."""

    def __init__(self, status):
        super().__init__(status.message)
        self.code, self.message = status.code, status.message


class Tasks:
    """A client of the task API: `tasks("Create", id=…)`. Calls may be pending together, see `begin`."""

    def __init__(self, path, edition=task_v3_pb2):
        self._pb = edition
        self._table = methods.of(edition.DESCRIPTOR.services_by_name["Task"])
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._protocol = client.ClientConnection()
        self._answers = {}

    def __call__(self, name, **fields):
        return self.end(self.begin(name, **fields))

    def begin(self, name, **fields):
        method = self._table[name]
        descriptor = next(
            each for each in self._pb.DESCRIPTOR.services_by_name["Task"].methods if each.name == name
        ).input_type
        request = getattr(self._pb, descriptor.name)(**fields)
        stream = self._protocol.request(method.service, method.name, method.encode_request(request))
        self._socket.sendall(self._protocol.take())
        return stream, method

    def end(self, call):
        stream, method = call
        while stream not in self._answers:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the shim closed the connection")
            for event in self._protocol.receive(data):
                self._answers[event.stream] = event
        answer = self._answers.pop(stream)
        if answer.status is not None:
            raise Failure(answer.status)
        return method.decode_response(answer.payload)

    def close(self):
        self._socket.close()


class Bench:
    """One shim and the means to use it."""

    def __init__(self, zygote, folder, listener, *, binary=""):
        self.folder, self.listener, self.binary = folder, listener, binary
        self._zygote = zygote
        self._fifos = {}
        self.bundles = []
        self.pid = 0

    def start(self, *, rest=0.0):
        """`rest`: as of boxship.shim.run; with 0 there is a new worker for each thing to do."""
        self.address = str(self.folder / "s")
        bundle = self.bundle("first")
        listening = endpoint.listen(self.address)
        arguments = {
            "namespace": "tests",
            "id": "first",
            "bundle": str(bundle),
            "address": self.address,
            "ttrpc_address": self.listener.path,
            "runtime_root": str(self.folder / "runc"),
            "rest": rest,
        }
        self.pid = self._zygote.spawn("shim", arguments, [listening.fileno()])
        listening.close()
        self.tasks = Tasks(self.address)
        return self

    def bundle(self, id, args=("true",), process=(), **changes):
        """A bundle with a root file system of busybox alone; returns its folder. `process`: changes of that object."""
        bundle = self.folder / id
        if not bundle.exists():
            bundle.mkdir(mode=0o700)
            root = bundle / "rootfs"
            for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
                (root / name).mkdir(parents=True)
            shutil.copy(BUSYBOX, root / "bin/busybox")
            for applet in ("sh", "true", "false", "echo", "sleep", "cat", "kill", "stty", "dd", "ls", "seq", "id"):
                (root / "bin" / applet).symlink_to("busybox")
            (bundle / "work").mkdir()
            self.bundles.append(bundle)
        made = spec(id, args, **changes)
        made["process"].update(process)
        # Others may run the same tests at the same time.
        made["linux"]["cgroupsPath"] = f"/boxship-tests-{self.folder.name}-{id}"
        (bundle / "config.json").write_text(json.dumps(made))
        return bundle

    def create(self, id, args=("true",), *, tasks=None, options=None, changes=None, process=(), **io):
        bundle = self.bundle(id, args, process, terminal=io.get("terminal", False), **(changes or {}))
        wanted = runc_options_pb2.Options(binary_name=self.binary, **(options or {}))
        packed = any_pb2.Any(type_url="containerd.runc.v1.Options", value=wanted.SerializeToString())
        return (tasks or self.tasks)("Create", id=id, bundle=str(bundle), options=packed, **io)

    def fifo(self, name):
        path = self.folder / name
        os.mkfifo(path)
        return str(path)

    @staticmethod
    def exit(value):
        return event_types_pb2.TaskExit.FromString(value)

    def workers(self):
        """Processes of the shim that are no containers'."""
        found = []
        for pid in pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                # what is created and not started has their name, too
                if os.getsid(int(pid)) == os.getsid(self.pid):
                    found.append(int(pid))
        return found

    def descriptors(self):
        """What the shim has open."""
        return sorted(os.readlink(f"/proc/{self.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.pid}/fd"))

    def has_ended(self, timeout=10.0):
        """Whether the shim's process is gone in time. Its parent may be slow to take note."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if leftovers.started_at(self.pid) is None:
                return True
            time.sleep(0.002)
        return False

    def close(self):
        """End whatever a test left, and the shim."""
        with contextlib.suppress(OSError, Failure):
            self.tasks.close()
            tasks = Tasks(self.address)
            for bundle in self.bundles:
                with contextlib.suppress(Failure):
                    tasks("Kill", id=bundle.name, signal=9, all=True)
                    tasks("Wait", id=bundle.name)
                with contextlib.suppress(Failure):
                    tasks("Delete", id=bundle.name)
            tasks("Shutdown", id="first")
            tasks.close()
        for bundle in self.bundles:
            leftovers.clear(str(bundle))  # of a shim that is dead


def spec(id, args, *, terminal=False, namespaces=("pid", "ipc", "uts", "mount", "network"), **more):
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": terminal,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": [f"PATH={PATH}", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {kind: ["CAP_KILL"] for kind in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            },
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in namespaces],
            "resources": {"devices": [{"allow": False, "access": "rwm"}], **more.pop("resources", {})},
        },
        **more,
    }


def read_until_end(fd, timeout=15.0):
    """Everything from a FIFO opened without waiting, until its writers are gone."""
    said, deadline = b"", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if select.select([fd], [], [], 0.2)[0]:
            data = os.read(fd, 1 << 20)
            if not data:
                return said
            said += data
    raise AssertionError(f"no end, but {said[-200:]!r}")


def exec_spec(*args, terminal=False):
    process = {"args": list(args), "env": [f"PATH={PATH}"], "cwd": "/", "terminal": terminal}
    process["user"] = {"uid": 0, "gid": 0}
    return any_pb2.Any(type_url="types.containerd.io/process", value=json.dumps(process).encode())
