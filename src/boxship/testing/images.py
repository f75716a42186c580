"""Whoever keeps images passes this: the book, the wire, a foreign daemon."""

import dataclasses
from collections.abc import Mapping

import pytest

from boxship.core import images
from boxship.terms import digests, errors, oci

EPOCH = 1_600_000_000_000_000_000


def target(text: str = "one", annotations: Mapping[str, str] | None = None) -> oci.Descriptor:
    """A descriptor of content that need not be there."""
    return oci.Descriptor(
        media_type=oci.MANIFEST, digest=digests.of(text.encode()), size=len(text), annotations=annotations or {}
    )


def image(name: str = "docker.io/library/one:latest", **fields: object) -> images.Image:
    return dataclasses.replace(images.Image(name=name, target=target()), **fields)  # type: ignore[arg-type]


class ImagesSuite:
    """Override `store`."""

    @pytest.fixture
    def store(self) -> images.Store:
        raise NotImplementedError

    def test_create_and_get(self, store: images.Store) -> None:
        wanted = image(target=target("x", {"note": "n"}), labels={"a": "1", "empty": ""})
        made = store.create(wanted)
        assert made.created_at
        assert made.updated_at == made.created_at
        found = store.get(wanted.name)
        assert found == dataclasses.replace(made, labels={"a": "1"})
        assert found.target == wanted.target

    def test_an_epoch_overrides_the_clock(self, store: images.Store) -> None:
        made = store.create(image(created_at=1), created_at=EPOCH)
        assert (made.created_at, made.updated_at) == (EPOCH, EPOCH)
        changed = store.update(image(labels={"a": "1"}), ["labels"], updated_at=EPOCH + 10**9)
        assert (changed.created_at, changed.updated_at) == (EPOCH, EPOCH + 10**9)

    def test_names_are_taken_once(self, store: images.Store) -> None:
        store.create(image())
        with pytest.raises(errors.AlreadyExists, match=r'image "docker.io/library/one:latest": already exists'):
            store.create(image(target=target("two")))
        assert store.get(image().name).target == target()

    @pytest.mark.parametrize(
        "wrong",
        [
            image(""),
            image(target=dataclasses.replace(target(), digest="sha256:abc")),
            image(target=dataclasses.replace(target(), digest="")),
            image(target=dataclasses.replace(target(), size=0)),
            image(target=dataclasses.replace(target(), size=-1)),
            image(target=dataclasses.replace(target(), media_type="")),
            image(labels={"k": "v" * 4096}),
        ],
        ids=["name", "digest", "no digest", "size", "negative", "media type", "label"],
    )
    def test_what_is_no_image(self, store: images.Store, wrong: images.Image) -> None:
        with pytest.raises(errors.InvalidArgument):
            store.create(wrong)
        assert list(store.list()) == []
        store.create(image("x"))
        with pytest.raises(errors.InvalidArgument):
            store.update(dataclasses.replace(wrong, name=wrong.name and "x"))
        assert store.get("x").target == target()

    def test_what_is_not_there(self, store: images.Store) -> None:
        for ask in (
            lambda: store.get("x"),
            lambda: store.update(image("x")),
            lambda: store.delete("x"),
            lambda: store.delete("x", target=target().digest),
        ):
            with pytest.raises(errors.NotFound, match=r'^image "x": not found'):
                ask()

    def test_update_by_mask(self, store: images.Store) -> None:
        made = store.create(image("x", target=target("one", {"p": "1", "q": "2"}), labels={"a": "1", "b": "2"}))
        new = image("x", target=target("two", {"q": "3", "r": "4"}), labels={"a": "9", "c": "3"})

        def change(*paths: str) -> images.Image:
            changed = store.update(new, paths)
            assert changed.created_at == made.created_at
            assert store.get("x") == changed
            return changed

        assert change("labels.a").labels == {"a": "9", "b": "2"}
        assert change("labels.b").labels == {"a": "9"}
        assert change("labels.c", "annotations.q").labels == {"a": "9", "c": "3"}
        assert store.get("x").target == target("one", {"p": "1", "q": "3"})
        assert change("annotations.p").target.annotations == {"q": "3"}
        assert change("annotations").target == target("one", {"q": "3", "r": "4"})
        assert change("target").target == new.target

    def test_without_a_mask_all_is_replaced(self, store: images.Store) -> None:
        made = store.create(image("x", labels={"a": "1"}))
        changed = store.update(image("x", target=target("two"), labels={"b": "2"}))
        assert (changed.target, changed.labels) == (target("two"), {"b": "2"})
        assert changed.created_at == made.created_at
        assert (changed.updated_at or 0) >= (made.updated_at or 0)

    @pytest.mark.parametrize("path", ["name", "created_at", "target.size", "labelsx", ""])
    def test_what_cannot_change(self, store: images.Store, path: str) -> None:
        made = store.create(image("x"))
        with pytest.raises(errors.InvalidArgument, match=f'cannot update "{path}" field on image "x"'):
            store.update(image("x", labels={"a": "1"}), ["labels", path])
        assert store.get("x") == made

    def test_update_needs_a_name(self, store: images.Store) -> None:
        with pytest.raises(errors.InvalidArgument):
            store.update(image(""))

    def test_list(self, store: images.Store) -> None:
        store.create(image("b", labels={"kind": "x", "a.b/c": "1"}))
        store.create(image("a", target=target("two", {"note": "n"})))
        store.create(image("c", labels={"kind": "y"}))

        def names(*filters: str) -> list[str]:
            return [found.name for found in store.list(filters)]

        assert names() == ["a", "b", "c"]
        assert names("name==a", "name==c") == ["a", "c"]
        assert names(f"target.digest=={target().digest}") == ["b", "c"]
        assert names(f"target.mediatype=={oci.INDEX}") == []
        assert names("labels.kind") == ["b", "c"]
        assert names("labels.kind==x") == ["b"]
        assert names('labels."a.b/c"==1') == ["b"]
        assert names("labels.kind!=x") == ["a", "c"]
        assert names("annotations.note==n") == ["a"]
        assert names("name~=^[ab]$,labels.kind") == ["b"]
        with pytest.raises(errors.InvalidArgument):
            names("name==")

    def test_delete(self, store: images.Store) -> None:
        store.create(image("x"))
        store.delete("x")
        assert list(store.list()) == []
        store.create(image("x"))

    def test_delete_by_target(self, store: images.Store) -> None:
        store.create(image("x"))
        with pytest.raises(errors.NotFound, match=rf'image "x" has target {target().digest}, not sha256:'):
            store.delete("x", target=target("two").digest)
        store.delete("x", target=target().digest, synchronous=True)
        assert list(store.list()) == []
