"""A small real registry on a loopback port, for tests, for trying things out and for `./dev run`.

    with Registry() as registry:
        root = registry.push_image("demo/hello", "v1", [layer])
        ... f"{registry.host}/demo/hello:v1" ...

It speaks the OCI distribution-spec v1.1 (pull, push in one or many pieces, mounts, ranges, tags, catalog, deletion),
with basic or bearer authentication and TLS when asked for, and misbehaves on request (`fail`). It is no registry for
the world: no quotas, no garbage collection, and it trusts who may reach it.
"""

import dataclasses
import gzip
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from boxship.terms import digests, oci, platforms
from boxship.testing import registry_desk, registry_handler, registry_storage, registry_tokens

Seen = registry_desk.Seen
Fault = registry_desk.Fault


class Registry:
    """Listens from construction to `close`; a context manager.

    Args:
        folder: keeps the content there, for large images and for next time; without it content lives in memory.
        accounts: user names and passwords; without any everybody may do everything.
        challenge: how to ask for them.
        tls: files with certificate and key.
        address, port: where to listen; port 0 takes a free one.
    """

    def __init__(
        self,
        folder: str | None = None,
        *,
        accounts: Mapping[str, str] | None = None,
        challenge: Literal["basic", "bearer"] = "bearer",
        tls: tuple[str, str] | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.desk = registry_desk.Desk(
            storage=registry_storage.Storage(folder), tokens=registry_tokens.Tokens(dict(accounts or {}), challenge)
        )
        self.scheme = "https" if tls else "http"
        self._server = _Server((address, port), registry_handler.Handler)
        self._server.desk = self.desk
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.tls = context
        self.host = f"{address}:{self._server.server_address[1]}"
        self.desk.url = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="registry", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Registry({self.host})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def close(self) -> None:
        """Stop listening and end all connections."""
        self.desk.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    # Misbehaviour

    @property
    def tokens(self) -> registry_tokens.Tokens:
        """The accounts, and how tokens are given out."""
        return self.desk.tokens

    @property
    def storage(self) -> registry_storage.Storage:
        return self.desk.storage

    def fail(self, fault: registry_desk.Fault) -> None:
        """Misbehave from now on; the oldest fault that fits a request is used first."""
        self.desk.fail(fault)

    def requests(self, method: str = "", path: str = "") -> list[registry_desk.Seen]:
        """The requests that came, by method and a regular expression for the path."""
        return self.desk.requests(method, path)

    # Content

    def put_blob(self, repository: str, data: bytes, media_type: str = oci.LAYER) -> oci.Descriptor:
        """Store a blob, as if it had been pushed."""
        digest = digests.of(data)
        self.storage.put(repository, digest, data)
        return oci.Descriptor(media_type=media_type, digest=digest, size=len(data))

    def put_manifest(self, repository: str, name: str, document: oci.Manifest | oci.Index) -> oci.Descriptor:
        """Store a manifest or index under a tag, or with an empty name under its digest only."""
        data = json.dumps(document.to_json(), separators=(",", ":")).encode()
        digest = self.storage.put_manifest(repository, name, data, document.media_type)
        return oci.Descriptor(media_type=document.media_type, digest=digest, size=len(data))

    def push_image(
        self,
        repository: str,
        tag: str,
        layers: Sequence[bytes],
        config: Mapping[str, Any] | None = None,
        *,
        platform: platforms.Platform | None = None,
        docker: bool = False,
    ) -> oci.Descriptor:
        """Store an image.

        Args:
            repository: its name on this registry.
            tag: an empty one gives it none.
            layers: tar archives, lowest first, plain or compressed with gzip or zstd.
            config: the `config` of the image: Cmd, Env, WorkingDir...
            platform: what it runs on; this machine by default.
            docker: with Docker's media types instead of OCI's.

        Returns:
            Its manifest's descriptor.
        """
        runs_on = platform or platforms.default()
        image: dict[str, Any] = oci.platform_to_json(runs_on)
        image |= {
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [_diff_id(each) for each in layers]},
        }
        image["history"] = [{"created_by": "boxship.testing"} for _ in layers]
        manifest = oci.Manifest(
            media_type=oci.DOCKER_MANIFEST if docker else oci.MANIFEST,
            config=self.put_blob(repository, json.dumps(image).encode(), oci.DOCKER_CONFIG if docker else oci.CONFIG),
            layers=tuple(self.put_blob(repository, each, _layer_type(each, docker=docker)) for each in layers),
        )
        return dataclasses.replace(self.put_manifest(repository, tag, manifest), platform=runs_on)

    def push_index(self, repository: str, tag: str, manifests: Sequence[oci.Descriptor]) -> oci.Descriptor:
        """Store an index of images that are there."""
        return self.put_manifest(repository, tag, oci.Index(media_type=oci.INDEX, manifests=tuple(manifests)))


_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP = b"\x1f\x8b"


def _layer_type(data: bytes, *, docker: bool) -> str:
    if data.startswith(_GZIP):
        return oci.DOCKER_LAYER_GZIP if docker else oci.LAYER_GZIP
    if data.startswith(_ZSTD):
        return oci.DOCKER_LAYER_ZSTD if docker else oci.LAYER_ZSTD
    return oci.DOCKER_LAYER if docker else oci.LAYER


def _diff_id(data: bytes) -> str:
    if data.startswith(_GZIP):
        return digests.of(gzip.decompress(data))
    if data.startswith(_ZSTD):
        import zstandard

        return digests.of(zstandard.ZstdDecompressor().decompressobj().decompress(data))
    return digests.of(data)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True
    desk: registry_desk.Desk
    tls: ssl.SSLContext | None = None

    def __init__(self, *args: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args)

    def server_bind(self) -> None:
        # The base class looks its own name up, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        connection: socket.socket = request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.tls is not None:
                connection.settimeout(10)
                connection = self.tls.wrap_socket(connection, server_side=True)
                connection.settimeout(None)
            self._connections.add(connection)
            super().finish_request(connection, client_address)
        except OSError:
            return  # the client went away, or speaks no TLS: its loss
        finally:
            self._connections.discard(connection)
            if connection is not request:
                connection.close()

    def end_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
