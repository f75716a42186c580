"""Layers are differences between file systems: `apply` turns a blob into files, `compare` files into a blob."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from boxship.core import mounts
from boxship.terms import oci
from boxship.terms.labels import Labels
from boxship.terms.typed import TypedBytes


class Applier(Protocol):
    def apply(
        self,
        descriptor: oci.Descriptor,
        targets: Sequence[mounts.Mount],
        *,
        payloads: Mapping[str, TypedBytes] | None = None,
        sync_fs: bool = False,
    ) -> oci.Descriptor:
        """Apply a layer to what the mounts show; returns the descriptor of the uncompressed tar (its digest is the diff id).

        Raises:
            NotFound: no such blob.
            InvalidArgument: the layer is no archive, or breaks the rules.
            NotImplemented: a media type or compression that is not known.
        """


class Comparer(Protocol):
    def compare(
        self,
        lower: Sequence[mounts.Mount],
        upper: Sequence[mounts.Mount],
        *,
        media_type: str = "",
        ref: str = "",
        labels: Labels | None = None,
        source_date_epoch: int | None = None,
    ) -> oci.Descriptor:
        """Write the layer that leads from lower to upper into content and return its descriptor.

        The blob is labelled `containerd.io/uncompressed`. `source_date_epoch` (nanoseconds) clamps times.

        Raises:
            NotImplemented: an unknown media type.
        """


class Service(Applier, Comparer, Protocol):
    """Both."""
