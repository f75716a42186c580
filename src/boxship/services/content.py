"""containerd.services.content.v1.Content"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from boxship.api import content_pb2 as pb
from boxship.api import empty_pb2
from boxship.core import book, content, leases
from boxship.rpc import calls, methods
from boxship.terms import digests, errors, oci
from boxship.wire import bound, headers, masks, times
from boxship.wire import content as wire
from boxship.wire import methods as tables

_BATCH = 100
_MOST_OPEN = 8
_SOON = 1.0  # seconds in which a client that is in the middle of a blob asks for more
_SHORT = 64 << 10  # bytes that are read where the call came in


class ContentService:
    SERVICE = pb.DESCRIPTOR.services_by_name["Content"]

    def __init__(self, books: book.Books) -> None:
        self._books = books
        self._opened = _Opened()

    def changed(self) -> None:
        """To be called after each write of the book: what is open may not be there any more."""
        self._opened.let_go()

    def close(self) -> None:
        self._opened.forget()

    @methods.quick
    def Info(self, request: pb.InfoRequest, call: calls.Call) -> pb.InfoResponse:
        return pb.InfoResponse(info=wire.message(self._store(call).info(digests.parse(request.digest))))

    def Update(self, request: pb.UpdateRequest, call: calls.Call) -> pb.UpdateResponse:
        digests.parse(request.info.digest)
        updated = self._store(call).update(wire.value(request.info), masks.paths(request.update_mask))
        return pb.UpdateResponse(info=wire.message(updated))

    def List(self, request: pb.ListContentRequest, call: calls.Call) -> Iterator[pb.ListContentResponse]:
        batch = pb.ListContentResponse()
        for info in self._store(call).walk(request.filters):
            batch.info.append(wire.message(info))
            if len(batch.info) == _BATCH:
                yield batch
                batch = pb.ListContentResponse()
        if batch.info:
            yield batch

    def Delete(self, request: pb.DeleteContentRequest, call: calls.Call) -> empty_pb2.Empty:
        self._store(call).delete(digests.parse(request.digest))
        self._opened.forget()
        return empty_pb2.Empty()

    @methods.quick
    def Read(
        self, request: pb.ReadContentRequest, call: calls.Call
    ) -> Iterator[pb.ReadContentResponse] | list[pb.ReadContentResponse]:
        """Offsets in the answers count from the offset that was asked for, as containerd's do.

        What is short goes out at once: Go clients ask for 32 KiB at a time.
        """
        digest = digests.parse(request.digest)
        store = self._store(call)
        store.info(digest)
        reader = self._opened.take(digest)
        if reader is None:
            reader = store.reader(oci.Descriptor(media_type="", digest=digest, size=0))
        begin, end = _range(request, reader)
        if end - begin > _SHORT:
            return _answers(reader, begin, end)
        answers = _read(reader, begin, end)
        self._opened.give_back(digest, reader)
        return answers

    @methods.quick
    def Status(self, request: pb.StatusRequest, call: calls.Call) -> pb.StatusResponse:
        return pb.StatusResponse(status=wire.status_message(self._store(call).status(request.ref)))

    @methods.quick
    def ListStatuses(self, request: pb.ListStatusesRequest, call: calls.Call) -> pb.ListStatusesResponse:
        found = self._store(call).list_statuses(request.filters)
        return pb.ListStatusesResponse(statuses=[wire.status_message(status) for status in found])

    @tables.reads(wire.write)
    def Write(self, requests: Iterator[wire.Write], call: calls.Call) -> Iterator[pb.WriteContentResponse]:
        """Holds the ingest from the first message to the last."""
        opening = next(requests, None)
        if opening is None:
            return
        first = opening.request
        if not first.ref:
            raise errors.InvalidArgument("first message must have a reference")
        bound_book, lease = bound.to_book(self._books, call), headers.lease(call.metadata)
        with bound_book.content.writer(first.ref, total=first.total, expected=first.expected) as writer:
            session = _Session(*(bound_book, lease, writer), ref=first.ref, total=first.total, expected=first.expected)
            yield session.answer(opening)
            if first.action == pb.COMMIT:
                return
            for write in requests:
                yield session.answer(write)
                if write.request.action == pb.COMMIT:
                    return

    def Abort(self, request: pb.AbortRequest, call: calls.Call) -> empty_pb2.Empty:
        self._store(call).abort(request.ref)
        return empty_pb2.Empty()

    def _store(self, call: calls.Call) -> content.Store:
        return bound.to_book(self._books, call).content


def _read(reader: content.Reader, begin: int, end: int) -> list[pb.ReadContentResponse]:
    data = reader.read_at(begin, end - begin) if begin < end else b""
    return [pb.ReadContentResponse(data=data)] if data else []


def _answers(reader: content.Reader, begin: int, end: int) -> Iterator[pb.ReadContentResponse]:
    with reader:
        at = begin
        while at < end and (data := reader.read_at(at, min(content.CHUNK, end - at))):
            yield pb.ReadContentResponse(offset=at - begin, data=data)
            at += len(data)


class _Opened:
    """Readers of blobs that clients are in the middle of, each used by one call at a time."""

    def __init__(self) -> None:
        self._readers: dict[str, tuple[content.Reader, float]] = {}  # and until when they stay open at least
        self._lock = threading.Lock()

    def take(self, digest: str) -> content.Reader | None:
        """A reader, if there is one; `give_back` is for it, and for a new one."""
        with self._lock:
            return self._readers.pop(digest, (None, 0.0))[0]

    def give_back(self, digest: str, reader: content.Reader) -> None:
        gone: content.Reader | None = None
        with self._lock:
            if digest in self._readers:
                gone = reader
            else:
                self._readers[digest] = reader, time.monotonic() + _SOON
                if len(self._readers) > _MOST_OPEN:
                    gone, _ = self._readers.pop(next(iter(self._readers)))
        if gone is not None:
            gone.close()

    def let_go(self) -> None:
        """Close what nobody has read for a while: it may be deleted, and takes its place on the disk until then."""
        if self._readers:
            now = time.monotonic()
            self._close([digest for digest, (_, until) in self._readers.copy().items() if until < now])

    def forget(self) -> None:
        self._close(list(self._readers))

    def _close(self, digests: list[str]) -> None:
        with self._lock:
            gone = [self._readers.pop(digest, None) for digest in digests]
        for found in gone:
            if found is not None:
                found[0].close()


def _range(request: pb.ReadContentRequest, reader: content.Reader) -> tuple[int, int]:
    """Where reading begins and ends. Raises OutOfRange, and closes the reader then."""
    begin, size = max(request.offset, 0), reader.size
    if begin > size:
        reader.close()
        raise errors.OutOfRange(f"read past object length {size} bytes")
    return begin, size if request.size <= 0 else min(begin + request.size, size)


@dataclass(slots=True)
class _Session:
    """One ingest being written by one call. What a client expects may change until it commits."""

    book: book.Book
    lease: str
    writer: content.Writer
    ref: str
    total: int
    expected: str

    def answer(self, write: wire.Write) -> pb.WriteContentResponse:
        request, status = write.request, self.writer.status()
        if request.expected:
            self._expect(request.expected)
        self.total = request.total or self.total
        if request.action == pb.STAT:
            return pb.WriteContentResponse(
                action=pb.STAT,
                offset=status.offset,
                total=self.total,
                digest=self.writer.digest(),
                started_at=times.message(status.started_at),
                updated_at=times.message(status.updated_at),
            )
        offset = self._write(write, status.offset)
        digest = self._commit(request) if request.action == pb.COMMIT else self.writer.digest()
        return pb.WriteContentResponse(action=request.action, offset=offset, digest=digest)

    def _expect(self, digest: str) -> None:
        if digest == self.expected:
            return
        self.expected = digests.parse(digest)
        if self._take(digest):
            self.writer.close()
            self.book.content.abort(self.ref)
            raise errors.AlreadyExists(f"blob with expected digest {digest} exists", whole=True)

    def _take(self, digest: str) -> bool:
        """Whether the blob is there; the caller's lease holds it then."""
        if not _has(self.book.content, digest):
            return False
        if self.lease:
            self.book.leases.add_resource(self.lease, leases.Resource(type="content", id=digest))
        return _has(self.book.content, digest)  # anew: a collection may have come in between

    def _write(self, write: wire.Write, at: int) -> int:
        """Append the data; data at offset 0 starts the ingest over. Returns where the ingest stands."""
        offset = write.request.offset
        if offset > 0 and offset != at:
            raise errors.OutOfRange(f"write @{offset} must occur at current offset {at}")
        if offset <= 0 and at > 0:
            self.writer.truncate(0)
            at = 0
        return at + self.writer.write(write.data) if write.data else at

    def _commit(self, request: pb.WriteContentRequest) -> str:
        return self.writer.commit(self.total, self.expected, dict(request.labels))


def _has(store: content.Store, digest: str) -> bool:
    try:
        store.info(digest)
    except errors.NotFound:
        return False
    return True
