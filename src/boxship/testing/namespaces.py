"""Whoever keeps namespaces passes this: the book, the wire, a foreign daemon."""

import pytest

from boxship.core import namespaces
from boxship.terms import errors


class NamespacesSuite:
    """Override `store`, and `occupied` with the name of a namespace in which there is an image."""

    @pytest.fixture
    def store(self) -> namespaces.Store:
        raise NotImplementedError

    @pytest.fixture
    def occupied(self, store: namespaces.Store) -> str:
        raise NotImplementedError

    def test_create_and_get(self, store: namespaces.Store) -> None:
        made = store.create("suite-one", {"a": "1", "empty": ""})
        assert made.name == "suite-one"
        assert store.get("suite-one") == namespaces.Info(name="suite-one", labels={"a": "1"})

    def test_names_are_taken_once(self, store: namespaces.Store) -> None:
        store.create("suite-one", {"a": "1"})
        with pytest.raises(errors.AlreadyExists, match=r'namespace "suite-one": already exists'):
            store.create("suite-one", {})
        assert store.get("suite-one").labels == {"a": "1"}

    @pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "a..b", "é", "x" * 77])
    def test_names_are_identifiers(self, store: namespaces.Store, name: str) -> None:
        with pytest.raises(errors.InvalidArgument, match="identifier"):
            store.create(name, {})

    def test_an_unknown_one_has_no_labels(self, store: namespaces.Store) -> None:
        assert store.get("suite-none") == namespaces.Info(name="suite-none")
        assert "suite-none" not in [info.name for info in store.walk()]

    def test_labels_change_one_by_one_or_all(self, store: namespaces.Store) -> None:
        store.create("suite-one", {"a": "1", "b": "2"})

        def change(labels: dict[str, str], *paths: str) -> dict[str, str]:
            store.update(namespaces.Info(name="suite-one", labels=labels), paths)
            return dict(store.get("suite-one").labels)

        assert change({"a": "3", "b": "4", "c": "5"}, "labels.a") == {"a": "3", "b": "2"}
        assert change({}, "labels.a") == {"b": "2"}
        assert change({"c": "5"}, "labels.b", "labels.c") == {"c": "5"}
        assert change({"d": "6"}) == {"d": "6"}
        assert change({}) == {}

    def test_only_labels_change(self, store: namespaces.Store) -> None:
        store.create("suite-one", {})
        with pytest.raises(errors.InvalidArgument, match='cannot update "name" field'):
            store.update(namespaces.Info(name="suite-one"), ["name"])

    def test_an_update_makes_it(self, store: namespaces.Store) -> None:
        store.update(namespaces.Info(name="suite-new", labels={"a": "1"}), ["labels.a"])
        assert namespaces.Info(name="suite-new", labels={"a": "1"}) in list(store.walk())

    def test_labels_are_short(self, store: namespaces.Store) -> None:
        with pytest.raises(errors.InvalidArgument, match="4097 bytes"):
            store.create("suite-one", {"k": "v" * 4096})
        store.create("suite-one", {"k": "v" * 4095})

    def test_walk_goes_by_name(self, store: namespaces.Store) -> None:
        for name in ("suite-b", "suite-a", "suite-B", "suite-c"):
            store.create(name, {})
        found = [info.name for info in store.walk()]
        assert [name for name in found if name.startswith("suite")] == ["suite-B", "suite-a", "suite-b", "suite-c"]

    def test_delete(self, store: namespaces.Store) -> None:
        store.create("suite-one", {})
        store.delete("suite-one")
        assert "suite-one" not in [info.name for info in store.walk()]
        with pytest.raises(errors.NotFound, match=r'namespace "suite-one": not found'):
            store.delete("suite-one")

    def test_one_that_is_lived_in_stays(self, store: namespaces.Store, occupied: str) -> None:
        said = rf'namespace "{occupied}" must be empty, but it still has images'
        with pytest.raises(errors.FailedPrecondition, match=said):
            store.delete(occupied)
        assert occupied in [info.name for info in store.walk()]
