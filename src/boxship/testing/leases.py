"""Whoever keeps leases passes this: the book, the wire, a foreign daemon."""

import pytest

from boxship.core import leases
from boxship.core.leases import Resource
from boxship.terms import digests, errors

DIGEST = digests.of(b"leased")


class LeasesSuite:
    """Override `manager`."""

    @pytest.fixture
    def manager(self) -> leases.Manager:
        raise NotImplementedError

    def test_create_and_list(self, manager: leases.Manager) -> None:
        made = manager.create("one", {"a": "1"})
        assert made.id == "one"
        assert made.created_at
        assert made.labels == {"a": "1"}
        assert list(manager.list()) == [made]

    def test_an_id_is_made_up(self, manager: leases.Manager) -> None:
        made = {manager.create().id for _ in range(20)}
        assert len(made) == 20
        assert all(made)
        assert {lease.id for lease in manager.list()} == made

    def test_ids_are_taken_once(self, manager: leases.Manager) -> None:
        manager.create("one")
        with pytest.raises(errors.AlreadyExists, match=r'lease "one": already exists'):
            manager.create("one")

    def test_list_filters(self, manager: leases.Manager) -> None:
        manager.create("b", {"kind": "x"})
        manager.create("a")
        manager.create("c", {"kind": "y"})

        def ids(*filters: str) -> list[str]:
            return [lease.id for lease in manager.list(filters)]

        assert ids() == ["a", "b", "c"]
        assert ids("id==a", "labels.kind==y") == ["a", "c"]
        with pytest.raises(errors.InvalidArgument):
            ids("id==")

    @pytest.mark.parametrize("synchronous", [False, True])
    def test_delete(self, manager: leases.Manager, *, synchronous: bool) -> None:
        manager.create("one")
        manager.delete("one", synchronous=synchronous)
        assert list(manager.list()) == []

    def test_what_is_not_there(self, manager: leases.Manager) -> None:
        resource = Resource(type="content", id=DIGEST)
        for ask in (
            lambda: manager.delete("x"),
            lambda: manager.add_resource("x", resource),
            lambda: manager.delete_resource("x", resource),
            lambda: manager.list_resources("x"),
        ):
            with pytest.raises(errors.NotFound, match=r'lease "x": not found'):
                ask()

    def test_resources(self, manager: leases.Manager) -> None:
        manager.create("one")
        resources = [
            Resource(type="content", id=DIGEST),
            Resource(type="images", id="docker.io/library/one:latest"),
            Resource(type="ingests", id="layer-sha256:abc"),
            Resource(type="snapshots/native", id="key/with/slashes"),
            Resource(type="snapshots/overlayfs", id="key"),
        ]
        for resource in reversed(resources):
            manager.add_resource("one", resource)
            manager.add_resource("one", resource)
        assert list(manager.list_resources("one")) == resources
        for resource in resources[:2]:
            manager.delete_resource("one", resource)
            manager.delete_resource("one", resource)
        assert list(manager.list_resources("one")) == resources[2:]
        manager.create("two")
        assert list(manager.list_resources("two")) == []
        manager.delete("one")
        manager.create("one")
        assert list(manager.list_resources("one")) == []

    @pytest.mark.parametrize(
        ("type", "id", "kind"),
        [
            ("content", "nonsense", errors.InvalidArgument),
            ("content/x", DIGEST, errors.InvalidArgument),
            ("snapshots", "key", errors.InvalidArgument),
            ("snapshots/a/b", "key", errors.InvalidArgument),
            ("tasks", "x", errors.NotImplemented),
            ("", "x", errors.NotImplemented),
        ],
    )
    def test_what_is_no_resource(self, manager: leases.Manager, type: str, id: str, kind: type[errors.Error]) -> None:
        manager.create("one")
        with pytest.raises(kind):
            manager.add_resource("one", Resource(type=type, id=id))
        with pytest.raises(kind):
            manager.delete_resource("one", Resource(type=type, id=id))
        assert list(manager.list_resources("one")) == []
