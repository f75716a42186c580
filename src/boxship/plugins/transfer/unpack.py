"""Layers become snapshots: prepare on the parent, apply, compare the diff id, commit under the chain id."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from boxship.core import chains, content, diff, snapshots
from boxship.plugins.transfer import progress
from boxship.terms import errors, labels, oci


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacker:
    """Where to unpack: a snapshotter with its name, and what applies layers to its mounts."""

    name: str
    snapshotter: snapshots.Snapshotter
    applier: diff.Applier
    store: content.Store

    def is_unpacked(self, config: oci.ImageConfig) -> bool:
        return not config.diff_ids or self._has(chains.chain_id(config.diff_ids))

    def unpack(
        self,
        manifest: oci.Manifest,
        config: oci.ImageConfig,
        *,
        report: progress.Report = progress.silent,
        arrived: Callable[[oci.Descriptor], None] = lambda _: None,
    ) -> str:
        """Unpack the layers that are not there yet and return the chain id of the whole, empty for no layers.

        Args:
            manifest: its layers, lowest first.
            config: its diff ids, which the layers must have.
            report: told before and after each layer.
            arrived: waits until a layer's blob is in the store; raises what went wrong with it.

        Raises:
            InvalidArgument: layers and diff ids do not fit each other.
            FailedPrecondition: a layer's uncompressed bytes have another digest than the configuration says.
        """
        layers = [layer for layer in manifest.layers if oci.is_layer(layer.media_type)]
        if len(layers) != len(config.diff_ids):
            raise errors.InvalidArgument(
                f"image config {manifest.config.digest}: {len(config.diff_ids)} diff ids for {len(layers)} layers"
            )
        names = chains.chain_ids(config.diff_ids)
        done = self._already(names)
        for place in range(done, len(layers)):
            arrived(layers[place])
            parent = names[place - 1] if place else ""
            self._layer(layers[place], config.diff_ids[place], names[place], parent, report)
        chain = names[-1] if names else ""
        if chain:
            self._hold(manifest.config.digest, chain)
        return chain

    def _already(self, names: Sequence[str]) -> int:
        """How many layers from the bottom are there. The snapshotter's lease holds them then, until all is done."""
        for place in range(len(names), 0, -1):
            if self._has(names[place - 1]) and self._take(names[place - 1], names[place - 2] if place > 1 else ""):
                return place
        return 0

    def _take(self, chain: str, parent: str) -> bool:
        """Whether a snapshot is still there. Asking for it by name is what puts it into the lease."""
        key = f"extract-{secrets.token_hex(6)} {chain}"
        try:
            self.snapshotter.prepare(key, parent, labels={labels.SNAPSHOT_REF: chain})
        except errors.AlreadyExists:
            return self._has(chain)
        except errors.NotFound:
            return False
        self._discard(key)
        return False

    def _has(self, chain: str) -> bool:
        try:
            self.snapshotter.stat(chain)
        except errors.NotFound:
            return False
        return True

    def _layer(self, layer: oci.Descriptor, diff_id: str, chain: str, parent: str, report: progress.Report) -> None:
        report(progress.Progress(name=layer.digest, state=progress.State.UNPACKING, total=layer.size))
        key = f"extract-{secrets.token_hex(6)} {chain}"
        try:
            mounts = self.snapshotter.prepare(key, parent, labels={labels.SNAPSHOT_REF: chain})
        except errors.AlreadyExists:
            if self._has(chain):
                return
            raise
        try:
            applied = self.applier.apply(layer, mounts)
            if applied.digest != diff_id:
                raise errors.FailedPrecondition(
                    f"layer {layer.digest}: its uncompressed bytes are {applied.digest}, the image's config says {diff_id}"
                )
            self._commit(chain, key)
        except BaseException:
            self._discard(key)
            raise
        self.store.update(
            content.Info(digest=layer.digest, labels={labels.UNCOMPRESSED: diff_id}),
            [f"labels.{labels.UNCOMPRESSED}"],
        )
        report(progress.Progress(name=layer.digest, state=progress.State.UNPACKED, done=layer.size, total=layer.size))

    def _commit(self, chain: str, key: str) -> None:
        try:
            self.snapshotter.commit(chain, key)
        except errors.AlreadyExists:  # somebody else unpacked the same layer meanwhile
            self._discard(key)

    def _discard(self, key: str) -> None:
        try:
            self.snapshotter.remove(key)
        except errors.NotFound:
            return

    def _hold(self, config: str, chain: str) -> None:
        label = f"{labels.GC_REF_SNAPSHOT}{self.name}"
        self.store.update(content.Info(digest=config, labels={label: chain}), [f"labels.{label}"])
