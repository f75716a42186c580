"""What a registry keeps: blobs, which repository has which, manifests' media types, tags, unfinished uploads."""

import dataclasses
import io
import json
import os
import secrets
import tempfile
import threading
from typing import IO, Any

from boxship.terms import digests


class Unknown(Exception):
    """It is not there."""


@dataclasses.dataclass(slots=True)
class Repository:
    """Digests of blobs; media types of manifests by digest; digests by tag."""

    blobs: set[str] = dataclasses.field(default_factory=set)
    manifests: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class Session:
    """An upload on its way."""

    repository: str
    file: IO[bytes]
    size: int = 0


class Storage:
    """In memory, or in a folder: `blobs/<algorithm>/<hex>` and `repositories.json`. For many threads."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._blobs: dict[str, bytes] = {}
        self._repositories: dict[str, Repository] = {}
        self._sessions: dict[str, Session] = {}
        if folder is not None:
            os.makedirs(os.path.join(folder, "uploads"), exist_ok=True)
            self._load()

    # Blobs

    def has(self, repository: str, digest: str) -> bool:
        with self._lock:
            found = self._repositories.get(repository)
            return found is not None and (digest in found.blobs or digest in found.manifests)

    def open(self, repository: str, digest: str) -> tuple[IO[bytes], int]:
        """A blob or manifest and its size. Raises Unknown."""
        if not self.has(repository, digest):
            raise Unknown
        if self._folder is None:
            data = self._blobs[digest]
            return io.BytesIO(data), len(data)
        file = open(self._path(digest), "rb")  # noqa: SIM115 - the caller closes it
        return file, os.fstat(file.fileno()).st_size

    def put(self, repository: str, digest: str, data: bytes) -> None:
        with self._lock:
            self._write(digest, data)
            self._repository(repository).blobs.add(digest)
            self._save()

    def mount(self, repository: str, digest: str, source: str) -> bool:
        with self._lock:
            if not self.has(source, digest):
                return False
            self._repository(repository).blobs.add(digest)
            self._save()
            return True

    def delete_blob(self, repository: str, digest: str) -> None:
        with self._lock:
            if digest not in self._repositories.get(repository, Repository()).blobs:
                raise Unknown
            self._repositories[repository].blobs.discard(digest)
            self._save()

    # Manifests

    def put_manifest(self, repository: str, name: str, data: bytes, media_type: str) -> str:
        """Store under a tag, or with a digest or nothing as name under the digest only; returns the digest."""
        digest = name if ":" in name else digests.of(data)
        with self._lock:
            self._write(digest, data)
            found = self._repository(repository)
            found.manifests[digest] = media_type
            if name and ":" not in name:
                found.tags[name] = digest
            self._save()
        return digest

    def manifest(self, repository: str, name: str) -> tuple[bytes, str, str]:
        """Bytes, media type and digest of what a tag or digest names. Raises Unknown."""
        with self._lock:
            found = self._repositories.get(repository)
            digest = name if ":" in name else found.tags.get(name, "") if found is not None else ""
            if found is None or digest not in found.manifests:
                raise Unknown
            media_type = found.manifests[digest]
        file, _ = self.open(repository, digest)
        with file:
            return file.read(), media_type, digest

    def delete_manifest(self, repository: str, name: str) -> None:
        with self._lock:
            found = self._repositories.get(repository, Repository())
            if name in found.tags:
                del found.tags[name]
            elif name in found.manifests:
                del found.manifests[name]
                found.tags = {tag: digest for tag, digest in found.tags.items() if digest != name}
            else:
                raise Unknown
            self._save()

    def tags(self, repository: str) -> list[str]:
        """Raises Unknown."""
        with self._lock:
            if repository not in self._repositories:
                raise Unknown
            return sorted(self._repositories[repository].tags)

    def repositories(self) -> list[str]:
        with self._lock:
            return sorted(self._repositories)

    # Uploads

    def begin(self, repository: str) -> str:
        folder = None if self._folder is None else os.path.join(self._folder, "uploads")
        file: IO[bytes] = io.BytesIO() if folder is None else tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115
        name = secrets.token_hex(16)
        with self._lock:
            self._sessions[name] = Session(repository, file)
        return name

    def session(self, repository: str, name: str) -> Session:
        """Raises Unknown."""
        with self._lock:
            found = self._sessions.get(name)
            if found is None or found.repository != repository:
                raise Unknown
            return found

    def abort(self, name: str) -> None:
        with self._lock:
            session = self._sessions.pop(name)
        session.file.close()
        if self._folder is not None:
            os.unlink(session.file.name)

    def finish(self, name: str, digest: str) -> bool:
        """Turn an upload into a blob; False, and the upload is gone, when its digest is another."""
        session = self._sessions[name]
        session.file.seek(0)
        digest_now = digests.hasher(digests.algorithm(digest))
        while piece := session.file.read(1 << 20):
            digest_now.update(piece)
        if digest_now.hexdigest() != digests.encoded(digest):
            self.abort(name)
            return False
        with self._lock:
            del self._sessions[name]
            if isinstance(session.file, io.BytesIO):
                self._blobs[digest] = session.file.getvalue()
                session.file.close()
            else:
                session.file.close()
                os.makedirs(os.path.dirname(self._path(digest)), exist_ok=True)
                os.replace(session.file.name, self._path(digest))
            self._repository(session.repository).blobs.add(digest)
            self._save()
        return True

    # Files

    def _path(self, digest: str) -> str:
        parsed = digests.parse(digest)
        return os.path.join(self._folder or "", "blobs", digests.algorithm(parsed), digests.encoded(parsed))

    def _write(self, digest: str, data: bytes) -> None:
        if self._folder is None:
            self._blobs[digest] = data
            return
        path = self._path(digest)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "wb") as file:
            file.write(data)
        os.replace(f"{path}.new", path)

    def _repository(self, name: str) -> Repository:
        return self._repositories.setdefault(name, Repository())

    def _save(self) -> None:
        if self._folder is None:
            return
        path = os.path.join(self._folder, "repositories.json")
        found: dict[str, Any] = {
            name: {"blobs": sorted(each.blobs), "manifests": each.manifests, "tags": each.tags}
            for name, each in self._repositories.items()
        }
        with open(f"{path}.new", "w") as file:
            json.dump(found, file)
        os.replace(f"{path}.new", path)

    def _load(self) -> None:
        path = os.path.join(self._folder or "", "repositories.json")
        if not os.path.exists(path):
            return
        with open(path) as file:
            found = json.load(file)
        for name, each in found.items():
            self._repositories[name] = Repository(set(each["blobs"]), each["manifests"], each["tags"])
