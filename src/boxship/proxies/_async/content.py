"""containerd.services.content.v1.Content"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Self

from boxship.api import content_pb2 as pb
from boxship.core import content
from boxship.proxies import async_callers
from boxship.terms import errors
from boxship.terms.labels import Labels
from boxship.terms.oci import Descriptor
from boxship.wire import content as wire
from boxship.wire import masks, methods

_METHODS = methods.of(pb.DESCRIPTOR.services_by_name["Content"])
_MESSAGE = 4 << 20  # bytes in one message; servers take 16 MiB


class ContentProxy:
    def __init__(self, caller: async_callers.AsyncCaller) -> None:
        self._caller = caller

    async def info(self, digest: str) -> content.Info:
        return wire.value((await self._caller.call(_METHODS["Info"], pb.InfoRequest(digest=digest))).info)

    async def update(self, info: content.Info, paths: Iterable[str] | None = None) -> content.Info:
        request = pb.UpdateRequest(info=wire.message(info), update_mask=masks.message(paths))
        return wire.value((await self._caller.call(_METHODS["Update"], request)).info)

    async def walk(self, filters: Sequence[str] = ()) -> AsyncIterator[content.Info]:
        async with await self._caller.stream(_METHODS["List"], pb.ListContentRequest(filters=filters)) as answers:
            async for answer in answers:
                for each in answer.info:
                    yield wire.value(each)

    async def delete(self, digest: str) -> None:
        await self._caller.call(_METHODS["Delete"], pb.DeleteContentRequest(digest=digest))

    async def reader(self, descriptor: Descriptor) -> "Reader":
        info = await self.info(descriptor.digest)
        return Reader(self._caller, info.digest, info.size)

    async def writer(self, ref: str, *, total: int = 0, expected: str = "") -> "Writer":
        if not ref:
            raise errors.InvalidArgument("ref must not be empty")
        writer = Writer(await self._caller.stream(_METHODS["Write"]), ref, total, expected)
        await writer.open()
        return writer

    async def status(self, ref: str) -> content.Status:
        return wire.status((await self._caller.call(_METHODS["Status"], pb.StatusRequest(ref=ref))).status)

    async def list_statuses(self, filters: Sequence[str] = ()) -> list[content.Status]:
        answer = await self._caller.call(_METHODS["ListStatuses"], pb.ListStatusesRequest(filters=filters))
        return [wire.status(each) for each in answer.statuses]

    async def abort(self, ref: str) -> None:
        await self._caller.call(_METHODS["Abort"], pb.AbortRequest(ref=ref))


class Reader:
    """A blob over there. Each `read_at` is one call."""

    def __init__(self, caller: async_callers.AsyncCaller, digest: str, size: int) -> None:
        self._caller = caller
        self._digest = digest
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    async def read_at(self, offset: int, size: int) -> bytes:
        size = min(size, self._size - offset)
        if size <= 0:
            return b""
        request = pb.ReadContentRequest(digest=self._digest, offset=offset, size=size)
        async with await self._caller.stream(_METHODS["Read"], request) as answers:
            parts = [answer.data async for answer in answers]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def close(self) -> None:
        """Nothing is held open between calls."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class Writer:
    """An ingest over there, held by one open call: a question and its answer at a time."""

    def __init__(self, conversation: async_callers.AsyncConversation, ref: str, total: int, expected: str) -> None:
        self._conversation = conversation
        self._ref = ref
        self._total = total
        self._expected = expected
        self._offset = 0
        self._digest = ""
        self._open = True

    async def open(self) -> None:
        """Take the ref. Raises as `content.Ingester.writer`."""
        try:
            answer = await self._ask(
                pb.WriteContentRequest(action=pb.STAT, ref=self._ref, total=self._total, expected=self._expected)
            )
        except BaseException:
            await self._conversation.close()
            raise
        self._offset = answer.offset

    async def write(self, data: bytes | memoryview) -> int:
        left = memoryview(data)
        while left:
            await self._append(bytes(left[:_MESSAGE]))
            left = left[_MESSAGE:]
        return len(data)

    async def digest(self) -> str:
        return self._digest

    async def status(self) -> content.Status:
        answer = await self._ask(pb.WriteContentRequest(action=pb.STAT, ref=self._ref))
        return wire.written(answer, self._ref, self._expected)

    async def truncate(self, size: int) -> None:
        """To nothing, or to where it is: the wire knows no other length."""
        if size > self._offset or size < 0:
            raise errors.OutOfRange(f"ingest {self._ref!r} has {self._offset} bytes, it cannot be cut to {size}")
        if size == self._offset:
            return
        if size:
            raise errors.NotImplemented(f"ingest {self._ref!r} can be cut to nothing, not to {size} bytes")
        self._offset = 0
        await self._append(b"")

    async def commit(self, size: int, expected: str, labels: Labels | None = None) -> str:
        request = pb.WriteContentRequest(
            action=pb.COMMIT,
            ref=self._ref,
            total=size,
            expected=expected or self._expected,
            offset=self._offset,
            labels=labels or {},
        )
        try:
            answer = await self._ask(request)
        finally:
            await self.close()
        self._digest = answer.digest
        return self._digest

    async def close(self) -> None:
        """Let go of the ref; when this returns another may take it."""
        if not self._open:
            return
        self._open = False
        try:
            await self._conversation.done_sending()
            while await self._conversation.receive() is not None:
                pass
        except errors.Error:
            pass  # whoever asked has been told; the ref is free either way
        finally:
            await self._conversation.close()

    async def _append(self, data: bytes) -> None:
        request = pb.WriteContentRequest(action=pb.WRITE, ref=self._ref, offset=self._offset, data=data)
        answer = await self._ask(request)
        if answer.offset != self._offset + len(data):
            raise errors.DataLoss(
                f"ingest {self._ref!r} stands at {answer.offset}, but {self._offset + len(data)} bytes were sent"
            )
        self._offset = answer.offset

    async def _ask(self, request: pb.WriteContentRequest) -> Any:
        if not self._open:
            raise errors.FailedPrecondition(f"ingest {self._ref!r} through a closed writer")
        await self._conversation.send(request)
        answer = await self._conversation.receive()
        if answer is None:
            raise errors.Unavailable(f"the server ended the ingest {self._ref!r}")
        self._digest = answer.digest or self._digest
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
