"""The suites over the wire: proxy, rpc, service and book together, and our proxies against the original."""

import time
from collections.abc import Iterator

import pytest
from conformance import wire_positions

from boxship.core import content, snapshots
from boxship.proxies import callers
from boxship.proxies._sync.containers import ContainersProxy
from boxship.proxies._sync.content import ContentProxy
from boxship.proxies._sync.events import EventsProxy
from boxship.proxies._sync.images import ImagesProxy
from boxship.proxies._sync.leases import LeasesProxy
from boxship.proxies._sync.namespaces import NamespacesProxy
from boxship.proxies._sync.snapshots import SnapshotsProxy
from boxship.proxies._sync.version import VersionProxy
from boxship.rpc import client
from boxship.terms import errors
from boxship.testing.containers import ContainersSuite
from boxship.testing.content import ContentSuite
from boxship.testing.events import EventsSuite
from boxship.testing.images import ImagesSuite, image
from boxship.testing.leases import LeasesSuite
from boxship.testing.namespaces import NamespacesSuite
from boxship.testing.snapshots import SnapshotterSuite

pytestmark = pytest.mark.root

# What containerd 1.6 does otherwise than the version whose API we speak, by class and name of the test.
OLD_CONTAINERD = {
    "TestNamespaces::test_labels_are_short": "does not tell the length",
    "TestImages::test_an_epoch_overrides_the_clock": "knows no source_date_epoch",
    "TestImages::test_delete_by_target": "knows no target of a deletion",
    "TestContainers::test_create_and_get[containerd-full]": "knows no sandboxes",
    "TestContainers::test_what_is_no_container[containerd-label]": "does not tell the length",
    "TestContainers::test_update_by_mask": "knows no sandboxes",
    "TestContainers::test_without_a_mask_most_is_replaced": "knows no sandboxes",
    "TestLeases::test_resources": "leases hold no images",
    "TestContent::test_another_algorithm": "knows sha256 alone",
    "TestNative::test_only_active_ones_are_committed": "looks for the folder first",
    "TestNative::test_walk": "a bad filter is an unknown error",
    "TestOverlayfs::test_walk": "a bad filter is an unknown error",
    "TestEvents::test_an_envelope_is_complete": "takes the year 1970 for a time",
}


@pytest.fixture(scope="module", params=wire_positions.POSITIONS)
def channel(request, tmp_path_factory) -> Iterator[client.Channel]:
    with wire_positions.position(request.param, tmp_path_factory.mktemp("wire")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _known_differences(request, channel) -> None:
    if "containerd" not in request.node.name:
        return
    name = f"{type(request.instance).__name__}::{request.node.name}"
    reason = OLD_CONTAINERD.get(name) or OLD_CONTAINERD.get(name.partition("[")[0])
    if reason and VersionProxy(callers.Caller(channel)).version().version.startswith("1.6"):
        request.applymarker(pytest.mark.xfail(reason=f"containerd 1.6 {reason}"))


@pytest.fixture
def caller(channel: client.Channel) -> callers.Caller:
    """Bound to a namespace of its own."""
    return callers.Caller(channel, wire_positions.fresh_name())


@pytest.fixture
def leased(caller: callers.Caller) -> Iterator[callers.Caller]:
    """The same with a lease, so that nothing is collected while it is looked at."""
    leases = LeasesProxy(caller)
    lease = leases.create()
    yield caller.bind(lease=lease.id)
    leases.delete(lease.id, synchronous=True)


class TestNamespaces(NamespacesSuite):
    @pytest.fixture
    def store(self, channel):
        wire_positions.empty(channel)
        return NamespacesProxy(callers.Caller(channel))

    @pytest.fixture
    def occupied(self, store, channel):
        ImagesProxy(callers.Caller(channel, "lived-in")).create(image())
        return "lived-in"


class TestImages(ImagesSuite):
    @pytest.fixture
    def store(self, caller):
        return ImagesProxy(caller)


class TestContainers(ContainersSuite):
    @pytest.fixture
    def store(self, caller):
        return ContainersProxy(caller)


class TestLeases(LeasesSuite):
    @pytest.fixture
    def manager(self, caller):
        return LeasesProxy(caller)


class TestContent(ContentSuite):
    @pytest.fixture
    def store(self, leased) -> content.Store:
        return ContentProxy(leased)

    @pytest.mark.parametrize("keep", [0, 100_000])
    def test_an_ingest_can_be_cut(self, store: content.Store, keep: int) -> None:
        super().test_an_ingest_can_be_cut(store, keep)

    def test_an_ingest_cannot_be_cut_in_the_middle(self, store: content.Store) -> None:
        with store.writer("ref-cut") as writer:
            writer.write(b"x" * 100)
            with pytest.raises(errors.NotImplemented, match="cut to nothing, not to 50 bytes"):
                writer.truncate(50)
            with pytest.raises(errors.OutOfRange):
                writer.truncate(101)


class TestNative(SnapshotterSuite):
    @pytest.fixture
    def snapshotter(self, leased) -> snapshots.Snapshotter:
        return SnapshotsProxy(leased, "native")


class TestOverlayfs(SnapshotterSuite):
    @pytest.fixture
    def snapshotter(self, leased) -> snapshots.Snapshotter:
        return SnapshotsProxy(leased, "overlayfs")


class Settled(EventsProxy):
    """A daemon listens for a subscriber a moment after it was asked to, and containerd does not say when."""

    def subscribe(self, filters=()):
        made = super().subscribe(filters)
        time.sleep(0.1)
        return made


class TestEvents(EventsSuite):
    @pytest.fixture
    def exchange(self, caller):
        return Settled(caller)
