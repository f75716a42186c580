"""An engine: the parts of a daemon, made and answering. With listeners it is boxshipd, without them it is embedded."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from boxship.core import kinds
from boxship.daemon import builtins, introspect, listeners, locks, processes, settings
from boxship.rpc import server
from boxship.wire import errors as wire_errors
from boxship.wire import methods
from boxship.wiring import assembly, parts, strangers

_log = logging.getLogger(__name__)
SWITCH_INTERVAL = 0.0002  # seconds; with Python's 5 ms a short call behind a long computation takes 10 ms


class Incomplete(Exception):
    """A part that the configuration requires is not there; the message says which and why."""


class Engine:
    """All parts of one daemon over one root. A context manager; closing it leaves containers running.

    Several threads may use it.
    """

    def __init__(self, told: settings.Settings, *, rested: Callable[[], object] | None = None) -> None:
        """Take the folders and make the parts; nobody listens yet. `rested` is called when nothing was asked for a second.

        Raises:
            locks.Held: another daemon has the root or the state folder.
            Incomplete: a required part is missing.
            wiring.sections.BadValue: a setting of a part cannot be.
        """
        self.settings = told
        self._rested = rested
        self._locks: list[locks.FolderLock] = []
        self._servers: dict[str, server.Server] = {}
        self._sockets: list[str] = []
        self._for_shims: socket.socket | None = None
        self.assembly = assembly.Assembly()
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL))
        try:
            self._take_folders()
            self._assemble()
            self._answer()
        except BaseException:
            self.close(0)
            raise

    def connect(self) -> socket.socket:
        """A connection on which this engine answers gRPC."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._servers["grpc"].adopt(ours, protocol="grpc")
        return theirs

    def listen_to_shims(self) -> None:
        """They can connect from now on, and are answered after `answer_shims`. Raises listeners.Refused."""
        ttrpc = self.settings.ttrpc
        self._for_shims = self._socket(ttrpc.address, ttrpc.uid, ttrpc.gid)

    def answer_shims(self) -> None:
        """Let them tell what they have kept for us."""
        if self._for_shims is not None:
            self._servers["ttrpc"].serve(self._for_shims, protocol="ttrpc")
            self._for_shims = None

    def listen_to_clients(self) -> None:
        """Raises listeners.Refused."""
        grpc = self.settings.grpc
        local = self._socket(grpc.address, grpc.uid, grpc.gid)
        if grpc.tcp_address:  # first, so that whoever finds the socket finds the port as well
            context = None
            if grpc.tcp_tls_cert or grpc.tcp_tls_key or grpc.tcp_tls_ca:
                context = listeners.tls(grpc.tcp_tls_cert, grpc.tcp_tls_key, grpc.tcp_tls_ca)
            self._servers["grpc"].serve(listeners.tcp(grpc.tcp_address), protocol="grpc", tls=context)
        self._servers["grpc"].serve(local, protocol="grpc")

    def close(self, grace: float = 5.0) -> None:
        """Answer what is being asked for at most `grace` seconds, then let everything go. Containers go on."""
        for path in self._sockets:  # first, so that nobody comes while we go
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._sockets.clear()
        if self._for_shims is not None:
            self._for_shims.close()
            self._for_shims = None
        health: Any = self.assembly.all(kinds.GRPC).get("healthcheck")
        if health is not None:
            health.stop()
        for each in self._servers.values():
            each.shutdown(grace)
        self._servers.clear()
        self.assembly.close()
        while self._locks:
            self._locks.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _socket(self, address: str, uid: int, gid: int) -> socket.socket:
        made = listeners.unix(address, uid=uid, gid=gid)
        self._sockets.append(address.removeprefix("unix://"))
        return made

    def _take_folders(self) -> None:
        for folder, mode in ((self.settings.root, 0o700), (self.settings.state, 0o711)):
            listeners.folder(folder, mode)
            self._locks.append(locks.FolderLock(folder))

    def _assemble(self) -> None:
        places = kinds.Places(
            root=Path(self.settings.root),
            state=Path(self.settings.state),
            grpc=self.settings.grpc.address,
            ttrpc=self.settings.ttrpc.address,
        )
        itself = introspect.Introspection(places.folder(kinds.GRPC, "introspection"))
        disabled = frozenset(self.settings.disabled_plugins)
        self.assembly = assembly.assemble(
            (*builtins.BUILTINS, *strangers.found()),
            disabled=lambda uri: uri in disabled,
            settings=self.settings.plugins,
            given=(
                _given(kinds.PLACES, places),
                _given(kinds.INTROSPECTION, itself),
                _given(kinds.FORKS, processes.forks()),
            ),
        )
        itself.describe(self.assembly)
        self._require()

    def _require(self) -> None:
        made = {part.uri: part for part in self.assembly.tried}
        for uri in self.settings.required_plugins:
            part = made.get(uri)
            if part is None or part.state is not parts.State.MADE:
                reason = part.reason if part is not None else "there is no such part, or it is disabled"
                raise Incomplete(f"required plugin {uri} is not there: {reason}")

    def _answer(self) -> None:
        for protocol, kind in (("grpc", kinds.GRPC), ("ttrpc", kinds.TTRPC)):
            handlers = [
                handler
                for adapter in self.assembly.all(kind).values()
                for handler in methods.handlers(adapter.SERVICE, adapter)
            ]
            self._servers[protocol] = server.Server(handlers, translate=wire_errors.to_status, rested=self._rested)


def embed(root: str | os.PathLike[str], state: str | os.PathLike[str], **sections: Mapping[str, Any]) -> Engine:
    """An engine inside this program: no socket for clients, the caller connects by `Engine.connect`.

    Shims find it by a socket in the state folder. `sections` are further tables of settings.Settings, such as
    `plugins={...}`.

    Raises:
        locks.Held: another engine has one of the folders.
    """
    folder = os.path.abspath(state)
    told: dict[str, Any] = {"disabled_plugins": (), **sections}
    engine = Engine(
        settings.Settings(
            root=os.path.abspath(root),
            state=folder,
            grpc=settings.Grpc(address=os.path.join(folder, "boxship.sock"), uid=os.geteuid(), gid=os.getegid()),
            ttrpc=settings.Ttrpc(
                address=os.path.join(folder, "boxship.sock.ttrpc"), uid=os.geteuid(), gid=os.getegid()
            ),
            **told,
        )
    )
    try:
        engine.listen_to_shims()
        engine.answer_shims()
    except BaseException:
        engine.close(0)
        raise
    return engine


def _given(kind: Any, value: Any) -> parts.Part:
    return parts.Part(kind=kind.uri, name="given", state=parts.State.MADE, value=value)
