"""Writing image archives: members in the order of their names, the same bytes for the same images."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from boxship.core import content, graphs, tar, tar_output
from boxship.remotes import archive_graphs
from boxship.terms import digests, errors, oci, platforms, references

LAYOUT_VERSION = "1.0.0"
_PIECE = 1 << 20

Write = Callable[[bytes], object]


def annotations(name: str) -> dict[str, str]:
    """How an image is called in an index: containerd's whole name, and the tag that OCI has."""
    try:
        parsed = references.parse(name)
        tag = f"{parsed.tag}@{parsed.digest}" if parsed.digest else parsed.tag
    except errors.InvalidArgument:
        tag = name
    return {oci.ANNOTATION_NAME: name, oci.ANNOTATION_REF: tag}


def write(
    target: Write,
    provider: content.Provider,
    images: Sequence[tuple[str, oci.Descriptor]],
    *,
    matcher: platforms.Matcher,
    docker: bool,
) -> None:
    """See `archives.save`. `images` are names, empty for none, and what they point at."""
    plan = _Plan(provider, matcher)
    for name, root in images:
        plan.add(name, root)
    members = plan.members(docker=docker)
    for name in sorted(members):
        _member(target, name, members[name], provider)
    target(tar_output.END)


class _Plan:
    """The blobs that belong to some images, and the documents that name them."""

    def __init__(self, provider: content.Provider, matcher: platforms.Matcher) -> None:
        self._provider = provider
        self._matcher = matcher
        self._blobs: dict[str, oci.Descriptor] = {}
        self._roots: list[oci.Descriptor] = []
        self._docker: dict[str, tuple[oci.Manifest, list[str]]] = {}
        self._collected: dict[str, tuple[str, oci.Manifest] | None] = {}

    def add(self, name: str, root: oci.Descriptor) -> None:
        if not graphs.is_manifest(root):
            raise errors.InvalidArgument(f"image {name or root.digest}: only manifests may be exported")
        named = {**root.annotations, **(annotations(name) if name else {})}
        self._roots.append(dataclasses.replace(root, annotations=named))
        best = self._collect(root, 0)
        if best is not None:
            digest, manifest = best
            self._docker.setdefault(digest, (manifest, []))[1].extend([name] if name else [])

    def _collect(self, descriptor: oci.Descriptor, depth: int) -> tuple[str, oci.Manifest] | None:
        """Take what is below a document; the best manifest there, for who knows only one."""
        if depth > graphs.DEEPEST:
            raise graphs.too_deep(descriptor.digest)
        if descriptor.digest not in self._collected:
            self._collected[descriptor.digest] = self._collect_anew(descriptor, depth)
        return self._collected[descriptor.digest]

    def _collect_anew(self, descriptor: oci.Descriptor, depth: int) -> tuple[str, oci.Manifest] | None:
        self._take(descriptor)
        document = graphs.read(self._provider, descriptor)
        if isinstance(document, oci.Manifest):
            for blob in (document.config, *document.layers):
                self._take(blob)
            return descriptor.digest, document
        if document.manifests:
            graphs.choose(document, self._matcher, descriptor.digest)
        wanted = [each for each in graphs.children(document, self._matcher) if graphs.is_manifest(each)]
        found = [self._collect(each, depth + 1) for each in wanted]
        return next((each for each in found if each is not None), None)

    def _take(self, blob: oci.Descriptor) -> None:
        digests.parse(blob.digest)
        if blob.digest in self._blobs:
            return
        try:
            with self._provider.reader(blob) as reader:
                size = reader.size
        except errors.NotFound:
            if blob.media_type in oci.FOREIGN_LAYERS:
                return
            raise errors.NotFound(
                f"blob {blob.digest} of the image: pull its platform first, or export only the platforms that are here"
            ) from None
        if size != blob.size:
            raise errors.DataLoss(
                f"blob {blob.digest} has {size} bytes here, {blob.size} in its manifest; pull it again"
            )
        self._blobs[blob.digest] = blob

    def members(self, *, docker: bool) -> dict[str, bytes | oci.Descriptor | None]:
        """Names of members, each with its bytes, the blob that it is, or None for a folder."""
        found: dict[str, bytes | oci.Descriptor | None] = {"blobs/": None}
        for blob in self._blobs.values():
            found[f"blobs/{digests.algorithm(blob.digest)}/"] = None
            found[_path(blob.digest)] = blob
        found["oci-layout"] = json.dumps({"imageLayoutVersion": LAYOUT_VERSION}, separators=(",", ":")).encode()
        found["index.json"] = archive_graphs.document(oci.Index(media_type=oci.INDEX, manifests=tuple(self._roots)))
        if docker and self._docker:
            found["manifest.json"] = json.dumps([_docker_entry(*each) for each in self._docker.values()]).encode()
        return found


def _path(digest: str) -> str:
    return f"blobs/{digests.algorithm(digest)}/{digests.encoded(digest)}"


def _docker_entry(manifest: oci.Manifest, names: Sequence[str]) -> dict[str, Any]:
    return {
        "Config": _path(manifest.config.digest),
        "RepoTags": [_familiar(name) for name in names],
        "Layers": [_path(layer.digest) for layer in manifest.layers],
    }


def _familiar(name: str) -> str:
    try:
        return references.normalize(name).familiar
    except errors.InvalidArgument:
        return name


def _member(target: Write, name: str, value: bytes | oci.Descriptor | None, provider: content.Provider) -> None:
    if value is None:
        target(tar_output.header(tar.Entry(tar.Kind.DIRECTORY, name.encode(), mode=0o755)))
        return
    size = value.size if isinstance(value, oci.Descriptor) else len(value)
    mode = 0o644 if name in {"index.json", "manifest.json"} else 0o444
    target(tar_output.header(tar.Entry(tar.Kind.FILE, name.encode(), mode=mode, size=size)))
    if isinstance(value, oci.Descriptor):
        _copy(target, value, provider)
    else:
        target(value)
    target(tar_output.padding(size))


def _copy(target: Write, blob: oci.Descriptor, provider: content.Provider) -> None:
    """The bytes of a blob, compared with its digest on the way: a damaged copy must not travel on."""
    digest = digests.hasher(digests.algorithm(blob.digest))
    offset = 0
    with provider.reader(blob) as reader:
        while offset < blob.size and (piece := reader.read_at(offset, min(_PIECE, blob.size - offset))):
            offset += len(piece)
            digest.update(piece)
            target(piece)
    if offset != blob.size or digest.hexdigest() != digests.encoded(blob.digest):
        raise errors.DataLoss(f"blob {blob.digest} is damaged here; pull it again")
