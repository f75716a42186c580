"""A small HTTP proxy on a loopback port, which finds every name at the places that it is told.

    with Proxy({"registry.test": registry.host}, account="user:password") as proxy:
        ... HTTPS_PROXY=proxy.url ...

It passes on requests in the clear and makes tunnels (CONNECT), and remembers what it was asked. It never leaves the
machine: who is not in its table is not reached.
"""

import base64
import contextlib
import dataclasses
import http.client
import http.server
import selectors
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any, Self

_PIECE = 65536
_PATIENCE = 30.0
_ANSWER_LIMIT = 1 << 30


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came: `target` is a whole URL, or host and port of a tunnel."""

    method: str
    target: str
    headers: Mapping[str, str]


class Proxy:
    """Listens from construction to `close`; a context manager.

    Args:
        places: host names, and the `host:port` where they are found.
        account: `user:password` that is wanted; empty for none.
        tls: files with certificate and key, to be spoken to over TLS.
    """

    def __init__(self, places: Mapping[str, str], *, account: str = "", tls: tuple[str, str] | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.places = dict(places)
        self._server.wanted = "Basic " + base64.b64encode(account.encode()).decode() if account else ""
        if tls is not None:
            self._server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._server.tls.load_cert_chain(*tls)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{account + '@' if account else ''}{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def requests(self, method: str = "") -> list[Seen]:
        return [each for each in self._server.seen if method in {"", each.method}]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    places: dict[str, str]
    wanted: str
    tls: ssl.SSLContext | None = None

    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self.seen: list[Seen] = []
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_PATIENCE)
        with self.tls.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at `requests`."""

    def do_CONNECT(self) -> None:
        place = self._admitted(self.path.rpartition(":")[0])
        if place is None:
            return
        with socket.create_connection(place, _PATIENCE) as far:
            self.send_response(200, "Connection established")
            self.end_headers()
            self.close_connection = True
            _tie(self.connection, far)

    def _pass_on(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        place = self._admitted(parts.hostname or "")
        if place is None:
            return
        if "Transfer-Encoding" in self.headers:
            self._refuse(411)
            return
        length = int(self.headers.get("Content-Length", "0"))
        own = {"proxy-authorization", "proxy-connection", "connection"}
        headers = {key: value for key, value in self.headers.items() if key.lower() not in own}
        far = http.client.HTTPConnection(*place, timeout=_PATIENCE)
        with contextlib.closing(far):
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            far.request(self.command, target, self.rfile.read(length) if length else None, headers)
            answer = far.getresponse()
            body = answer.read(_ANSWER_LIMIT)
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}:
                self.send_header(key, value)
        self.send_header("Content-Length", answer.headers.get("Content-Length", "0") if not body else str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _pass_on  # noqa: N815  (as above)

    def _admitted(self, host: str) -> tuple[str, int] | None:
        """Where a host is found; answers when it may not be reached."""
        self.server.seen.append(
            Seen(method=self.command, target=self.path, headers={k.lower(): v for k, v in self.headers.items()})
        )
        status = 0
        if self.server.wanted and self.headers.get("Proxy-Authorization") != self.server.wanted:
            status = 407
        elif host not in self.server.places:
            status = 403
        if status:
            self._refuse(status)
            return None
        name, _, port = self.server.places[host].rpartition(":")
        return name, int(port)

    def _refuse(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _tie(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side ends or nothing moves."""
    with selectors.DefaultSelector() as selector:
        selector.register(near, selectors.EVENT_READ, far)
        selector.register(far, selectors.EVENT_READ, near)
        while ready := selector.select(_PATIENCE):
            for key, _ in ready:
                piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]
                if not piece:
                    return
                key.data.sendall(piece)
