"""Descriptors, manifests, indexes and configurations of images (OCI image-spec v1.1, Docker schema 2).

They come from strangers, so reading one refuses whatever two readers might understand differently: both `manifests`
and `layers`, a field's name in another case (Go would take it), a media type that contradicts the content, digests of
unknown form, and all that `documents` refuses.
"""

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

from boxship.terms import digests, documents, errors, platforms

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar"
FOREIGN_LAYER_GZIP = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
FOREIGN_LAYER_ZSTD = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar"
DOCKER_FOREIGN_LAYER_GZIP = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({INDEX, DOCKER_LIST})
CONFIGS = frozenset({CONFIG, DOCKER_CONFIG})
FOREIGN_LAYERS = frozenset(
    {FOREIGN_LAYER, FOREIGN_LAYER_GZIP, FOREIGN_LAYER_ZSTD, DOCKER_FOREIGN_LAYER, DOCKER_FOREIGN_LAYER_GZIP}
)
LAYERS = FOREIGN_LAYERS | {LAYER, LAYER_GZIP, LAYER_ZSTD, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD}

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest, an index or a configuration."""

ANNOTATION_NAME = "io.containerd.image.name"
ANNOTATION_REF = "org.opencontainers.image.ref.name"


def is_layer(media_type: str) -> bool:
    """Whether it is a file system layer, encrypted or of a kind that only a plugin knows."""
    return media_type in LAYERS or media_type.startswith(
        ("application/vnd.oci.image.layer.", "application/vnd.erofs.layer.", "application/vnd.docker.image.rootfs.")
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What some content is, how long it is, and its name (image-spec, descriptor.md).

    Attributes:
        data: the content itself, when it is embedded; not yet compared with the digest.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    platform: platforms.Platform | None = None
    urls: tuple[str, ...] = ()
    artifact_type: str = ""
    data: bytes | None = None

    @classmethod
    def from_json(cls, value: object, where: str = "descriptor") -> "Descriptor":
        """Raises InvalidArgument when a field is missing or of the wrong kind, or the size is negative."""
        fields = documents.struct(value, _DESCRIPTOR, where)
        size = fields.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            documents.refuse(where, f"size {size!r} is no size")
        platform = fields.get("platform")
        return cls(
            media_type=_media_type(fields, where),
            digest=digests.parse(documents.string(fields, "digest", where)),
            size=size,
            annotations=documents.strings(fields, "annotations", where),
            platform=None if platform is None else platform_from_json(platform, f"{where}: platform"),
            urls=tuple(documents.texts(fields, "urls", where)),
            artifact_type=documents.string(fields, "artifactType", where),
            data=_data(fields, where),
        )

    def to_json(self) -> dict[str, Any]:
        """The descriptor in the order of fields in which Go writes it; empty fields are left out."""
        found: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.urls:
            found["urls"] = list(self.urls)
        if self.annotations:
            found["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform is not None:
            found["platform"] = platform_to_json(self.platform)
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image for one platform: a configuration and layers, lowest first (image-spec, manifest.md)."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        found |= {"config": self.config.to_json(), "layers": [layer.to_json() for layer in self.layers]}
        if self.subject is not None:
            found["subject"] = self.subject.to_json()
        if self.annotations:
            found["annotations"] = dict(sorted(self.annotations.items()))
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The same image for several platforms, or several images (image-spec, image-index.md)."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"schemaVersion": 2, "mediaType": self.media_type}
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        found["manifests"] = [manifest.to_json() for manifest in self.manifests]
        if self.subject is not None:
            found["subject"] = self.subject.to_json()
        if self.annotations:
            found["annotations"] = dict(sorted(self.annotations.items()))
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """How Docker asks whether a container is well; times in nanoseconds. OCI has no such field."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """How to run an image (image-spec, config.md): the part that a runtime reads.

    Attributes:
        diff_ids: digests of the uncompressed layers, lowest first.
        created: RFC 3339, as written; empty when unset.
    """

    platform: platforms.Platform
    diff_ids: tuple[str, ...]
    created: str = ""
    author: str = ""
    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    healthcheck: Healthcheck | None = None


load = documents.load
"""Strict JSON; see `documents.load`."""


def parse(data: bytes, media_type: str = "", *, where: str = "manifest") -> Manifest | Index:
    """Read a manifest or an index, whichever the bytes are.

    Args:
        data: the document.
        media_type: what its descriptor or the registry said; empty when nobody said anything.
        where: its name, for messages.

    Raises:
        InvalidArgument: it is neither, or both, or contradicts its media type.
        NotImplemented: it is of Docker's schema 1, which nobody should use any more.
    """
    fields = documents.struct(documents.load(data, limit=MANIFEST_LIMIT, where=where), _MANIFEST, where)
    told = _without_parameters(media_type)
    _check_kind(fields, told, where)
    written = documents.string(fields, "mediaType", where)
    if written and told and written != told and told in MANIFESTS | INDEXES:
        documents.refuse(where, f"calls itself {written[:100]!r}, but was announced as {told!r}")
    if "manifests" in fields:
        return _parse_index(fields, written or (told if told in INDEXES else INDEX), where)
    return _parse_manifest(fields, written or (told if told in MANIFESTS else MANIFEST), where)


def _check_kind(fields: Mapping[str, Any], told: str, where: str) -> None:
    written = fields.get("mediaType") or told
    old = written in {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED} or "fsLayers" in fields or "signatures" in fields
    if old or fields.get("schemaVersion") == 1:
        raise errors.NotImplemented(
            f"{where}: Docker schema 1 is not supported; push the image again with a tool of this decade"
        )
    is_index, is_manifest = "manifests" in fields, "layers" in fields or "config" in fields
    if is_index and is_manifest:
        documents.refuse(where, "has both manifests and layers, so it could be read as two different images")
    if not is_index and not is_manifest:
        documents.refuse(where, "has neither manifests nor layers")
    if (is_index and written in MANIFESTS) or (is_manifest and written in INDEXES):
        documents.refuse(where, f"its content contradicts its media type {written!r}")


def parse_manifest(data: bytes, media_type: str = "", *, where: str = "manifest") -> Manifest:
    """As `parse`, where an index is refused too."""
    found = parse(data, media_type, where=where)
    if not isinstance(found, Manifest):
        documents.refuse(where, "is an index, not a manifest")
    return found


def parse_index(data: bytes, media_type: str = "", *, where: str = "index") -> Index:
    """As `parse`, where a manifest is refused too."""
    found = parse(data, media_type, where=where)
    if not isinstance(found, Index):
        documents.refuse(where, "is a manifest, not an index")
    return found


def _parse_manifest(fields: Mapping[str, Any], media_type: str, where: str) -> Manifest:
    if not isinstance(fields.get("config"), dict):
        documents.refuse(where, "has no config")
    return Manifest(
        media_type=media_type,
        config=Descriptor.from_json(fields["config"], f"{where}: config"),
        layers=_descriptors(fields, "layers", where),
        annotations=documents.strings(fields, "annotations", where),
        artifact_type=documents.string(fields, "artifactType", where),
        subject=_subject(fields, where),
    )


def _parse_index(fields: Mapping[str, Any], media_type: str, where: str) -> Index:
    return Index(
        media_type=media_type,
        manifests=_descriptors(fields, "manifests", where),
        annotations=documents.strings(fields, "annotations", where),
        artifact_type=documents.string(fields, "artifactType", where),
        subject=_subject(fields, where),
    )


def parse_config(data: bytes, *, where: str = "image config") -> ImageConfig:
    """Read the configuration of an image. Raises InvalidArgument when a field is of the wrong kind."""
    fields = documents.struct(documents.load(data, limit=MANIFEST_LIMIT, where=where), _IMAGE, where)
    run = documents.struct(fields.get("config") or {}, _RUN, f"{where}: config")
    rootfs = documents.struct(fields.get("rootfs") or {}, _ROOTFS, f"{where}: rootfs")
    if rootfs.get("type", "layers") != "layers":
        documents.refuse(where, f"rootfs of type {rootfs['type']!r}, not layers")
    return ImageConfig(
        platform=platform_from_json(fields, where),
        diff_ids=tuple(digests.parse(each) for each in documents.texts(rootfs, "diff_ids", where)),
        created=documents.string(fields, "created", where),
        author=documents.string(fields, "author", where),
        user=documents.string(run, "User", where),
        env=tuple(documents.texts(run, "Env", where)),
        entrypoint=_command(run, "Entrypoint", where),
        cmd=_command(run, "Cmd", where),
        working_dir=documents.string(run, "WorkingDir", where),
        stop_signal=documents.string(run, "StopSignal", where),
        exposed_ports=tuple(documents.mapping(run.get("ExposedPorts") or {}, where)),
        volumes=tuple(documents.mapping(run.get("Volumes") or {}, where)),
        labels=documents.strings(run, "Labels", where),
        healthcheck=_healthcheck(run, where),
    )


def _command(fields: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = tuple(documents.texts(fields, key, where))
    if any("\0" in each for each in found):
        documents.refuse(where, f"{key} holds a NUL")
    return found


def _healthcheck(run: Mapping[str, Any], where: str) -> Healthcheck | None:
    if not run.get("Healthcheck"):
        return None
    fields = documents.struct(run["Healthcheck"], _HEALTHCHECK, f"{where}: Healthcheck")
    numbers = {key: fields.get(key, 0) for key in ("Interval", "Timeout", "StartPeriod", "Retries")}
    if not all(type(number) is int and number >= 0 for number in numbers.values()):
        documents.refuse(where, "Healthcheck holds a time that is none")
    return Healthcheck(
        test=tuple(documents.texts(fields, "Test", where)),
        interval=numbers["Interval"],
        timeout=numbers["Timeout"],
        start_period=numbers["StartPeriod"],
        retries=numbers["Retries"],
    )


def platform_from_json(value: object, where: str = "platform") -> platforms.Platform:
    """The platform in a descriptor or a configuration. Raises InvalidArgument when a field is of the wrong kind."""
    fields = documents.struct(value, _PLATFORM, where)
    return platforms.Platform(
        os=documents.string(fields, "os", where),
        architecture=documents.string(fields, "architecture", where),
        variant=documents.string(fields, "variant", where),
        os_version=documents.string(fields, "os.version", where),
        os_features=tuple(documents.texts(fields, "os.features", where)),
    )


def platform_to_json(platform: platforms.Platform) -> dict[str, Any]:
    found: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        found["os.version"] = platform.os_version
    if platform.os_features:
        found["os.features"] = list(platform.os_features)
    if platform.variant:
        found["variant"] = platform.variant
    return found


_DESCRIPTOR = documents.names("mediaType digest size annotations platform urls artifactType data")
_MANIFEST = documents.names(
    "schemaVersion mediaType config layers manifests annotations artifactType subject fsLayers signatures"
)
_IMAGE = documents.names("architecture os variant os.version os.features config rootfs created author history")
_RUN = documents.names("User Env Entrypoint Cmd WorkingDir StopSignal ExposedPorts Volumes Labels Healthcheck")
_ROOTFS = documents.names("type diff_ids")
_HEALTHCHECK = documents.names("Test Interval Timeout StartPeriod Retries")
_PLATFORM = documents.names("architecture os variant os.version os.features")


def _media_type(fields: Mapping[str, Any], where: str) -> str:
    return _without_parameters(documents.string(fields, "mediaType", where))


def _without_parameters(media_type: str) -> str:
    """`application/json; charset=utf-8` without what follows the semicolon."""
    return media_type.partition(";")[0].strip()


def _descriptors(fields: Mapping[str, Any], key: str, where: str) -> tuple[Descriptor, ...]:
    value = fields.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        documents.refuse(where, f"{key} is no list")
    return tuple(Descriptor.from_json(each, f"{where}: {key}[{at}]") for at, each in enumerate(value))


def _subject(fields: Mapping[str, Any], where: str) -> Descriptor | None:
    value = fields.get("subject")
    return None if value is None else Descriptor.from_json(value, f"{where}: subject")


def _data(fields: Mapping[str, Any], where: str) -> bytes | None:
    text = documents.string(fields, "data", where)
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        documents.refuse(where, "data is no base64")
