"""Media types of layers: which can be read, and which can be written. Nothing here knows how to compress."""

from boxship.terms import errors, oci

PLAIN = frozenset({oci.LAYER, oci.FOREIGN_LAYER, oci.DOCKER_LAYER, oci.DOCKER_FOREIGN_LAYER})
GZIP = frozenset({oci.LAYER_GZIP, oci.DOCKER_LAYER_GZIP})
ZSTD = frozenset({oci.LAYER_ZSTD, oci.DOCKER_LAYER_ZSTD})


def check_readable(media_type: str) -> None:
    """Raises NotImplemented for what is no layer of files, or is encrypted."""
    if media_type not in oci.LAYERS:
        raise errors.NotImplemented(f"failed to get stream processor for {media_type}: no processor for media-type")


def check_writable(media_type: str) -> None:
    """Raises NotImplemented for a media type that no layer is made in."""
    if media_type not in PLAIN | GZIP | ZSTD:
        raise errors.NotImplemented(f"unsupported diff media type: {media_type}")
