"""One blob from a registry into content, going on where an earlier try stopped."""

import time
from collections.abc import Callable, Iterator

from boxship.core import content, registries
from boxship.plugins.transfer import progress
from boxship.terms import errors, labels, oci, references

PATIENCE = 600.0
"""Seconds to wait for somebody else who is writing the same blob and makes no progress."""
_PAUSE = 0.2


def ref_of(descriptor: oci.Descriptor) -> str:
    """The ingest's name: as containerd's, so that its clients and ours go on with each other's work."""
    if descriptor.media_type in oci.INDEXES:
        return f"index-{descriptor.digest}"
    if descriptor.media_type in oci.MANIFESTS:
        return f"manifest-{descriptor.digest}"
    if oci.is_layer(descriptor.media_type):
        return f"layer-{descriptor.digest}"
    if descriptor.media_type in oci.CONFIGS:
        return f"config-{descriptor.digest}"
    return f"unknown-{descriptor.digest}"


def source_label(reference: str) -> dict[str, str]:
    """Where a blob came from, for mounting across repositories at a later push."""
    parsed = references.parse(reference)
    return {f"{labels.DISTRIBUTION_SOURCE}{parsed.host}": parsed.repository}


def fetch(
    reference: str,
    descriptor: oci.Descriptor,
    fetcher: registries.Fetcher,
    store: content.Store,
    report: progress.Report,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Store a blob, verified. It is enough that it is there already.

    What `report` raises ends the fetch; what has come so far stays for the next try.

    Raises:
        FailedPrecondition: the registry's bytes are not what the descriptor says.
        Unavailable: somebody else holds the ingest and stands still.
        errors.Error: what the registry said.
    """
    expected, state = descriptor.digest, progress.State.EXISTS
    try:
        with _writer(store, descriptor, report, sleep) as writer:
            offset = _receive(reference, descriptor, fetcher, writer, report)
            writer.commit(descriptor.size, expected, source_label(reference))
            state = progress.State.DONE
            offset = descriptor.size or offset
    except errors.AlreadyExists:
        pass
    except errors.FailedPrecondition:
        _forget(store, ref_of(descriptor))
        raise
    report(progress.Progress(name=expected, state=state, done=descriptor.size, total=descriptor.size))


def _receive(
    reference: str,
    descriptor: oci.Descriptor,
    fetcher: registries.Fetcher,
    writer: content.Writer,
    report: progress.Report,
) -> int:
    offset = writer.status().offset
    if offset > descriptor.size:
        writer.truncate(0)
        offset = 0
    if offset == descriptor.size:
        return offset
    with fetcher.fetch(reference, descriptor, offset) as chunks:
        for chunk in _bounded(chunks, descriptor, offset):
            offset += writer.write(chunk)
            report(
                progress.Progress(
                    name=descriptor.digest, state=progress.State.DOWNLOADING, done=offset, total=descriptor.size
                )
            )
    return offset


def _bounded(chunks: Iterator[bytes], descriptor: oci.Descriptor, offset: int) -> Iterator[bytes]:
    """No more than one byte over the announced size is taken from a registry: commit then refuses it."""
    for chunk in chunks:
        offset += len(chunk)
        if offset > descriptor.size:
            raise errors.FailedPrecondition(
                f"blob {descriptor.digest}: the registry sent more than the {descriptor.size} bytes it announced"
            )
        yield chunk


def _writer(
    store: content.Store, descriptor: oci.Descriptor, report: progress.Report, sleep: Callable[[float], None]
) -> content.Writer:
    ref, waited, seen = ref_of(descriptor), 0.0, -1
    while True:
        try:
            return store.writer(ref, total=descriptor.size, expected=descriptor.digest)
        except errors.Unavailable:
            moved = _offset(store, ref)
            waited = 0.0 if moved != seen else waited + _PAUSE
            seen = moved
            if waited > PATIENCE:
                raise
        report(progress.Progress(name=descriptor.digest, state=progress.State.WAITING, total=descriptor.size))
        sleep(_PAUSE)


def _offset(store: content.Store, ref: str) -> int:
    try:
        return store.status(ref).offset
    except errors.NotFound:
        return -1


def _forget(store: content.Store, ref: str) -> None:
    """Wrong bytes are of no use to the next try."""
    try:
        store.abort(ref)
    except (errors.NotFound, errors.Unavailable):
        return
