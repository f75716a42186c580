"""The services of one namespace as the core's Protocols, for work that is done in threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from boxship.core import content, diff, images, snapshots
from boxship.proxies import callers
from boxship.proxies._sync import content as content_proxy
from boxship.proxies._sync import diff as diff_proxy
from boxship.proxies._sync import images as images_proxy
from boxship.proxies._sync import leases as leases_proxy
from boxship.proxies._sync import snapshots as snapshots_proxy
from boxship.terms import errors, labels

PATIENCE = timedelta(hours=24)
"""How long a lease keeps what a transfer left behind that did not come to its end."""


class Stores:
    """All bound to what the caller is bound to."""

    def __init__(self, caller: callers.Caller) -> None:
        self._caller = caller
        self.content: content.Store = content_proxy.ContentProxy(caller)
        self.images: images.Store = images_proxy.ImagesProxy(caller)
        self.applier: diff.Applier = diff_proxy.DiffProxy(caller)

    def snapshotter(self, name: str) -> snapshots.Snapshotter:
        return snapshots_proxy.SnapshotsProxy(self._caller, name)


@contextmanager
def leased(caller: callers.Caller) -> Iterator[Stores]:
    """Stores whose new things belong to a lease, which ends with the block.

    When the block fails the lease stays for PATIENCE, so that another try goes on with what is there.
    """
    if caller.lease:
        yield Stores(caller)
        return
    manager = leases_proxy.LeasesProxy(caller)
    until = (datetime.now(UTC) + PATIENCE).strftime("%Y-%m-%dT%H:%M:%SZ")
    lease = manager.create(labels={labels.GC_EXPIRE: until})
    yield Stores(caller.bind(lease=lease.id))
    try:
        manager.delete(lease.id)
    except errors.NotFound:
        return
