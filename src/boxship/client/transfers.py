"""Images on the move, in threads and over the wire: pull, push, unpack, and archives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from boxship.client import registries, stores
from boxship.core import content, graphs, images
from boxship.plugins.transfer import progress as transfer
from boxship.plugins.transfer import unpack
from boxship.proxies import callers
from boxship.terms import errors, oci, platforms, references

if TYPE_CHECKING:
    from boxship.remotes import archives

UNNAMED = "import"
"""What an image is called that comes from an archive and has no name there, before its digest."""


def pull(
    caller: callers.Caller,
    reference: str,
    access: registries.Access,
    *,
    matcher: platforms.Matcher,
    wanted: platforms.Matcher,
    snapshotter: str,
    report: transfer.Report,
) -> images.Image:
    """Fetch what `matcher` matches, and unpack the best of `wanted` unless `snapshotter` is empty."""
    from boxship.plugins.transfer import pull as pulling

    name = str(references.normalize(reference))
    with stores.leased(caller) as held, access.registry(name) as registry:
        at_once = bool(snapshotter) and matcher == wanted
        puller = pulling.Puller(
            registry,
            held.content,
            held.images,
            unpacker=_unpacker(held, snapshotter) if at_once else None,
            matcher=matcher,
            report=report,
        )
        image = puller.pull(name)
        if snapshotter and not at_once:
            _unpack(held, image, wanted, snapshotter, report)
        return image


def push(
    caller: callers.Caller,
    reference: str,
    target: oci.Descriptor,
    access: registries.Access,
    *,
    report: transfer.Report,
) -> None:
    from boxship.plugins.transfer import push as pushing

    name = references.normalize(reference)
    tagged = f"{name.name}:{name.tag}@{target.digest}" if name.tag else f"{name.name}@{target.digest}"
    with access.registry(str(name)) as registry:
        pushing.push(tagged, target, registry, stores.Stores(caller).content, report=report)


def unpack_image(
    caller: callers.Caller,
    image: images.Image,
    *,
    wanted: platforms.Matcher,
    snapshotter: str,
    report: transfer.Report = transfer.silent,
) -> str:
    """Returns the chain id."""
    with stores.leased(caller) as held:
        return _unpack(held, image, wanted, snapshotter, report)


def load(
    caller: callers.Caller,
    file: BinaryIO,
    *,
    base_name: str,
    matcher: platforms.Matcher,
    wanted: platforms.Matcher,
    snapshotter: str,
    report: transfer.Report,
) -> list[images.Image]:
    """Take an archive's images, and unpack those that are for `wanted` unless `snapshotter` is empty."""
    from boxship.remotes import archives

    with stores.leased(caller) as held:
        loaded = archives.load(file.read, held.content, matcher=matcher)
        found = [_named(held, name_of(each, base_name), each.target) for each in loaded.images]
        for image in found if snapshotter else ():
            try:
                _unpack(held, image, wanted, snapshotter, report)
            except errors.NotFound:  # it is for other machines
                continue
        return found


def save(caller: callers.Caller, named: Sequence[images.Image], file: BinaryIO, *, matcher: platforms.Matcher) -> None:
    from boxship.remotes import archives

    wanted = [archives.Image(name=image.name, target=image.target) for image in named]
    archives.save(file.write, stores.Stores(caller).content, wanted, matcher=matcher)


def size(caller: callers.Caller, target: oci.Descriptor) -> int:
    """Bytes of the blobs that are here."""
    blobs = stores.Stores(caller).content
    return sum(descriptor.size for descriptor, _ in _here(caller, target) if _has(blobs, descriptor.digest))


def complete(caller: callers.Caller, target: oci.Descriptor) -> list[platforms.Platform]:
    """The platforms of which every blob is here."""
    blobs = stores.Stores(caller).content
    found: list[platforms.Platform] = []
    for descriptor, below in _here(caller, target):
        if descriptor.media_type not in oci.MANIFESTS or not below:
            continue
        if all(_has(blobs, each.digest) for each in below) and below[0].media_type in oci.CONFIGS:
            manifest = graphs.read(blobs, descriptor)
            if isinstance(manifest, oci.Manifest):
                found.append(_config(blobs, manifest).platform)
    return found


def name_of(image: "archives.Image", base_name: str) -> str:
    """What an archive's image is called: its own name, else its tag after `base_name`, else its digest."""
    if image.name:
        return image.name
    if base_name and image.tag:
        return f"{base_name}:{image.tag}"
    return f"{base_name or UNNAMED}@{image.target.digest}"


def _here(caller: callers.Caller, target: oci.Descriptor) -> list[tuple[oci.Descriptor, Sequence[oci.Descriptor]]]:
    """What can be seen of an image of which only some platforms were fetched."""
    blobs = stores.Stores(caller).content
    found: dict[str, tuple[oci.Descriptor, Sequence[oci.Descriptor]]] = {}
    waiting = [(target, 0)]
    while waiting:
        descriptor, depth = waiting.pop()
        if descriptor.digest in found or depth > graphs.DEEPEST:
            continue
        below: Sequence[oci.Descriptor] = ()
        if graphs.is_manifest(descriptor):
            try:
                below = graphs.children(graphs.read(blobs, descriptor), platforms.EVERYTHING)
            except errors.NotFound:
                continue
        found[descriptor.digest] = descriptor, below
        waiting += [(child, depth + 1) for child in below]
    return list(found.values())


def _has(manager: content.Manager, digest: str) -> bool:
    try:
        manager.info(digest)
    except errors.NotFound:
        return False
    return True


def _config(provider: content.Provider, manifest: oci.Manifest) -> oci.ImageConfig:
    data = content.read_blob(provider, manifest.config, oci.MANIFEST_LIMIT)
    return oci.parse_config(data, where=f"image config {manifest.config.digest}")


def _unpacker(held: stores.Stores, snapshotter: str) -> unpack.Unpacker:
    return unpack.Unpacker(
        name=snapshotter, snapshotter=held.snapshotter(snapshotter), applier=held.applier, store=held.content
    )


def _unpack(
    held: stores.Stores, image: images.Image, wanted: platforms.Matcher, snapshotter: str, report: transfer.Report
) -> str:
    _, manifest = graphs.manifest(held.content, image.target, wanted, image.name)
    config = _config(held.content, manifest)
    return _unpacker(held, snapshotter).unpack(manifest, config, report=report)


def _named(held: stores.Stores, name: str, target: oci.Descriptor) -> images.Image:
    try:
        return held.images.create(images.Image(name=name, target=target))
    except errors.AlreadyExists:
        return held.images.update(images.Image(name=name, target=target), ["target"])
