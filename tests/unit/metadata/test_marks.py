"""What stays and what goes, rule by rule."""

import dataclasses

import pytest

from boxship.core import images, snapshots
from boxship.core.gc import Kind, Node
from boxship.core.leases import Resource
from boxship.terms import digests, errors, oci
from boxship.testing.containers import container
from boxship.testing.images import image

GC = "containerd.io/gc."


class World:
    """Short words for making things in a namespace, and for what is left of them."""

    def __init__(self, book, clock):
        self.book, self.clock = book, clock
        self.one = book.namespace("one")

    def blob(self, name, **labels):
        data = name.encode()
        with self.one.content.writer(name) as writer:
            writer.write(data)
            return writer.commit(0, "", {GC + key.replace("__", "."): value for key, value in labels.items()})

    def snapshot(self, name, parent="", labels=None):
        native = self.one.snapshotters["native"]
        native.prepare(f"{name}-key", parent)
        native.commit(name, f"{name}-key", labels=labels)

    def image(self, name, target, labels=None):
        descriptor = oci.Descriptor(media_type=oci.MANIFEST, digest=digests.of(target.encode()), size=len(target))
        return self.one.images.create(images.Image(name=name, target=descriptor, labels=labels or {}))

    def left(self):
        self.book.collect()
        blobs = {info.digest for info in self.one.content.walk()}
        names = {name for name in "abcdefgh" if digests.of(name.encode()) in blobs}
        names |= {f"/{info.name}" for info in self.one.snapshotters["native"].walk()}
        backend = {info.name.split("/", 2)[2] for info in self.book.snapshotters["native"].walk()}
        assert {f"/{name}" for name in backend} == {name for name in names if name[0] == "/"}
        assert {info.digest for info in self.book.content.walk()} == blobs
        return names


@pytest.fixture
def world(book, clock):
    return World(book, clock)


def d(name):
    return digests.of(name.encode())


def test_what_nothing_refers_to_goes(world):
    world.blob("a")
    world.snapshot("s")
    assert world.left() == set()


def test_gc_root_stays_with_all_below(world):
    world.blob("a", root="now", ref__content=d("b"))
    world.blob("b", **{"ref__content__0": d("c"), "ref__content/x": d("d")})
    for name in "cde":
        world.blob(name)
    world.snapshot("r")
    world.snapshot("s", "r", {GC + "root": "now"})
    world.snapshot("t", "s")
    assert world.left() == {"a", "b", "c", "d", "/r", "/s"}


def test_an_image_keeps_its_target(world):
    world.blob("a", ref__snapshot__native="s", ref__image="other")
    world.blob("b")
    world.blob("c")
    world.snapshot("r")
    world.snapshot("s", "r")
    world.image("image", "a", {GC + "ref.content.x": d("b")})
    assert world.left() == {"a", "b", "/r", "/s"}
    world.one.images.delete("image", synchronous=True)
    assert world.left() == set()


def test_an_expired_image_goes_unless_something_refers_to_it(world, told):
    expire = {GC + "expire": "2023-11-14T22:13:21Z"}  # a second after the clock starts
    world.blob("a")
    world.blob("b", root="now", ref__image="named")
    world.image("image", "a", expire)
    world.image("named", "b", expire)
    assert world.left() == {"a", "b"}
    world.clock.forward(2)
    assert world.left() == {"b"}
    assert [found.name for found in world.one.images.list()] == ["named"]
    assert ("one", "/images/delete", {"name": "image"}) in told.told


def test_an_expiring_image_belongs_to_the_lease(world):
    world.one.leases.create("held")
    held = world.book.namespace("one", "held")
    held.images.create(image("forever"))
    held.images.create(image("soon", labels={GC + "expire": "2001-01-01T00:00:00Z"}))
    assert list(held.leases.list_resources("held")) == [Resource(type="images", id="soon")]
    world.left()
    assert [found.name for found in world.one.images.list()] == ["forever", "soon"]
    world.one.leases.delete("held", synchronous=True)
    assert [found.name for found in world.one.images.list()] == ["forever"]


