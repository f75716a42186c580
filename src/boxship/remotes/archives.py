"""Archives that carry images without a registry: OCI layouts and `docker save`, in a tar, perhaps compressed.

    loaded = archives.load(file.read, store)                       # blobs go into the store
    archives.save(file.write, store, [archives.Image(name=..., target=...)])

Nothing is extracted: members become blobs named by their digest, so their own names cannot lead anywhere, and of two
members with one name the last counts. (OCI image-spec, image-layout.md; Docker image specification v1.2.)
"""

import dataclasses
from collections.abc import Callable, Sequence

from boxship.core import content, graphs
from boxship.remotes import archive_graphs, archive_readers, archive_writers
from boxship.terms import documents, errors, oci, platforms, references

LAYOUT_LIMIT = archive_readers.DOCUMENT_LIMIT


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image in an archive.

    Attributes:
        name: its whole name; empty when the archive gives none, or just a tag.
        tag: what the layout calls it (`org.opencontainers.image.ref.name`), a tag as a rule; may be empty.
        target: its manifest or index.
    """

    name: str
    tag: str = ""
    target: oci.Descriptor


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What an archive held: the images, and the index of them all, which is in the store too."""

    index: oci.Descriptor
    images: tuple[Image, ...]


def load(
    read: Callable[[int], bytes],
    store: content.Store,
    *,
    matcher: platforms.Matcher = platforms.EVERYTHING,
    limit: int | None = None,
) -> Loaded:
    """Take the blobs of an archive into a store, which should be bound to a lease.

    Args:
        read: gives up to so many bytes of the archive, none at its end.
        store: takes them; the manifests get the labels that keep their children.
        matcher: wanted platforms. An image must have come whole for one of them at least; of an index that leads to
            more, what is missing is left out. What else the archive has comes along, unlabelled.
        limit: bytes of the uncompressed archive that are accepted.

    Raises:
        InvalidArgument: it is no image archive, or a broken one.
        NotFound: a blob is missing, or no image is for the wanted platforms.
        FailedPrecondition: a member is not what its name says.
        ResourceExhausted: it is larger than `limit`.
    """
    members = archive_readers.read(read, store, limit=limit)
    if members.layout:
        index, data = _layout(members)
    else:
        index, data = _docker(members, store)
    content.write_blob(store, f"index-{index.digest}", data, index)
    parsed = oci.parse_index(data, where="index.json of the archive")
    wanted = graphs.fitting(parsed, matcher)
    if not wanted and parsed.manifests:
        graphs.choose(parsed, matcher, index.digest)
    keeper = archive_graphs.Keeper(store, matcher)
    for each in wanted:
        keeper.keep(each)
    graphs.hold(store, index, graphs.child_labels(parsed, wanted))
    return Loaded(index=index, images=tuple(_image(each) for each in _named(parsed, wanted)))


def _layout(members: archive_readers.Members) -> tuple[oci.Descriptor, bytes]:
    fields = documents.mapping(documents.load(members.layout, limit=LAYOUT_LIMIT, where="oci-layout"), "oci-layout")
    version = documents.string(fields, "imageLayoutVersion", "oci-layout")
    if version != archive_writers.LAYOUT_VERSION:
        raise errors.InvalidArgument(f"oci-layout: version {version[:20]!r} is not supported, only 1.0.0 is")
    if not members.index:
        raise errors.InvalidArgument("archive: index.json is missing beside oci-layout")
    return archive_graphs.describe(members.index, oci.INDEX), members.index


def _docker(members: archive_readers.Members, store: content.Store) -> tuple[oci.Descriptor, bytes]:
    """Manifests, which Docker's archives lack, from what they have instead."""
    if not members.manifest:
        raise errors.InvalidArgument("archive: neither oci-layout nor manifest.json is in it, so it holds no image")
    found: list[oci.Descriptor] = []
    for entry in archive_readers.docker_entries(members):
        manifest = archive_graphs.document(archive_readers.docker_manifest(entry, members, store))
        described = archive_graphs.describe(manifest, oci.DOCKER_MANIFEST)
        content.write_blob(store, f"manifest-{described.digest}", manifest, described)
        config = archive_graphs.config(store, oci.parse_manifest(manifest))
        described = dataclasses.replace(described, platform=config.platform if config.platform.architecture else None)
        if not entry.tags:
            found.append(described)
        for tag in entry.tags:
            name = str(references.normalize(tag))
            found.append(dataclasses.replace(described, annotations=archive_writers.annotations(name)))
    data = archive_graphs.document(oci.Index(media_type=oci.INDEX, manifests=tuple(found)))
    return archive_graphs.describe(data, oci.INDEX), data


def _named(index: oci.Index, wanted: Sequence[oci.Descriptor]) -> list[oci.Descriptor]:
    """The entries of the archive's index for what is wanted: an image with two names has two."""
    there = [each.digest for each in wanted]
    return sorted((each for each in index.manifests if each.digest in there), key=lambda each: there.index(each.digest))


def _image(descriptor: oci.Descriptor) -> Image:
    name = descriptor.annotations.get(oci.ANNOTATION_NAME, "")
    tag = descriptor.annotations.get(oci.ANNOTATION_REF, "")
    if len(name) > references.LONGEST or len(tag) > references.LONGEST or not (name + tag).isprintable():
        raise errors.InvalidArgument(f"archive: image {descriptor.digest} has a name that cannot be printed")
    if not name and "/" in tag:
        name = tag
    return Image(name=name, tag=tag, target=descriptor)


def save(
    write: Callable[[bytes], object],
    provider: content.Provider,
    images: Sequence[Image],
    *,
    matcher: platforms.Matcher = platforms.EVERYTHING,
    docker: bool = True,
) -> None:
    """Write an OCI layout of some images, which `docker load` understands as well.

    Nothing is written before all blobs have been found.

    Args:
        write: takes the archive.
        provider: has the blobs.
        images: those without a name get none in the archive.
        matcher: of each index the best manifest for it is taken along, or all for everything; the best becomes
            Docker's image.
        docker: add manifest.json.

    Raises:
        NotFound: a blob is missing, or an image is for none of the platforms.
        DataLoss: a blob is not what its digest says; the archive is not complete then.
    """
    named = [(image.name, image.target) for image in images]
    archive_writers.write(write, provider, named, matcher=matcher, docker=docker)
