"""The graph below an image: indexes point at manifests, manifests at a configuration and layers.

The collector follows labels and never reads a manifest, so whoever stores a manifest writes its children into labels.

A platform that is wanted is a preference (`platforms.Matcher`): of an index it takes the one manifest that fits best, as
containerd does, and not all that would run as well. Without a preference all manifests are taken.
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


def fitting(index: oci.Index, matcher: platforms.Matcher) -> list[oci.Descriptor]:
    """The manifests of an index for some platforms, best first, each digest once.

    Those that name no platform may be anything, and come last.
    """
    found = [each for each in index.manifests if each.platform is None or matcher.matches(each.platform)]
    last = len(matcher.wanted) + 1
    found.sort(key=lambda each: last if each.platform is None else matcher.rank(each.platform))
    unique: dict[str, oci.Descriptor] = {}
    for each in found:
        unique.setdefault(each.digest, each)
    return list(unique.values())


def children(document: oci.Manifest | oci.Index, matcher: platforms.Matcher) -> Sequence[oci.Descriptor]:
    """What a document points at, as far as it is wanted: of an index the best manifest, or all for everything."""
    if isinstance(document, oci.Manifest):
        return (document.config, *document.layers)
    found = fitting(document, matcher)
    return found[:1] if matcher.wanted else found


def child_labels(document: oci.Manifest | oci.Index, wanted: Sequence[oci.Descriptor]) -> dict[str, str]:
    """The labels that hold the wanted children, in containerd's words."""
    prefix = labels.GC_REF_CONTENT
    if isinstance(document, oci.Index):
        return {f"{prefix}.m.{place}": child.digest for place, child in enumerate(wanted)}
    layers = {f"{prefix}.l.{place}": layer.digest for place, layer in enumerate(wanted[1:])}
    return {f"{prefix}.config": document.config.digest, **layers}


def hold(store: content.Store, holder: oci.Descriptor, told: dict[str, str]) -> None:
    """Put labels on what is stored. Raises NotFound."""
    if told:
        store.update(content.Info(digest=holder.digest, labels=told), [f"labels.{key}" for key in told])


def choose(index: oci.Index, matcher: platforms.Matcher, name: str) -> oci.Descriptor:
    """The best manifest of an index. Raises NotFound, listing what there is."""
    if found := fitting(index, matcher):
        return found[0]
    there = sorted({str(entry.platform) for entry in index.manifests if entry.platform})
    asked = ", ".join(str(platform) for platform in matcher.wanted[:1]) or "any platform"
    raise errors.NotFound(f"image {name}: nothing for {asked}; it is there for {', '.join(there) or 'nothing'}")


def manifest(
    provider: content.Provider, target: oci.Descriptor, matcher: platforms.Matcher, name: str
) -> tuple[oci.Descriptor, oci.Manifest]:
    """Go down to the manifest for the best platform. Raises NotFound, InvalidArgument."""
    for _ in range(DEEPEST):
        document = read(provider, target)
        if isinstance(document, oci.Manifest):
            return target, document
        target = choose(document, matcher, name)
    raise too_deep(name)


def too_deep(name: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"image {name}: more than {DEEPEST} indexes within each other")


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
            raise too_deep(target.digest)
        below = children(read(provider, descriptor), matcher) if is_manifest(descriptor) else ()
        yield descriptor, below
        waiting.extend((child, depth + 1) for child in below)