def test_a_container_keeps_its_snapshot_and_what_its_labels_name(world):
    world.snapshot("s")
    world.one.snapshotters["native"].prepare("active", "s")
    world.blob("a")
    world.blob("b")
    labels = {GC + "ref.content": d("a")}
    world.one.containers.create(container(snapshotter="native", snapshot_key="active", labels=labels))
    assert world.left() == {"a", "/s", "/active"}
    world.one.containers.delete("one")
    assert world.left() == set()


def test_back_references_live_as_long_as_what_they_name(world):
    world.image("image", "a")
    world.one.containers.create(container())
    world.blob("a")
    world.blob("b", bref__image="image")
    world.blob("c", **{"bref__content/x": d("b")})
    world.blob("d", bref__container="one")
    world.blob("e", bref__container="two")
    world.blob("f", bref__snapshot__native="s")
    world.snapshot("s", labels={GC + "bref.content": d("d")})
    world.snapshot("t", labels={GC + "bref.image": "none"})
    assert world.left() == {"a", "b", "c", "d", "f", "/s"}
    world.one.containers.delete("one")
    assert world.left() == {"a", "b", "c"}


def test_a_lease_keeps_its_members_and_what_they_refer_to(world):
    world.blob("a", ref__content=d("b"))
    world.blob("b")
    world.blob("c")
    world.snapshot("r")
    world.snapshot("s", "r", {GC + "ref.content": d("c")})
    world.one.leases.create("held")
    world.one.leases.add_resource("held", Resource(type="content", id=d("a")))
    world.one.leases.add_resource("held", Resource(type="snapshots/native", id="s"))
    assert world.left() == {"a", "b", "c", "/r", "/s"}
    world.one.leases.delete("held", synchronous=True)
    assert world.left() == set()


def test_a_flat_lease_keeps_its_members_only(world):
    world.blob("a", ref__content=d("b"))
    world.blob("b")
    world.blob("c", ref__content=d("d"))
    world.blob("d")
    world.snapshot("r")
    world.snapshot("s", "r", {GC + "ref.content": d("b")})
    world.image("image", "c", {GC + "expire": "2001-01-01T00:00:00Z", GC + "ref.content": d("d")})
    world.one.leases.create("held", {GC + "flat": "true"})
    for type, id in (("content", d("a")), ("snapshots/native", "s"), ("images", "image")):
        world.one.leases.add_resource("held", Resource(type=type, id=id))
    assert world.left() == {"a", "c", "/r", "/s"}
    assert [found.name for found in world.one.images.list()] == ["image"]


@pytest.mark.parametrize(
    ("expire", "stays"), [("2001-01-01T00:00:00Z", False), ("2099-01-01T00:00:00Z", True), ("?", True)]
)
def test_leases_expire(world, expire, stays):
    world.blob("a")
    world.one.leases.create("held", {GC + "expire": expire})
    world.one.leases.add_resource("held", Resource(type="content", id=d("a")))
    assert world.left() == ({"a"} if stays else set())
    assert [lease.id for lease in world.one.leases.list()] == (["held"] if stays else [])


def test_conditional_references(world):
    used = {GC + "cond.value-usedat": "2023-11-14T22:13:20Z"}
    world.snapshot("s", labels={**used, GC + "root": "now"})
    world.blob("a", cond__snapshot__native="usedat<1h|s")
    world.blob("b", cond__snapshot__native="usedat>1h|s")
    world.blob("c", cond__snapshot__native="usedat<1h|none", root="now")
    world.clock.forward(60)
    assert world.left() == {"a", "c", "/s"}
    world.clock.forward(7200)
    assert world.left() == {"c", "/s"}


def test_namespaces_are_apart(world):
    world.blob("a")
    two = world.book.namespace("two")
    descriptor = oci.Descriptor(media_type=oci.MANIFEST, digest=d("a"), size=1)
    two.images.create(images.Image(name="image", target=descriptor))
    assert world.left() == set()


def test_a_circle_of_references_goes(world):
    world.blob("a", ref__content=d("b"))
    world.blob("b", ref__content=d("a"))
    assert world.left() == set()


