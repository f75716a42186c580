"""Members of an image archive: documents that are read at once, blobs that go into the store as they stream by."""

import dataclasses
import io
import posixpath
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from boxship.core import content, tar
from boxship.terms import digests, documents, errors, oci

DOCUMENT_LIMIT = 1024 * 1024
INDEX_LIMIT = oci.MANIFEST_LIMIT
"""index.json becomes a blob, and nobody reads larger ones."""

MOST_MEMBERS = 100_000
LONGEST_NAME = 4096
_BLOB = re.compile(r"blobs/(sha256|sha384|sha512)/([0-9a-f]+)", re.ASCII)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_WINDOW = 1 << 27
_READ_SIZE = 1 << 20

Read = Callable[[int], bytes]


@dataclasses.dataclass(slots=True, kw_only=True)
class Members:
    """What was in an archive: its documents, empty where missing, and the blobs by the names of their members."""

    layout: bytes = b""
    index: bytes = b""
    manifest: bytes = b""
    blobs: dict[str, oci.Descriptor] = dataclasses.field(default_factory=dict)
    links: dict[str, str] = dataclasses.field(default_factory=dict)

    def blob(self, name: str) -> oci.Descriptor:
        """The blob that a member became, or a link to one. Raises NotFound."""
        clean = posixpath.normpath(name)
        found = self.blobs.get(clean) or self.blobs.get(self.links.get(clean, ""))
        if found is None:
            raise errors.NotFound(f"archive: member {name[:200]!r}, which its manifest.json names")
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DockerEntry:
    """One image in Docker's manifest.json."""

    config: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]


def read(source: Read, store: content.Store, *, limit: int | None) -> Members:
    """Go through an archive, perhaps compressed, once. Raises what `archives.load` does."""
    found = Members()
    batch = secrets.token_hex(8)
    reader = tar.Reader(_limited(_decompressed(source), limit))
    for number, entry in enumerate(reader):
        if number >= MOST_MEMBERS or len(entry.name) > LONGEST_NAME:
            raise errors.ResourceExhausted(f"archive: more than {MOST_MEMBERS} members, or one with an endless name")
        name = posixpath.normpath(entry.name.decode(errors="surrogateescape"))
        if entry.kind in {tar.Kind.SYMLINK, tar.Kind.LINK}:
            _link(found, name, entry)
        elif entry.kind is tar.Kind.FILE:
            _file(found, name, entry, reader, store, f"archive-{batch}-{number}")
    reader.drain()
    return found


def _link(found: Members, name: str, entry: tar.Entry) -> None:
    target = entry.linkname[:LONGEST_NAME].decode(errors="surrogateescape")
    folder = posixpath.dirname(name) if entry.kind is tar.Kind.SYMLINK else ""
    found.links[name] = posixpath.normpath(posixpath.join(folder, target))


def _file(found: Members, name: str, entry: tar.Entry, reader: tar.Reader, store: content.Store, ref: str) -> None:
    match name:
        case "oci-layout":
            found.layout = reader.read(DOCUMENT_LIMIT)
        case "index.json":
            found.index = reader.read(INDEX_LIMIT)
        case "manifest.json":
            found.manifest = reader.read(DOCUMENT_LIMIT)
        case _ if posixpath.basename(name) in {"VERSION", "json", "repositories"} or entry.sparse is not None:
            return  # of Docker's first format; nobody refers to them
        case _:
            found.blobs[name] = _ingest(name, entry.stored, reader, store, ref)


def _ingest(name: str, size: int, reader: tar.Reader, store: content.Store, ref: str) -> oci.Descriptor:
    """Write a member into the store. In a layout its name is its digest; elsewhere nobody knows that before."""
    named = _BLOB.fullmatch(name)
    expected = digests.parse(f"{named[1]}:{named[2]}") if named else ""
    try:
        with store.writer(ref, total=size, expected=expected) as writer:
            digest = _fill(writer, reader, size, expected)
    except errors.AlreadyExists:
        if not expected:
            raise
        return oci.Descriptor(media_type="", digest=expected, size=store.info(expected).size)
    except errors.FailedPrecondition as exc:
        _abort(store, ref)
        raise errors.FailedPrecondition(
            f"archive: member {name[:200]!r} is not what its name says: {exc.message}"
        ) from exc
    except BaseException:
        _abort(store, ref)
        raise
    return oci.Descriptor(media_type="", digest=digest, size=size)


