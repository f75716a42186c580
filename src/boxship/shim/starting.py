"""`start`: the shim of a bundle, or that of its group, for a daemon which is not ours."""

import errno
import hashlib
import json
import os
import socket
import sys
from dataclasses import dataclass

from boxship.api import bootstrap_pb2
from boxship.shim import endpoint
from boxship.terms import errors

DEFAULT_SOCKETS = "/run/containerd/s"
GROUPS = ("io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id")
"""Annotations that name the group whose containers share a shim, in the order in which they count."""

_LIMIT = 4 << 20


@dataclass(slots=True, kw_only=True)
class Wish:
    """What the daemon wants.

    Attributes:
        daemon: its gRPC socket.
        ttrpc: its ttrpc socket, where events go.
        modern: whether it spoke as daemons do since 2.3, and reads JSON.
    """

    id: str
    namespace: str
    bundle: str
    daemon: str = ""
    ttrpc: str = ""
    sockets: str = DEFAULT_SOCKETS
    modern: bool = False


def read_stdin() -> bytes:
    """What the daemon wrote for us; nothing from a terminal."""
    return b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read(_LIMIT)


def read_wish(said: bytes, *, id: str, namespace: str, bundle: str) -> Wish:
    """Out of BootstrapParams (since 2.3); an Any of runtime options, or nothing, says nothing about the start."""
    wish = Wish(id=id, namespace=namespace, bundle=bundle)
    try:
        params = bootstrap_pb2.BootstrapParams.FromString(said)
    except Exception:  # each implementation of protobuf has its own class for it
        return wish
    if (params.instance_id, params.namespace) != (id, namespace):
        return wish  # an Any, whose fields have these numbers, too
    wish.modern = True
    wish.daemon = params.containerd_grpc_address
    wish.ttrpc = params.containerd_ttrpc_address
    wish.sockets = params.socket_dir or DEFAULT_SOCKETS
    return wish


def start(wish: Wish) -> bytes:
    """The answer for the daemon, when the shim can be called. Raises OSError, errors.Error."""
    name = os.path.join(wish.daemon, wish.namespace, _group(wish))
    os.makedirs(wish.sockets, 0o700, exist_ok=True)
    path = os.path.join(wish.sockets, hashlib.sha256(name.encode()).hexdigest())
    listener = _listen(path)
    if listener is not None:
        with listener:
            try:
                _spawn(wish, path, listener)
            except BaseException:
                os.unlink(path)
                raise
    address = f"unix://{path}"
    with open(os.path.join(wish.bundle, "address"), "w", encoding="utf-8") as file:
        file.write(address)
    if wish.modern:
        return json.dumps({"version": 3, "address": address, "protocol": "ttrpc"}).encode()
    return address.encode()


def _spawn(wish: Wish, path: str, listener: socket.socket) -> None:
    from boxship.zygote import client

    forks = client.Zygote({"shim": "boxship.shim.run:run"}, environment=dict(os.environ))
    try:
        forks.spawn(
            "shim",
            {
                "namespace": wish.namespace,
                "id": wish.id,
                "bundle": wish.bundle,
                "address": path,
                "ttrpc_address": wish.ttrpc,
            },
            [listener.fileno()],
        )
    finally:
        forks.close()


def _group(wish: Wish) -> str:
    try:
        with open(os.path.join(wish.bundle, "config.json"), "rb") as file:
            annotations = json.loads(file.read(_LIMIT)).get("annotations") or {}
    except (OSError, ValueError) as error:
        raise errors.Unknown(f"failed to read the container's configuration: {error}") from error
    return next((annotations[name] for name in GROUPS if annotations.get(name)), wish.id)


def _listen(path: str) -> socket.socket | None:
    """None when the group has a shim that listens already."""
    try:
        return endpoint.listen(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return endpoint.listen(path)
    return None