def test_what_others_use_stays(world):
    world.blob("a")
    world.blob("b")
    writing = world.book.rows._lock

    def roots():
        assert writing.locked()  # else something could come into use between the question and the collection
        return [Node(Kind.CONTENT, "one", d("a"))]

    world.book.add_roots(roots)
    assert world.left() == {"a"}


def test_a_commit_on_its_way_keeps_its_snapshot(world):
    native = world.one.snapshotters["native"]
    native.prepare("key")
    backend = world.book.snapshotters["native"]
    real = backend.commit

    def commit(*arguments, **options):
        world.book.collect()
        return real(*arguments, **options)

    backend.commit = commit
    native.commit("name", "key", labels={GC + "root": "now"})
    assert world.left() == {"/name"}


def test_a_blob_that_is_being_committed_is_not_lost(world, monkeypatch):
    content = world.one.content
    with content.writer("ref") as writer:
        writer.write(b"a")
        inner = writer.open()
        real = inner.commit

        class Collecting:
            def __getattr__(self, name):
                return getattr(inner, name)

            def commit(self, *arguments):
                digest = real(*arguments)
                world.book.rows.freed = True
                world.book.collect()  # the backend has the blob, and no row names it yet
                return digest

        writer._inner = Collecting()
        writer.commit(0, "", {GC + "root": "now"})
    assert world.left() == {"a"}
    with content.reader(oci.Descriptor(media_type="x", digest=d("a"), size=1)) as reader:
        assert reader.read_at(0, 10) == b"a"


def test_events_tell_of_snapshots_that_went(world, told):
    world.snapshot("s")
    told.told.clear()
    stats = world.book.collect()
    assert told.told == [("one", "/snapshot/remove", {"key": "s", "snapshotter": "native"})]
    assert (stats.snapshots, stats.content, stats.images, stats.leases) == (1, 0, 0, 0)
    assert stats.seconds >= 0


def test_left_overs_of_a_crash_go_with_the_first_collection(reopened, tmp_path):
    with reopened() as book:
        book.snapshotters["native"].prepare("one/999999/orphan")
        with book.content.writer("one/999999/orphan") as writer:
            writer.write(b"a")
            writer.commit(0, "")
        book.content.writer("one/999998/ref").close()
    with reopened() as book:
        book.collect()
        assert list(book.snapshotters["native"].walk()) == []
        assert list(book.content.walk()) == []
        assert book.content.list_statuses() == []


def test_mutations_are_told(book, clock):
    heard = []
    book.on_mutation(heard.append)
    book.collect()
    one = book.namespace("one")
    one.images.create(image("x"))
    one.images.delete("x")
    one.images.create(image("y"))
    book.collect()
    one.images.create(image("z"))
    assert heard == [False, True, True, False]


def test_a_synchronous_deletion_waits_for_the_appointed_collector(book):
    class Collector:
        called = 0

        def collect(self):
            self.called += 1
            return book.collect()

    collector = Collector()
    book.collect_through(collector)
    one = book.namespace("one")
    one.images.create(image("x"))
    one.images.delete("x", synchronous=True)
    one.leases.create("l")
    one.leases.delete("l", synchronous=True)
    assert collector.called == 2


def test_a_namespace_that_is_left_can_be_deleted(world):
    world.blob("a")
    world.snapshot("s")
    with pytest.raises(errors.FailedPrecondition) as caught:
        world.book.namespaces.delete("one")
    assert str(caught.value) == (
        'namespace "one" must be empty, but it still has blobs, snapshots on "native" snapshotter: failed precondition'
    )
    world.one.leases.create("l")
    assert world.left() == set()
    world.book.namespaces.delete("one")
    assert list(world.book.namespaces.walk()) == []
    assert list(world.one.leases.list()) == []


def test_label_updates_count(world):
    world.blob("a", root="now")
    info = world.one.content.info(d("a"))
    world.one.content.update(dataclasses.replace(info, labels={}), ["labels." + GC + "root"])
    assert world.left() == set()


def test_a_snapshot_label_update_counts(world):
    world.snapshot("s")
    native = world.one.snapshotters["native"]
    native.update(snapshots.Info(name="s", kind=snapshots.Kind.UNKNOWN, labels={GC + "root": "now"}))
    assert world.left() == {"/s"}
