"""A push: blobs first and several at once, then the documents, children before parents, the named one last."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from boxship.core import content, graphs, registries
from boxship.plugins.transfer import progress
from boxship.terms import errors, oci, platforms

PARALLEL = 4


def push(
    reference: str,
    target: oci.Descriptor,
    registry: registries.Pusher,
    store: content.Store,
    *,
    matcher: platforms.Matcher = platforms.EVERYTHING,
    report: progress.Report = progress.silent,
) -> None:
    """Store an image under a name.

    Raises:
        NotFound: a blob is missing here.
        errors.Error: what the registry said.
    """
    try:
        found = [descriptor for descriptor, _ in graphs.walk(store, target, matcher)]
    except errors.NotFound as exc:
        raise errors.NotFound(
            f"image {reference}: {exc.message}, so not all of it is here; pull all platforms, or push one of them"
        ) from exc
    blobs = [each for each in found if not graphs.is_manifest(each) and each.media_type not in oci.FOREIGN_LAYERS]
    documents = [each for each in reversed(found) if graphs.is_manifest(each)]
    if "@" not in reference:
        reference = f"{reference}@{target.digest}"  # the tag is the target's, not its children's
    _push_all(reference, blobs, registry, store, report)
    for document in documents:
        _push_one(reference, document, registry, store, report)


def _push_all(
    reference: str,
    blobs: Sequence[oci.Descriptor],
    registry: registries.Pusher,
    store: content.Store,
    report: progress.Report,
) -> None:
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="push") as pool:
        futures = [pool.submit(_push_one, reference, blob, registry, store, report) for blob in blobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _push_one(
    reference: str,
    descriptor: oci.Descriptor,
    registry: registries.Pusher,
    store: content.Store,
    report: progress.Report,
) -> None:
    report(progress.Progress(name=descriptor.digest, state=progress.State.UPLOADING, total=descriptor.size))
    stored = registry.push(reference, descriptor, store)
    state = progress.State.DONE if stored else progress.State.EXISTS
    report(progress.Progress(name=descriptor.digest, state=state, done=descriptor.size, total=descriptor.size))