def _fill(writer: content.Writer, reader: tar.Reader, size: int, expected: str) -> str:
    known = writer.status().offset
    if not expected or known != size:  # a store that shares blobs may have the whole of it
        if known:
            writer.truncate(0)
        for chunk in reader.chunks():
            writer.write(chunk)
    digest = expected or writer.digest()
    try:
        return writer.commit(size, expected)
    except errors.AlreadyExists:
        return digest


def _abort(store: content.Store, ref: str) -> None:
    try:
        store.abort(ref)
    except errors.Error:
        return  # what brought us here is the thing to tell


# Docker's manifest.json


def docker_entries(members: Members) -> Iterator[DockerEntry]:
    """Raises InvalidArgument when manifest.json is none."""
    where = "manifest.json of the archive"
    value = documents.load(members.manifest, limit=DOCUMENT_LIMIT, where=where)
    if not isinstance(value, list) or not value:
        documents.refuse(where, "holds no images")
    for each in value:
        fields: Mapping[str, Any] = documents.struct(each, documents.names("Config RepoTags Layers"), where)
        yield DockerEntry(
            config=documents.string(fields, "Config", where),
            tags=tuple(documents.texts(fields, "RepoTags", where)),
            layers=tuple(documents.texts(fields, "Layers", where)),
        )


def docker_manifest(entry: DockerEntry, members: Members, provider: content.Provider) -> oci.Manifest:
    """The manifest that Docker's archive stands for. Raises NotFound when a member is missing."""
    return oci.Manifest(
        media_type=oci.DOCKER_MANIFEST,
        config=dataclasses.replace(members.blob(entry.config), media_type=oci.DOCKER_CONFIG),
        layers=tuple(_layer(members.blob(name), provider) for name in entry.layers),
    )


def _layer(blob: oci.Descriptor, provider: content.Provider) -> oci.Descriptor:
    with provider.reader(blob) as reader:
        magic = reader.read_at(0, 4)
    if magic.startswith(_GZIP):
        return dataclasses.replace(blob, media_type=oci.DOCKER_LAYER_GZIP)
    return dataclasses.replace(blob, media_type=oci.DOCKER_LAYER_ZSTD if magic == _ZSTD else oci.DOCKER_LAYER)


# The stream


class _Source(io.RawIOBase):
    """A file made of a first piece and a function that reads the rest."""

    def __init__(self, first: bytes, source: Read) -> None:
        self._first = first
        self._source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._first:
            end = len(self._first) if size < 0 else size
            piece, self._first = self._first[:end], self._first[end:]
            return piece
        return self._source(_READ_SIZE if size < 0 else size)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Reading(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _decompressed(source: Read) -> Read:
    """The stream itself, or what it holds when it begins as gzip or zstd do."""
    first = b""
    while len(first) < 4 and (piece := source(_READ_SIZE)):
        first += piece
    file = _Source(first, source)
    if first.startswith(_GZIP):
        from isal import igzip

        return _translated(igzip.IGzipFile(fileobj=file, mode="rb"))  # type: ignore[no-untyped-call]
    if first.startswith(_ZSTD):
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return _translated(decompressor.stream_reader(file, read_across_frames=True))  # type: ignore[arg-type]
    return file.read


def _translated(file: _Reading) -> Read:
    import zlib

    import zstandard
    from isal import isal_zlib

    def read(size: int) -> bytes:
        try:
            return file.read(size)
        except (EOFError, OSError, zlib.error, isal_zlib.error, zstandard.ZstdError) as exc:  # type: ignore[misc]
            raise errors.InvalidArgument(f"archive: the compression is broken: {exc}") from exc

    return read


def _limited(read: Read, limit: int | None) -> Read:
    if limit is None:
        return read
    left = limit

    def bounded(size: int) -> bytes:
        nonlocal left
        piece = read(size)
        left -= len(piece)
        if left < 0:
            raise errors.ResourceExhausted(f"archive: larger than the {limit} bytes that are accepted")
        return piece

    return bounded
