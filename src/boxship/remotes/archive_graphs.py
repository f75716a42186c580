"""The documents between an image's name and its blobs: reading them from a store, and writing down what they hold."""

import json

from boxship.core import content
from boxship.terms import digests, errors, labels, oci, platforms

DEEPEST = 32
"""Indexes within indexes."""


def document(value: oci.Manifest | oci.Index) -> bytes:
    return json.dumps(value.to_json(), separators=(",", ":")).encode()


def describe(data: bytes, media_type: str) -> oci.Descriptor:
    return oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))


def read(provider: content.Provider, descriptor: oci.Descriptor) -> oci.Manifest | oci.Index:
    """A stored document. Raises NotFound, InvalidArgument."""
    data = content.read_blob(provider, descriptor, oci.MANIFEST_LIMIT)
    return oci.parse(data, descriptor.media_type, where=f"manifest {descriptor.digest}")


def config(provider: content.Provider, manifest: oci.Manifest) -> oci.ImageConfig:
    """The configuration of an image. Raises NotFound; InvalidArgument, also when it has another number of layers."""
    where = f"image config {manifest.config.digest}"
    found = oci.parse_config(content.read_blob(provider, manifest.config, oci.MANIFEST_LIMIT), where=where)
    if len(found.diff_ids) != len(manifest.layers):
        raise errors.InvalidArgument(
            f"{where}: knows {len(found.diff_ids)} layers, its manifest has {len(manifest.layers)}"
        )
    return found


def wanted(index: oci.Index, matcher: platforms.Matcher) -> list[oci.Descriptor]:
    """The manifests for some platforms, best first. Those without a platform may be anything, and come last."""
    found = [each for each in index.manifests if each.platform is None or matcher.matches(each.platform)]
    return sorted(
        found, key=lambda each: len(matcher.wanted) + 1 if each.platform is None else matcher.rank(each.platform)
    )


def missing(index: oci.Index, matcher: platforms.Matcher, digest: str) -> errors.NotFound:
    there = ", ".join(sorted({str(each.platform) for each in index.manifests if each.platform is not None})) or "none"
    asked = ", ".join(str(each) for each in matcher.wanted[:1]) or "any platform"
    return errors.NotFound(f"image {digest}: nothing for {asked}; it is there for {there}")


def keep(store: content.Store, target: oci.Descriptor, matcher: platforms.Matcher) -> None:
    """Label a document and those below it, so that the collector keeps what they point at; all of it must be there.

    Raises:
        NotFound: a blob is missing, or nothing is for the wanted platforms.
        InvalidArgument: a document breaks the rules.
    """
    seen: set[str] = set()
    waiting = [(target, 0)]
    while waiting:
        descriptor, depth = waiting.pop()
        if descriptor.digest in seen or descriptor.media_type not in oci.MANIFESTS | oci.INDEXES:
            continue
        if depth > DEEPEST:
            raise errors.InvalidArgument(f"image {target.digest}: more than {DEEPEST} indexes within each other")
        seen.add(descriptor.digest)
        document = read(store, descriptor)
        below = _below(document, matcher, descriptor)
        _hold(store, descriptor, document, below)
        waiting += [(each, depth + 1) for each in below]


def _below(
    found: oci.Manifest | oci.Index, matcher: platforms.Matcher, descriptor: oci.Descriptor
) -> list[oci.Descriptor]:
    """What a document points at, as far as it is wanted, each once."""
    if isinstance(found, oci.Manifest):
        return [found.config, *(each for each in found.layers if each.media_type not in oci.FOREIGN_LAYERS)]
    below = wanted(found, matcher)
    if not below and found.manifests:
        raise missing(found, matcher, descriptor.digest)
    return list({each.digest: each for each in below}.values())


def _hold(
    store: content.Store, holder: oci.Descriptor, found: oci.Manifest | oci.Index, below: list[oci.Descriptor]
) -> None:
    for blob in below:
        store.info(blob.digest)
    prefix = labels.GC_REF_CONTENT
    if isinstance(found, oci.Index):
        held = {f"{prefix}.m.{place}": each.digest for place, each in enumerate(below)}
    else:
        held = {f"{prefix}.l.{place}": each.digest for place, each in enumerate(below[1:])}
        held[f"{prefix}.config"] = found.config.digest
    if held:
        store.update(content.Info(digest=holder.digest, labels=held), [f"labels.{key}" for key in held])
