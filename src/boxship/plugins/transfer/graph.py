"""The graph below an image: indexes point at manifests, manifests at a configuration and layers.

The collector follows labels and never reads a manifest, so whoever stores a manifest writes its children into labels.
"""

from collections.abc import Iterator, Sequence

from boxship.core import content
from boxship.terms import errors, labels, oci, platforms

DEEPEST = 32
"""Indexes within indexes; more is an attack."""


def is_manifest(descriptor: oci.Descriptor) -> bool:
    return descriptor.media_type in oci.MANIFESTS or descriptor.media_type in oci.INDEXES


def read(provider: content.Provider, descriptor: oci.Descriptor) -> oci.Manifest | oci.Index:
    """A stored manifest or index. Raises NotFound, InvalidArgument."""
    data = content.read_blob(provider, descriptor, oci.MANIFEST_LIMIT)
    return oci.parse(data, descriptor.media_type, where=f"manifest {descriptor.digest}")


def children(document: oci.Manifest | oci.Index, matcher: platforms.Matcher) -> Sequence[oci.Descriptor]:
    """What a document points at, as far as it is wanted: of an index the manifests for matching platforms.

    An entry that names no platform is taken, since it may be anything.
    """
    if isinstance(document, oci.Manifest):
        return (document.config, *document.layers)
    return [entry for entry in document.manifests if entry.platform is None or matcher.matches(entry.platform)]


def child_labels(document: oci.Manifest | oci.Index, wanted: Sequence[oci.Descriptor]) -> dict[str, str]:
    """The labels that hold the wanted children, in containerd's words."""
    prefix = labels.GC_REF_CONTENT
    if isinstance(document, oci.Index):
        return {f"{prefix}.m.{place}": child.digest for place, child in enumerate(wanted)}
    layers = {f"{prefix}.l.{place}": layer.digest for place, layer in enumerate(wanted[1:])}
    return {f"{prefix}.config": document.config.digest, **layers}


def choose(index: oci.Index, matcher: platforms.Matcher, name: str) -> oci.Descriptor:
    """The best manifest of an index. Raises NotFound, listing what there is."""
    fitting = [entry for entry in index.manifests if entry.platform and matcher.matches(entry.platform)]
    if fitting:
        return min(fitting, key=lambda entry: matcher.rank(entry.platform) if entry.platform else 0)
    unnamed = [entry for entry in index.manifests if entry.platform is None]
    if unnamed:
        return unnamed[0]
    there = sorted({str(entry.platform) for entry in index.manifests if entry.platform})
    asked = ", ".join(str(platform) for platform in matcher.wanted[:1]) or "any platform"
    raise errors.NotFound(f"image {name}: no manifest for {asked}; it is there for {', '.join(there) or 'nothing'}")


def manifest(
    provider: content.Provider, target: oci.Descriptor, matcher: platforms.Matcher, name: str
) -> tuple[oci.Descriptor, oci.Manifest]:
    """Go down to the manifest for the best platform. Raises NotFound, InvalidArgument."""
    for _ in range(DEEPEST):
        document = read(provider, target)
        if isinstance(document, oci.Manifest):
            return target, document
        target = choose(document, matcher, name)
    raise errors.InvalidArgument(f"image {name}: more than {DEEPEST} indexes within each other")


def walk(
    provider: content.Provider, target: oci.Descriptor, matcher: platforms.Matcher = platforms.EVERYTHING
) -> Iterator[tuple[oci.Descriptor, Sequence[oci.Descriptor]]]:
    """Every stored descriptor below the target with its children, parents first, each digest once.

    Raises:
        NotFound: a manifest is missing.
        InvalidArgument: a document breaks the rules, or nests too deeply.
    """
    seen: set[str] = set()
    waiting = [(target, 0)]
    while waiting:
        descriptor, depth = waiting.pop(0)
        if descriptor.digest in seen:
            continue
        seen.add(descriptor.digest)
        if depth > DEEPEST:
            raise errors.InvalidArgument(f"manifest {target.digest}: more than {DEEPEST} indexes within each other")
        below = children(read(provider, descriptor), matcher) if is_manifest(descriptor) else ()
        yield descriptor, below
        waiting.extend((child, depth + 1) for child in below)
