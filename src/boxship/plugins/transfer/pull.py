"""A pull: resolve, fetch the documents, then all blobs at once, unpacking each layer as soon as it is there."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from boxship.core import content, graphs, images, registries
from boxship.plugins.transfer import fetch, progress, unpack
from boxship.terms import errors, oci, platforms

PARALLEL = 4
"""Blobs fetched at a time."""


class Puller:
    """Pulls through one registry into the stores of one namespace; these should be bound to a lease.

    Args:
        registry: resolves and fetches.
        store: takes the blobs.
        names: takes the image.
        unpacker: where to unpack, or None to leave the layers packed.
        matcher: the platform wanted, or everything; the best one is unpacked.
        report: told about everything.
    """

    def __init__(
        self,
        registry: registries.Registry,
        store: content.Store,
        names: images.Store,
        *,
        unpacker: unpack.Unpacker | None = None,
        matcher: platforms.Matcher,
        report: progress.Report = progress.silent,
    ) -> None:
        self._registry = registry
        self._store = store
        self._names = names
        self._unpacker = unpacker
        self._matcher = matcher
        self._report = report

    def pull(self, reference: str) -> images.Image:
        """Raises what the registry says, NotFound for a missing platform, FailedPrecondition for wrong bytes."""
        self._report(progress.Progress(name=reference, state=progress.State.RESOLVING))
        name, target = self._registry.resolve(reference)
        blobs = self._documents(name, target)
        failures: list[BaseException] = []

        def report(said: progress.Progress) -> None:
            if failures:
                raise errors.Canceled(f"image {name}: something else of it failed")
            self._report(said)

        def download(blob: oci.Descriptor) -> None:
            try:
                fetch.fetch(name, blob, self._registry, self._store, report)
            except BaseException as exc:
                failures.append(exc)
                raise

        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="fetch") as pool:
            coming = {blob.digest: pool.submit(download, blob) for blob in blobs}
            try:
                self._unpack(name, target, coming)
                for future in coming.values():
                    future.result()
            except BaseException as exc:
                failures.append(exc)
                pool.shutdown(wait=False, cancel_futures=True)
                raise failures[0] from None  # the first, which the others have followed
        image = self._name(images.Image(name=name, target=target))
        self._report(progress.Progress(name=reference, state=progress.State.DONE))
        return image

    def _documents(self, name: str, target: oci.Descriptor) -> list[oci.Descriptor]:
        """Fetch manifests and indexes down from the target; returns the other blobs, each once, layers lowest first."""
        if not graphs.is_manifest(target):
            raise errors.InvalidArgument(f"image {name}: media type {target.media_type!r} is no image")
        blobs: dict[str, oci.Descriptor] = {}
        waiting, seen = [(target, 0)], set()
        found = False
        while waiting:
            descriptor, depth = waiting.pop(0)
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            if depth > graphs.DEEPEST:
                raise graphs.too_deep(name)
            if not graphs.is_manifest(descriptor):
                blobs.setdefault(descriptor.digest, descriptor)
                continue
            self._fetch(name, descriptor)
            document = graphs.read(self._store, descriptor)
            if isinstance(document, oci.Index):
                graphs.choose(document, self._matcher, name)
            found = found or isinstance(document, oci.Manifest)
            wanted = graphs.children(document, self._matcher)
            graphs.hold(self._store, descriptor, graphs.child_labels(document, wanted))
            waiting.extend((child, depth + 1) for child in wanted)
        return list(blobs.values())

    def _fetch(self, name: str, descriptor: oci.Descriptor) -> None:
        fetch.fetch(name, descriptor, self._registry, self._store, self._report)

    def _unpack(self, name: str, target: oci.Descriptor, coming: dict[str, "Future[None]"]) -> None:
        if self._unpacker is None:
            return
        _, manifest = graphs.manifest(self._store, target, self._matcher, name)
        coming[manifest.config.digest].result()
        if manifest.config.media_type not in oci.CONFIGS:
            return
        config = read_config(self._store, manifest)
        wait: Callable[[oci.Descriptor], None] = lambda layer: coming[layer.digest].result()  # noqa: E731
        self._unpacker.unpack(manifest, config, report=self._report, arrived=wait)

    def _name(self, image: images.Image) -> images.Image:
        try:
            return self._names.create(image)
        except errors.AlreadyExists:
            return self._names.update(image, ["target"])


def read_config(store: content.Provider, manifest: oci.Manifest) -> oci.ImageConfig:
    """The configuration that a manifest points at. Raises NotFound, InvalidArgument."""
    data = content.read_blob(store, manifest.config, oci.MANIFEST_LIMIT)
    return oci.parse_config(data, where=f"image config {manifest.config.digest}")
