"""Layers applied and made: the door to this room (core.diff.Service)."""

import base64
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from boxship.core import content, diff, mounts
from boxship.plugins.layers import media, places
from boxship.terms import errors, oci
from boxship.terms import labels as terms
from boxship.terms.labels import Labels
from boxship.terms.typed import TypedBytes

_log = logging.getLogger(__name__)
_ANSWER_LIMIT = 64 << 10
_CLASSES = {kind.__name__: kind for kind in errors.CLASSES}

Spawn = Callable[[Mapping[str, Any], Sequence[int]], object]
"""Has a process run `worker.run(arguments, fds)`, and returns at once; the descriptors stay the caller's."""


class LayerDiffer:
    """Applies layers out of `content`, and makes them into it. Many threads may use it."""

    def __init__(self, store: content.Store, spawn: Spawn | None = None) -> None:
        """Args:

        store: where layers are.
        spawn: see Spawn; None does the work in a thread of this process, for embedding and tests.
        """
        self._store = store
        self._spawn = spawn

    def apply(
        self,
        descriptor: oci.Descriptor,
        targets: Sequence[mounts.Mount],
        *,
        payloads: Mapping[str, TypedBytes] | None = None,
        sync_fs: bool = False,
    ) -> oci.Descriptor:
        media.check_readable(descriptor.media_type)
        with (
            self._reader(descriptor) as reader,
            places.opened(targets) as (root, target),
            _readable(reader) as blob,
        ):
            arguments = {"do": "apply", "overlay": target.overlay, "lowers": target.lowers, "sync": sync_fs}
            found = self._ask(arguments, [blob, root])
        for warning in found["warnings"]:
            _log.warning("layer %s: %s", descriptor.digest, warning)
        return oci.Descriptor(media_type=oci.LAYER, digest=found["digest"], size=found["size"])

    def _reader(self, descriptor: oci.Descriptor) -> content.Reader:
        try:
            return self._store.reader(descriptor)
        except errors.Error as error:
            raise type(error)(f"failed to get reader from content store: {error.message}") from error

    def compare(
        self,
        lower: Sequence[mounts.Mount],
        upper: Sequence[mounts.Mount],
        *,
        media_type: str = "",
        ref: str = "",
        labels: Labels | None = None,
        source_date_epoch: int | None = None,
    ) -> oci.Descriptor:
        media_type = media_type or oci.LAYER_GZIP
        media.check_writable(media_type)
        with places.compared(lower, upper) as (below, above, overlay), self._ingest(ref) as writer:
            ours, theirs = os.pipe()
            with os.fdopen(ours, "rb", buffering=0) as output:
                try:
                    arguments = {
                        "do": "compare",
                        "overlay": overlay,
                        "media_type": media_type,
                        "clamp": source_date_epoch,
                    }
                    answer = self._begin(arguments, [theirs, *([below] if below >= 0 else []), above])
                finally:
                    os.close(theirs)
                with answer:
                    size = 0
                    while data := output.read(content.CHUNK):
                        size += writer.write(data)
                    uncompressed = answer.result()["digest"]
            digest = writer.digest()
            given = dict(labels or {})
            if uncompressed != digest:
                given.setdefault(terms.UNCOMPRESSED, uncompressed)
            try:
                writer.commit(size, digest, given)
            except errors.AlreadyExists:
                self._label(digest, given)
        return oci.Descriptor(media_type=media_type, digest=digest, size=size)

    def _label(self, digest: str, given: Labels) -> None:
        """A blob that was there already may lack the label that says what it is uncompressed."""
        value = given.get(terms.UNCOMPRESSED)
        if value and terms.UNCOMPRESSED not in self._store.info(digest).labels:
            info = content.Info(digest=digest, labels={terms.UNCOMPRESSED: value})
            self._store.update(info, [f"labels.{terms.UNCOMPRESSED}"])

    @contextlib.contextmanager
    def _ingest(self, ref: str) -> Iterator[content.Writer]:
        """An empty ingest; one without a ref of the caller's does not outlive a failure."""
        name = ref or f"{time.time_ns()}-{base64.urlsafe_b64encode(os.urandom(3)).decode()}"
        with self._store.writer(name) as writer:
            if writer.status().offset:
                writer.truncate(0)
            try:
                yield writer
            except BaseException:
                writer.close()
                if not ref:
                    with contextlib.suppress(errors.Error):
                        self._store.abort(name)
                raise

    def _ask(self, arguments: Mapping[str, Any], fds: Sequence[int]) -> dict[str, Any]:
        with self._begin(arguments, fds) as answer:
            return answer.result()

    def _begin(self, arguments: Mapping[str, Any], fds: Sequence[int]) -> "_Answer":
        ours, theirs = os.pipe()
        answer = _Answer(ours)
        try:
            if self._spawn is None:
                copies = [os.dup(fd) for fd in (theirs, *fds)]
                threading.Thread(target=_in_thread, args=(arguments, copies), name="layer", daemon=True).start()
            else:
                self._spawn(arguments, [theirs, *fds])
        except BaseException:
            answer.close()
            raise
        finally:
            os.close(theirs)
        return answer


class _Answer:
    """What a worker will have said when it is done; a context manager."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)

    def result(self) -> dict[str, Any]:
        """Wait for the worker.

        Raises:
            Error: what it says.
            ResourceExhausted: it ended without a word.
        """
        text = b""
        while len(text) <= _ANSWER_LIMIT and (data := self._file.read(_ANSWER_LIMIT)):
            text += data
        if not text:
            raise errors.ResourceExhausted("the worker ended before the layer did; it may have reached a limit")
        said: dict[str, Any] = json.loads(text)
        if "error" in said:
            raise _CLASSES.get(said["error"], errors.Unknown)(said["message"])
        result: dict[str, Any] = said["result"]
        return result

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _in_thread(arguments: Mapping[str, Any], fds: Sequence[int]) -> None:
    from boxship.plugins.layers import worker  # brings the codecs, which a daemon never needs itself

    try:
        worker.work(arguments, fds)
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def _readable(reader: content.Reader) -> Iterator[int]:
    """A descriptor that gives the blob from its beginning: the file itself, or a pipe that a thread fills."""
    fileno: Callable[[], int] | None = getattr(reader, "fileno", None)
    if fileno is not None:
        yield fileno()
        return
    ours, theirs = os.pipe()
    thread = threading.Thread(target=_pump, args=(reader, theirs), name="blob", daemon=True)
    thread.start()
    try:
        yield ours
    finally:
        os.close(ours)
        thread.join()


def _pump(reader: content.Reader, target: int) -> None:
    offset = 0
    with os.fdopen(target, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
        while data := reader.read_at(offset, content.CHUNK):
            view = memoryview(data)
            while view:
                view = view[pipe.write(view) :]
            offset += len(data)


_: type[diff.Service] = LayerDiffer
