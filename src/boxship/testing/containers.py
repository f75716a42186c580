"""Whoever keeps containers passes this: the book, the wire, a foreign daemon."""

import dataclasses

import pytest

from boxship.core import containers
from boxship.terms import errors
from boxship.terms.typed import TypedBytes

SPEC = TypedBytes(type_url="types.containerd.io/opencontainers/runtime-spec/1/Spec", value=b'{"b": 1, "a": 2, "b": 3}')
OPTIONS = TypedBytes(type_url="containerd.runc.v1.Options", value=bytes(range(256)))


def container(id: str = "one", **fields: object) -> containers.Container:
    made = containers.Container(id=id, runtime=containers.Runtime(name="io.containerd.runc.v2"), spec=SPEC)
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


FULL = container(
    image="docker.io/library/one:latest",
    runtime=containers.Runtime(name="io.containerd.runc.v2", options=OPTIONS),
    snapshotter="native",
    snapshot_key="one",
    labels={"a": "1", "b": "2"},
    extensions={"x": TypedBytes(type_url="x", value=b"\0\xff"), "y.z": TypedBytes(type_url="y", value=b"")},
    sandbox_id="pod",
)


class ContainersSuite:
    """Override `store`."""

    @pytest.fixture
    def store(self) -> containers.Store:
        raise NotImplementedError

    @pytest.mark.parametrize("wanted", [container(), FULL], ids=["plain", "full"])
    def test_create_and_get(self, store: containers.Store, wanted: containers.Container) -> None:
        made = store.create(wanted)
        assert made.created_at
        assert made.updated_at == made.created_at
        assert made == dataclasses.replace(wanted, created_at=made.created_at, updated_at=made.updated_at)
        assert store.get("one") == made

    def test_ids_are_taken_once(self, store: containers.Store) -> None:
        made = store.create(container())
        with pytest.raises(errors.AlreadyExists, match=r'container "one": already exists'):
            store.create(FULL)
        assert store.get("one") == made

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (container(""), "container.ID: identifier must not be empty"),
            (container("a b"), 'container.ID: identifier "a b" must match'),
            (container(runtime=containers.Runtime(name="")), "container.Runtime.Name must be set"),
            (container(spec=None), "container.Spec must be set"),
            (container(snapshot_key="x"), "container.Snapshotter must be set if container.SnapshotKey is set"),
            (container(extensions={"": SPEC}), "container.Extension keys must not be zero-length"),
            (container(labels={"k": "v" * 4096}), "containers.Labels: label key and value length"),
        ],
        ids=["no id", "id", "runtime", "spec", "snapshotter", "extension", "label"],
    )
    def test_what_is_no_container(self, store: containers.Store, wrong: containers.Container, said: str) -> None:
        with pytest.raises(errors.InvalidArgument, match=f"create container failed validation: {said}"):
            store.create(wrong)
        assert list(store.list()) == []

    def test_what_is_not_there(self, store: containers.Store) -> None:
        with pytest.raises(errors.NotFound, match=r'^container "x" in namespace ".*": not found'):
            store.get("x")
        with pytest.raises(errors.NotFound):
            store.update(container("x"))
        with pytest.raises(errors.NotFound):
            store.delete("x")

    def test_update_by_mask(self, store: containers.Store) -> None:
        made = store.create(FULL)
        spec = TypedBytes(type_url="other", value=b"\1")
        new = container(
            spec=spec,
            image="two",
            snapshot_key="two",
            labels={"a": "9", "c": "3"},
            extensions={"x": SPEC},
        )

        def change(*paths: str) -> containers.Container:
            changed = store.update(new, paths)
            assert store.get("one") == changed
            return changed

        assert change("labels.a", "labels.b").labels == {"a": "9"}
        assert change("labels.c").labels == {"a": "9", "c": "3"}
        assert change("extensions.x").extensions == {**FULL.extensions, "x": SPEC}
        assert change("extensions.y.z").extensions == {"x": SPEC}
        changed = change("spec", "image", "snapshotkey")
        assert (changed.spec, changed.image, changed.snapshot_key) == (spec, "two", "two")
        assert changed.runtime == FULL.runtime
        assert changed.created_at == made.created_at

    def test_without_a_mask_most_is_replaced(self, store: containers.Store) -> None:
        store.create(FULL)
        new = dataclasses.replace(FULL, labels={}, extensions={}, image="", snapshot_key="", sandbox_id="")
        changed = store.update(new)
        assert (changed.labels, changed.extensions, changed.image, changed.snapshot_key) == ({}, {}, "", "")
        assert (changed.runtime, changed.sandbox_id) == (FULL.runtime, FULL.sandbox_id)

    def test_what_cannot_change(self, store: containers.Store) -> None:
        made = store.create(FULL)
        for wrong, paths, said in (
            (dataclasses.replace(FULL, snapshotter="x"), [], "container.Snapshotter field is immutable"),
            (dataclasses.replace(FULL, runtime=containers.Runtime(name="x")), [], "Runtime.Name field is immutable"),
            (FULL, ["labels", "snapshotter"], 'cannot update "snapshotter" field on "one"'),
            (FULL, ["runtime.name"], 'cannot update "runtime.name" field on "one"'),
            (container(spec=None), ["spec"], "update failed validation: container.Spec must be set"),
        ):
            with pytest.raises(errors.InvalidArgument, match=said):
                store.update(wrong, paths)
        assert store.get("one") == made

    def test_update_needs_an_id(self, store: containers.Store) -> None:
        with pytest.raises(errors.InvalidArgument):
            store.update(container(""))

    def test_list(self, store: containers.Store) -> None:
        store.create(container("b", labels={"kind": "x"}, image="i"))
        store.create(container("a", runtime=containers.Runtime(name="io.containerd.boxship.v1")))
        store.create(container("c", labels={"kind": "y"}))

        def ids(*filters: str) -> list[str]:
            return [found.id for found in store.list(filters)]

        assert ids() == ["a", "b", "c"]
        assert ids("id==a", "id==c") == ["a", "c"]
        assert ids("runtime.name==io.containerd.boxship.v1") == ["a"]
        assert ids("image==i") == ["b"]
        assert ids("image") == ["b"]
        assert ids("labels.kind~=[xy]") == ["b", "c"]
        with pytest.raises(errors.InvalidArgument):
            ids("id=")

    def test_delete(self, store: containers.Store) -> None:
        store.create(container())
        store.delete("one")
        assert list(store.list()) == []
        store.create(container())
