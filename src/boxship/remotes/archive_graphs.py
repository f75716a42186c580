"""The documents that an archive brought: what they hold must have come along, and gets labels that keep it."""

import json

from boxship.core import content, graphs
from boxship.terms import digests, errors, oci, platforms


def document(value: oci.Manifest | oci.Index) -> bytes:
    return json.dumps(value.to_json(), separators=(",", ":")).encode()


def describe(data: bytes, media_type: str) -> oci.Descriptor:
    return oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))


def config(provider: content.Provider, manifest: oci.Manifest) -> oci.ImageConfig:
    """The configuration of an image. Raises NotFound; InvalidArgument, also when it has another number of layers."""
    where = f"image config {manifest.config.digest}"
    found = oci.parse_config(content.read_blob(provider, manifest.config, oci.MANIFEST_LIMIT), where=where)
    if len(found.diff_ids) != len(manifest.layers):
        raise errors.InvalidArgument(
            f"{where}: knows {len(found.diff_ids)} layers, its manifest has {len(manifest.layers)}"
        )
    return found


class Keeper:
    """Labels what is in a store, so that the collector keeps what it points at."""

    def __init__(self, store: content.Store, matcher: platforms.Matcher) -> None:
        self._store = store
        self._matcher = matcher
        self._outcomes: dict[str, errors.NotFound | None] = {}

    def keep(self, descriptor: oci.Descriptor, depth: int = 0) -> None:
        """Keep an image, or a blob. Of an index some manifests may be missing, as long as one that is wanted is whole.

        Raises:
            NotFound: a blob is missing, or nothing is for the wanted platforms.
            InvalidArgument: a document breaks the rules.
        """
        if depth > graphs.DEEPEST:
            raise graphs.too_deep(descriptor.digest)
        if descriptor.digest not in self._outcomes:
            try:
                self._keep_anew(descriptor, depth)
            except errors.NotFound as exc:
                self._outcomes[descriptor.digest] = exc
            else:
                self._outcomes[descriptor.digest] = None
        if failure := self._outcomes[descriptor.digest]:
            raise failure

    def _keep_anew(self, descriptor: oci.Descriptor, depth: int) -> None:
        if not graphs.is_manifest(descriptor):
            self._store.info(descriptor.digest)
            return
        found = graphs.read(self._store, descriptor)
        if isinstance(found, oci.Manifest):
            below = [found.config, *(each for each in found.layers if each.media_type not in oci.FOREIGN_LAYERS)]
            for blob in below:
                self.keep(blob, depth + 1)
        else:
            below = self._whole(found, descriptor, depth)
        graphs.hold(self._store, descriptor, graphs.child_labels(found, below))

    def _whole(self, index: oci.Index, descriptor: oci.Descriptor, depth: int) -> list[oci.Descriptor]:
        """The wanted manifests that are there with all that they need."""
        if not index.manifests:
            return []
        graphs.choose(index, self._matcher, descriptor.digest)
        found: list[oci.Descriptor] = []
        failure: errors.NotFound | None = None
        for each in graphs.fitting(index, self._matcher):
            try:
                self.keep(each, depth + 1)
                found.append(each)
            except errors.NotFound as exc:
                failure = failure or exc
        if failure and not found:
            raise failure
        return found
