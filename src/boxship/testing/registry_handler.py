"""The requests of a small registry, one method per endpoint (distribution-spec v1.1, "Endpoints")."""

import http.server
import io
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from boxship.terms import digests, errors, oci
from boxship.testing import registry_desk, registry_storage

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_PIECE = 1 << 20
_PATHS: tuple[tuple[str, str], ...] = (
    (r"/v2/", "base"),
    (r"/v2/_catalog", "catalog"),
    (rf"/v2/{_NAME}/tags/list", "tags"),
    (rf"/v2/{_NAME}/manifests/(?P<target>[A-Za-z0-9_.:+-]{{1,200}})", "manifest"),
    (rf"/v2/{_NAME}/blobs/uploads/", "uploads"),
    (rf"/v2/{_NAME}/blobs/uploads/(?P<session>[0-9a-f]{{32}})", "session"),
    (rf"/v2/{_NAME}/blobs/(?P<target>[a-z0-9]+:[0-9a-f]+)", "blob"),
)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. `self.server.desk` is what it shares with others."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    _source: Iterator[bytes] | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the registry remembers what it saw."""

    @property
    def _desk(self) -> registry_desk.Desk:
        return self.server.desk  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _handle(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._fault = self._desk.note(registry_desk.Seen(method=self.command, path=self.path, headers=headers))
        if self._fault is not None and self._fault.drop:
            self.close_connection = True
            return
        if self._fault is not None and self._fault.status:
            self._drain()
            self._answer(self._fault.status, self._fault.body, dict(self._fault.headers), faulty=False)
            return
        parts = urllib.parse.urlsplit(self.path)
        self._query = urllib.parse.parse_qs(parts.query)
        path = urllib.parse.unquote(parts.path)
        if path == "/token":
            self._token()
            return
        for pattern, name in _PATHS:
            if found := re.fullmatch(pattern, path):
                self._dispatch(name, found.groupdict())
                return
        self._refuse(404, "NAME_UNKNOWN", f"no such path: {path[:200]}")

    def _dispatch(self, name: str, words: Mapping[str, str]) -> None:
        repository = words.get("name", "")
        action = "pull" if self.command in {"GET", "HEAD"} else "delete" if self.command == "DELETE" else "push"
        scope = f"repository:{repository}:{action}" if repository else ""
        tokens = self._desk.tokens
        header = self.headers.get("Authorization")
        if not tokens.allows(header, scope) and not (
            name in {"base", "catalog"} and header and tokens.challenge == "bearer"
        ):
            wanted = f"repository:{repository}:pull,push" if action == "push" else scope
            self._drain()
            demand = tokens.demand(self._desk.url, wanted)
            self._refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": demand})
            return
        method: Callable[..., None] | None = getattr(self, f"_{self.command.lower()}_{name}", None)
        if method is None:
            self._drain()
            self._refuse(405, "UNSUPPORTED", f"{self.command} is not supported here")
            return
        try:
            method(*words.values())
        except registry_storage.Unknown:
            self._drain()
            code = {"manifest": "MANIFEST_UNKNOWN", "session": "BLOB_UPLOAD_UNKNOWN", "tags": "NAME_UNKNOWN"}
            self._refuse(404, code.get(name, "BLOB_UNKNOWN"), f"{name} unknown to registry")
        except errors.InvalidArgument as exc:
            self._drain()
            code = {"manifest": "MANIFEST_INVALID"}
            self._refuse(400, code.get(name, "DIGEST_INVALID"), exc.message)

    # Answers

    def _answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, faulty: bool = True
    ) -> None:
        self._stream(
            status,
            io.BytesIO(body),
            0,
            len(body),
            {"Content-Type": "application/json", **(headers or {})},
            faulty=faulty,
        )

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._answer(status, body, headers, faulty=False)

    def _stream(
        self, status: int, file: IO[bytes], begin: int, length: int, headers: Mapping[str, str], *, faulty: bool = True
    ) -> None:
        """Send so many bytes of a file, misbehaving where that is wanted."""
        fault = self._fault if faulty else None
        told = {"Content-Length": str(length), **headers, **(fault.headers if fault else {})}
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        file.seek(begin)
        if fault is None:
            self._copy(file, length)
            return
        self._misbehave(fault, file.read(length))

    def _copy(self, file: IO[bytes], length: int) -> None:
        left = length
        while left and (piece := file.read(min(_PIECE, left))):
            self.wfile.write(piece)
            left -= len(piece)
        self.wfile.flush()

    def _misbehave(self, fault: registry_desk.Fault, data: bytes) -> None:
        if fault.corrupt and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        self.wfile.write(data[: fault.truncate_at] + fault.extra)
        self.wfile.flush()
        if fault.stall:
            self._desk.closing.wait()
        if fault.truncate_at is not None or fault.stall or fault.extra:
            self.close_connection = True

    # Bodies

    def _body(self) -> Iterator[bytes]:
        """What has not been read yet of the request's body."""
        if self._source is None:
            self._source = self._receive()
        return self._source

    def _receive(self) -> Iterator[bytes]:
        """The request's body, announced by its length or in chunks (RFC 9112, 7.1)."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(100).partition(b";")[0], 16):
                yield from self._exactly(size)
                self.rfile.readline(10)
            while self.rfile.readline(8192).strip():
                continue
        else:
            yield from self._exactly(int(self.headers.get("Content-Length") or 0))

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size and (piece := self.rfile.read(min(_PIECE, size))):
            size -= len(piece)
            yield piece

    def parse_request(self) -> bool:
        self._source = None
        return super().parse_request()

    def _drain(self) -> None:
        for _ in self._body():
            continue

    def _whole_body(self, limit: int) -> bytes:
        data = b""
        for piece in self._body():
            data += piece
            if len(data) > limit:
                raise errors.InvalidArgument(f"more than {limit} bytes")
        return data

    # Endpoints

    def _token(self) -> None:
        tokens = self._desk.tokens
        if self.command == "POST":
            status, body = tokens.by_post(self._whole_body(1 << 16))
        else:
            status, body = tokens.by_get(self._query, self.headers.get("Authorization"))
        self._answer(status, body)

    def _get_base(self) -> None:
        self._answer(200, b"{}", {"Docker-Distribution-Api-Version": "registry/2.0"})

    _head_base = _get_base

    def _get_catalog(self) -> None:
        self._listing("repositories", self._desk.storage.repositories(), {})

    def _get_tags(self, repository: str) -> None:
        self._listing("tags", self._desk.storage.tags(repository), {"name": repository})

    def _listing(self, key: str, names: list[str], fields: Mapping[str, str]) -> None:
        last = self._query.get("last", [""])[0]
        wanted = self._query.get("n", ["1000"])[0]
        most = min(int(wanted), 1000) if re.fullmatch(r"[0-9]{1,6}", wanted, re.ASCII) else 1000
        found = [name for name in names if name > last]
        headers = {}
        if len(found) > most > 0:
            query = urllib.parse.urlencode({"n": most, "last": found[most - 1]})
            headers["Link"] = f'<{urllib.parse.urlsplit(self.path).path}?{query}>; rel="next"'
        self._answer(200, json.dumps({**fields, key: found[:most]}).encode(), headers)

    def _get_manifest(self, repository: str, target: str) -> None:
        data, media_type, digest = self._desk.storage.manifest(repository, target)
        self._answer(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    _head_manifest = _get_manifest

    def _put_manifest(self, repository: str, target: str) -> None:
        data = self._whole_body(oci.MANIFEST_LIMIT)
        told = self.headers.get("Content-Type", "")
        document = oci.parse(data, told)
        storage = self._desk.storage
        if isinstance(document, oci.Index):
            children = document.manifests
        else:
            children = (
                document.config,
                *(each for each in document.layers if each.media_type not in oci.FOREIGN_LAYERS),
            )
        for child in children:
            if not storage.has(repository, child.digest):
                self._refuse(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {child.digest}")
                return
        if ":" in target and digests.of(data, digests.algorithm(digests.parse(target))) != target:
            raise errors.InvalidArgument("provided digest did not match uploaded content")
        digest = storage.put_manifest(repository, target, data, told or document.media_type)
        location = f"/v2/{repository}/manifests/{digest}"
        self._answer(201, b"", {"Location": location, "Docker-Content-Digest": digest})

    def _delete_manifest(self, repository: str, target: str) -> None:
        self._desk.storage.delete_manifest(repository, target)
        self._answer(202)

    def _get_blob(self, repository: str, digest: str) -> None:
        file, size = self._desk.storage.open(repository, digest)
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
            "ETag": f'"{digest}"',
        }
        with file:
            wanted = _range(self.headers.get("Range"), size)
            if wanted is None:
                self._stream(200, file, 0, size, headers)
                return
            begin, end = wanted
            if begin >= end:
                self._answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
            self._stream(206, file, begin, end - begin, headers)

    _head_blob = _get_blob

    def _delete_blob(self, repository: str, digest: str) -> None:
        self._desk.storage.delete_blob(repository, digest)
        self._answer(202)

    # Uploads

    def _post_uploads(self, repository: str) -> None:
        storage = self._desk.storage
        digest = self._query.get("mount", [""])[0]
        source = self._query.get("from", [""])[0]
        header = self.headers.get("Authorization")
        allowed = self._desk.tokens.allows(header, f"repository:{source}:pull")
        if digest and source and allowed and storage.mount(repository, digests.parse(digest), source):
            self._drain()
            self._created(repository, digest)
            return
        session = storage.begin(repository)
        whole = self._query.get("digest", [""])[0]
        if not whole:
            self._drain()
            self._progress(202, repository, session)
            return
        self._append(repository, session)
        self._finish(repository, session, whole)

    def _patch_session(self, repository: str, session: str) -> None:
        upload = self._desk.storage.session(repository, session)
        told = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", self.headers.get("Content-Range", ""), re.ASCII)
        if told is not None and int(told[1]) != upload.size:
            self._drain()
            self._progress(416, repository, session)
            return
        self._append(repository, session)
        self._progress(202, repository, session)

    def _put_session(self, repository: str, session: str) -> None:
        self._desk.storage.session(repository, session)
        digest = digests.parse(self._query.get("digest", [""])[0])
        self._append(repository, session)
        self._finish(repository, session, digest)

    def _get_session(self, repository: str, session: str) -> None:
        self._desk.storage.session(repository, session)
        self._progress(204, repository, session)

    def _delete_session(self, repository: str, session: str) -> None:
        self._desk.storage.session(repository, session)
        self._desk.storage.abort(session)
        self._answer(204)

    def _append(self, repository: str, session: str) -> None:
        upload = self._desk.storage.session(repository, session)
        for piece in self._body():
            upload.file.write(piece)
            upload.size += len(piece)

    def _finish(self, repository: str, session: str, digest: str) -> None:
        if not self._desk.storage.finish(session, digest):
            raise errors.InvalidArgument("provided digest did not match uploaded content")
        self._created(repository, digest)

    def _created(self, repository: str, digest: str) -> None:
        self._answer(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _progress(self, status: int, repository: str, session: str) -> None:
        size = self._desk.storage.session(repository, session).size
        headers = {
            "Location": f"/v2/{repository}/blobs/uploads/{session}",
            "Docker-Upload-UUID": session,
            "Range": f"0-{max(size - 1, 0)}",
        }
        self._answer(status, b"", headers)


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """Begin and end of one range of bytes (RFC 9110, 14.1.2); None when the header is none that is understood."""
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", text or "", re.ASCII)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
