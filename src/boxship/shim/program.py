"""A foreign OCI runtime, called as runc is called: `runc --root … --log … create --bundle … ID` and so on.

What went wrong is the last error in its log, in runc's JSON form; its exit status says only that something did.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from boxship.linux import cgroups, sockets
from boxship.shim import runtimes, specs
from boxship.terms import errors

LOG_LIMIT = 1 << 20
OUTPUT_LIMIT = 64 * 1024
CONSOLE_SECONDS = 30.0
_FINISHED = ("os: process already finished", "container not running", "no such process")


class ProgramRuntime:
    """See `runtimes.Runtime`."""

    def __init__(
        self,
        *,
        binary: str,
        root: str,
        id: str,
        bundle: str,
        sockets: str,
        systemd_cgroup: bool = False,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
    ) -> None:
        """Args:

        root: the runtime's state folder, the namespace included.
        sockets: a folder of ours with a short path, for console sockets.
        """
        self._id, self._bundle, self._sockets = id, bundle, sockets
        self._log = os.path.join(bundle, "log.json")
        self._command = [binary, "--root", root, "--log", self._log, "--log-format", "json"]
        if systemd_cgroup:
            self._command.append("--systemd-cgroup")
        self._create_options = ["--no-pivot"] * no_pivot + ["--no-new-keyring"] * no_new_keyring
        self._numbers = itertools.count(1)
        self._shares_pids = specs.shares_pids(specs.read(bundle))
        self._left = False  # whether the last command to leave a process behind has done so
        self.cgroup: cgroups.Cgroup | None = None

    def state(self) -> dict[str, Any]:
        if self.cgroup is None:
            return {}
        return {"paths": dict(self.cgroup.paths), "version": self.cgroup.version}

    def restore(self, state: Mapping[str, Any]) -> None:
        if state:
            self.cgroup = cgroups.Cgroup(paths=state["paths"], version=state["version"])

    @property
    def shares_pids(self) -> bool:
        return self._shares_pids

    def create(self, given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        pid_file = os.path.join(self._bundle, "init.pid")
        command = ["create", "--bundle", self._bundle, "--pid-file", pid_file, *self._create_options]
        started = self._launch(command, [self._id], pid_file, given, terminal, "OCI runtime create failed")
        with contextlib.suppress(OSError):  # it may have ended already
            self.cgroup = cgroups.of_process(started.pid)
        return started

    def start(self) -> None:
        self._call(["start", self._id], "OCI runtime start failed")

    def execute(self, process: Mapping[str, Any], given: runtimes.Given, *, terminal: bool) -> runtimes.Started:
        base = os.path.join(self._bundle, f".exec-{os.getpid()}.{next(self._numbers)}")
        pid_file, process_file = f"{base}.pid", f"{base}.json"
        try:
            with open(process_file, "w", encoding="utf-8") as file:
                json.dump({**process, "terminal": terminal}, file)
            command = ["exec", "--process", process_file, "--detach", "--pid-file", pid_file]
            return self._launch(command, [self._id], pid_file, given, terminal, "OCI runtime exec failed")
        except BaseException:
            if self._left:
                with contextlib.suppress(OSError, ValueError):
                    os.kill(_read_pid(pid_file), signal.SIGKILL)
            raise
        finally:
            for path in (process_file, pid_file):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def kill(self, number: int, *, everyone: bool) -> None:
        status, output = self._run(["kill", *(["--all"] if everyone else []), self._id, str(number)])
        if not status:
            return
        said = output.lower()
        if any(text in said for text in _FINISHED):
            raise errors.NotFound("process already finished")
        if "does not exist" in said:
            raise errors.NotFound("no such container")
        raise runtimes.Failed(f"unknown error after kill: {_said(status, output)}")

    def pause(self) -> None:
        self._call(["pause", self._id], "OCI runtime pause failed")

    def resume(self) -> None:
        self._call(["resume", self._id], "OCI runtime resume failed")

    def update(self, resources: Mapping[str, Any]) -> None:
        wanted = os.memfd_create("resources", os.MFD_CLOEXEC)
        try:
            os.write(wanted, json.dumps(resources).encode())
            os.lseek(wanted, 0, os.SEEK_SET)
            self._call(["update", "--resources", "-", self._id], "OCI runtime update failed", stdin=wanted)
        finally:
            os.close(wanted)

    def checkpoint(self, path: str, options: Mapping[str, Any]) -> None:
        work = options.get("work_path") or os.path.join(self._bundle, "work", "criu-work")
        command = ["checkpoint", "--image-path", path, "--work-path", work]
        command += [] if options.get("exit") else ["--leave-running"]
        for flag, name in (
            ("open_tcp", "--tcp-established"),
            ("external_unix_sockets", "--ext-unix-sk"),
            ("terminal", "--shell-job"),
            ("file_locks", "--file-locks"),
        ):
            command += [name] if options.get(flag) else []
        for namespace in options.get("empty_namespaces") or ():
            command += ["--empty-ns", namespace]
        self._call([*command, self._id], "OCI runtime checkpoint failed")

    def pids(self) -> list[int]:
        return self.cgroup.pids() if self.cgroup is not None else []

    def delete(self, *, force: bool) -> None:
        if force and not self._left:  # it could be another's of the same name
            return
        status, output = self._run(["delete", *(["--force"] if force else []), self._id])
        if status and "does not exist" not in output:
            raise runtimes.Failed(f"failed to delete task: {self._reason(status, output)}")

    def _launch(
        self,
        command: Sequence[str],
        operands: Sequence[str],
        pid_file: str,
        given: runtimes.Given,
        terminal: bool,
        what: str,
    ) -> runtimes.Started:
        """Run a command that leaves a process behind, which has become our child since we are its subreaper."""
        self._left = False
        if not terminal:
            self._call([*command, *operands], what, stdio=given)
            self._left = True
            return runtimes.Started(pid=_read_pid(pid_file))
        path = os.path.join(self._sockets, f"c{os.getpid()}.{next(self._numbers)}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            try:
                listener.listen(1)
                listener.settimeout(CONSOLE_SECONDS)
                self._call([*command, "--console-socket", path, *operands], what)
                self._left = True
                return runtimes.Started(pid=_read_pid(pid_file), console=_receive_console(listener))
            finally:
                os.unlink(path)

    def _call(
        self, arguments: Sequence[str], what: str, *, stdio: runtimes.Given | None = None, stdin: int | None = None
    ) -> None:
        status, output = self._run(arguments, stdio=stdio, stdin=stdin)
        if status:
            raise runtimes.Failed(f"{what}: {self._reason(status, output)}")

    def _run(
        self, arguments: Sequence[str], *, stdio: runtimes.Given | None = None, stdin: int | None = None
    ) -> tuple[int, str]:
        """Exit status and output of one call. Its output is the container's when `stdio` is given, and not ours."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            output = os.memfd_create("output", os.MFD_CLOEXEC)
        except OSError:
            os.close(null)
            raise
        fds = stdio or (null if stdin is None else stdin, output, output)
        try:
            pid = os.posix_spawnp(
                self._command[0],
                [*self._command, *arguments],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in enumerate(fds)],
                setsigmask=(),
            )
            _, raw = os.waitpid(pid, 0)
            return os.waitstatus_to_exitcode(raw), os.pread(output, OUTPUT_LIMIT, 0).decode("utf-8", "replace").strip()
        except OSError as error:
            words = os.strerror(error.errno or 0)
            text = f"fork/exec {self._command[0]}: {words[:1].lower()}{words[1:]}"
            # As containerd's shim, which looks into the log first and finds none.
            unread = f"unable to retrieve OCI runtime error (open {self._log}: no such file or directory)"
            raise runtimes.Failed(f"OCI runtime {arguments[0]} failed: {unread}: {text}") from error
        finally:
            os.close(output)
            os.close(null)

    def _reason(self, status: int, output: str) -> str:
        try:
            return self._last_logged() or _said(status, output)
        except (OSError, ValueError) as error:
            return f"unable to retrieve OCI runtime error ({error}): {_said(status, output)}"

    def _last_logged(self) -> str:
        with open(self._log, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_LIMIT))
            lines = log.read(LOG_LIMIT).splitlines()
        for line in reversed(lines):
            entry = json.loads(line) if line.strip() else {}
            if isinstance(entry, dict) and entry.get("level") == "error":
                return str(entry.get("msg", "")).strip()
        return ""


def _said(status: int, output: str) -> str:
    how = f"exit status {status}" if status > 0 else f"signal: {signal.Signals(-status).name}"
    return f"{how}: {json.dumps(output)}" if output else how


def _read_pid(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read(32))


def _receive_console(listener: socket.socket) -> int:
    try:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(CONSOLE_SECONDS)
            _, fds = sockets.receive(connection)
    except OSError as error:
        raise runtimes.Failed(f"failed to retrieve console master: {error}") from error
    if len(fds) != 1:
        for fd in fds:
            os.close(fd)
        raise runtimes.Failed(f"failed to retrieve console master: {len(fds)} descriptors came")
    return fds[0]


_: type[runtimes.Runtime] = ProgramRuntime
