"""Asking for processes."""

import contextlib
import errno
import json
import logging
import os
import resource
import site
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from boxship.linux import memfds
from boxship.zygote import template

_log = logging.getLogger(__name__)
_DEFAULT_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Zygote:
    """A template process and the way to it. Many threads may ask; each request is answered before the next begins.

    The template is started by `start`, or by the first `spawn`; one that has died is replaced. It leaves when this
    process does, however it ends; the processes that came of it live on.
    """

    def __init__(
        self,
        entries: Mapping[str, str],
        *,
        environment: Mapping[str, str] | None = None,
        path: Sequence[str] | None = None,
        timeout: float = 10.0,
        descriptors: tuple[int, int] | None = None,
        spare: str | None = None,
    ) -> None:
        """Args:

        entries: names of entry points and where they are, `{"shim": "boxship.shim.main:run"}`. An entry point is
            called as `function(arguments, fds)` with fds in the order in which they were handed over. A function
            `prepare` of its module is called in the template, for all children.
        environment: of the processes; a PATH and nothing else by default.
        path: what is appended to `sys.path` there; by default where this package and installed packages are, never
            what PYTHONPATH or the working folder added.
        timeout: seconds to wait for one answer before the template is replaced.
        descriptors: how many they may have (RLIMIT_NOFILE, soft and hard); by default as many as we.
        spare: the entry point of which one process is forked ahead, so that the next request finds it ready. Its
            module has a function `stand_by(receive)`, where `receive()` waits for a request and returns arguments
            and fds.
        """
        self._entries = dict(entries)
        self._environment = dict(_DEFAULT_ENVIRONMENT if environment is None else environment)
        self._path = list(_module_path() if path is None else path)
        self._timeout, self._spare = timeout, spare
        self._descriptors = descriptors
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The template's pid, None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the template without waiting until it is ready."""
        with self._lock:
            if self._socket is None:
                self._launch()

    def spawn(self, entry: str, arguments: Mapping[str, Any] | None = None, fds: Sequence[int] = ()) -> int:
        """Have a new process run an entry point; returns its pid. The descriptors stay the caller's, too.

        Args:
            entry: a name out of `entries`.
            arguments: JSON values, 64 KiB at most.
            fds: 64 at most; the process finds copies of them, close-on-exec, in `fds`.

        Raises:
            ValueError: no such entry point, or too much to hand over.
            OSError: there is no process to be had.
        """
        if entry not in self._entries:
            raise ValueError(f"the zygote has no entry point {entry!r}, only {', '.join(sorted(self._entries))}")
        packet = b"%b\n%b" % (entry.encode(), json.dumps(dict(arguments or {})).encode())
        if len(packet) > template.MAX_PACKET:
            raise ValueError(f"arguments of {len(packet)} bytes for {entry}: at most {template.MAX_PACKET} can be sent")
        if len(fds) > template.MAX_DESCRIPTORS:
            raise ValueError(f"{len(fds)} descriptors for {entry}: at most {template.MAX_DESCRIPTORS} can be sent")
        with self._lock:
            try:
                return self._ask(packet, fds)
            except ConnectionError:
                # It died, now or some time ago. Whoever holds the socket answers before letting go of it, so without
                # an answer there is no process, and asking again cannot make two.
                _log.warning("the zygote has gone away; starting another")
                self._drop()
                return self._ask(packet, fds)

    def close(self) -> None:
        """End the template. Its children stay."""
        with self._lock:
            self._closed = True
            self._drop()

    def _ask(self, packet: bytes, fds: Sequence[int]) -> int:
        if self._socket is None:
            self._launch()
        assert self._socket is not None
        try:
            if not self._ready:
                self._receive(self._socket)
                self._ready = True
            socket.send_fds(self._socket, [packet], list(fds), socket.MSG_NOSIGNAL)
            pid: int = self._receive(self._socket)["pid"]
        except TimeoutError:
            self._drop()
            raise
        return pid

    def _receive(self, connection: socket.socket) -> dict[str, Any]:
        packet = connection.recv(template.MAX_PACKET)
        if not packet:
            raise ConnectionResetError(errno.ECONNRESET, "the zygote has gone away")
        answer: dict[str, Any] = json.loads(packet)
        if "error" in answer:
            raise OSError(answer.get("errno", errno.EIO), f"zygote: {answer['error']}")
        return answer

    def _launch(self) -> None:
        if self._closed:
            raise OSError(errno.ESHUTDOWN, "the zygote has been closed")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.closing(theirs):
            try:
                self._process = _execute(theirs, self._environment)
                if self._descriptors is not None:  # it has no children before it has read what we send
                    resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, self._descriptors)
                ours.settimeout(self._timeout)
                wanted = {"path": self._path, "entries": self._entries, "spare": self._spare}
                ours.send(json.dumps(wanted).encode())
            except BaseException:
                ours.close()
                raise
        self._socket, self._ready = ours, False

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _execute(theirs: socket.socket, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # The children run from a copy that nobody can change: a container that finds a way to /proc/PID/exe of the process
    # that made it finds no way to the host's interpreter (CVE-2019-5736).
    copy = memfds.sealed_copy(os.path.realpath(sys.executable), "boxship-zygote")
    # -I: no PYTHON* variables, no user site, no folder of the script on the path. -S: no .pth files.
    arguments = [sys.executable, "-I", "-S", "-X", "utf8", template.__file__, str(theirs.fileno()), str(copy)]
    variables = dict(environment)
    if directories := _library_directories():
        variables["LD_LIBRARY_PATH"] = ":".join(directories)
    try:
        return subprocess.Popen(
            arguments,
            executable=f"/proc/self/fd/{copy}",
            pass_fds=(theirs.fileno(), copy),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None,
            env=variables,
            start_new_session=True,
        )
    finally:
        os.close(copy)


def _library_directories() -> list[str]:
    """Where this process found its libpython, if it has one.

    A copy in memory has no folder, so the dynamic linker cannot find a library that the program names relative to
    itself ($ORIGIN, see ld.so(8)).
    """
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {fields[5].rstrip("\n") for line in maps if len(fields := line.split(None, 5)) > 5}
    return sorted({os.path.dirname(path) for path in paths if os.path.basename(path).startswith("libpython")})


def _module_path() -> list[str]:
    """Where our package is and where packages are installed; not what the environment or the working folder added."""
    places = [_PACKAGE_PARENT]
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    if site.ENABLE_USER_SITE:
        installed.add(site.getusersitepackages())
    places += [place for place in sys.path if place in installed]
    return list(dict.fromkeys(places))
