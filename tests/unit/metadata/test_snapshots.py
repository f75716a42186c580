import dataclasses

import pytest

from boxship.core import snapshots
from boxship.core.leases import Resource
from boxship.core.mounts import Mount
from boxship.metadata import database
from boxship.terms import errors
from boxship.testing.metadata import Remembering

REF = "containerd.io/snapshot.ref"


class Fake:
    """A snapshotter in memory which can be told to fail, or to have a remote snapshot."""

    def __init__(self):
        self.infos: dict[str, snapshots.Info] = {}
        self.remote: dict[str, str] = {}
        self.fail: BaseException | None = None
        self.before_commit = lambda: None

    def stat(self, key):
        if key not in self.infos:
            raise errors.NotFound(f"snapshot {key}")
        return self.infos[key]

    def update(self, info, paths=None):
        self.infos[info.name] = dataclasses.replace(self.stat(info.name), labels=info.labels)
        return self.infos[info.name]

    def usage(self, key):
        self.stat(key)
        return snapshots.Usage(size=1, inodes=1)

    def mounts(self, key):
        return [Mount(type="bind", source=self.stat(key).name)]

    def prepare(self, key, parent="", *, labels=None):
        return self._add(key, parent, labels, snapshots.Kind.ACTIVE)

    def view(self, key, parent="", *, labels=None):
        return self._add(key, parent, labels, snapshots.Kind.VIEW)

    def commit(self, name, key, *, parent="", labels=None):
        self.before_commit()
        if self.fail:
            raise self.fail
        old = self.stat(key)
        if old.kind is not snapshots.Kind.ACTIVE:
            raise errors.FailedPrecondition(f"snapshot {key} is not active")
        del self.infos[key]
        self.infos[name] = snapshots.Info(
            name=name, kind=snapshots.Kind.COMMITTED, parent=old.parent or parent, labels=labels or {}
        )

    def remove(self, key):
        self.stat(key)
        if any(info.parent == key for info in self.infos.values()):
            raise errors.FailedPrecondition(f"snapshot {key} has children")
        del self.infos[key]

    def walk(self, filters=()):
        yield from list(self.infos.values())

    def close(self):
        pass

    def _add(self, key, parent, labels, kind):
        if self.fail:
            raise self.fail
        target = (labels or {}).get(REF)
        if target in self.remote:
            name = self.remote[target]
            self.infos[name] = snapshots.Info(
                name=name, kind=snapshots.Kind.COMMITTED, parent=parent, labels={REF: target, "remote": "yes"}
            )
            raise errors.AlreadyExists(f"target snapshot {target}")
        self.infos[key] = snapshots.Info(name=key, kind=kind, parent=parent, labels=labels or {})
        return self.mounts(key)


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def told():
    return Remembering()


@pytest.fixture
def opened(tmp_path, fake, told, clock):
    from boxship.plugins.content import store

    made = []

    def opened():
        made.append(
            database.Database(
                tmp_path / "meta.db",
                content=store.LocalStore(tmp_path / "content"),
                snapshotters={"fake": fake},
                publisher=told,
                clock=clock,
            )
        )
        return made[-1]

    yield opened
    for each in made:
        each.rows.close()


@pytest.fixture
def book(opened):
    return opened()


@pytest.fixture
def one(book):
    return book.namespace("one").snapshotters["fake"]


def test_keys_belong_to_the_namespace(book, one, fake):
    one.prepare("a")
    two = book.namespace("two").snapshotters["fake"]
    with pytest.raises(errors.NotFound, match=r"snapshot a does not exist: not found"):
        two.stat("a")
    two.prepare("a")
    assert sorted(name.split("/")[0] for name in fake.infos) == ["one", "two"]
    assert all(name.endswith("/a") for name in fake.infos)
    assert [info.name for info in one.walk()] == ["a"]


def test_numbers_are_never_given_twice(opened, fake):
    for _ in range(3):
        book = opened()
        book.namespace("one").snapshotters["fake"].prepare("a")
        book.namespace("one").snapshotters["fake"].remove("a")
        book.rows.close()
    assert len(fake.infos) == 3


def test_only_its_own_labels_reach_the_snapshotter(one, fake):
    labels = {"mine": "1", "containerd.io/snapshot/x": "2", "containerd.io/gc.root": "3"}
    one.prepare("a", labels=labels)
    (info,) = fake.infos.values()
    assert info.labels == {"containerd.io/snapshot/x": "2"}
    assert one.stat("a").labels == labels
    one.update(snapshots.Info(name="a", kind=snapshots.Kind.UNKNOWN, labels={"containerd.io/snapshot/x": "4"}))
    (info,) = fake.infos.values()
    assert info.labels == {"containerd.io/snapshot/x": "4"}
    assert one.stat("a").labels == {"containerd.io/snapshot/x": "4"}
    one.commit("b", "a", labels=labels)
    (info,) = fake.infos.values()
    assert info.labels == {"containerd.io/snapshot/x": "2"}


def test_update_of_what_cannot_change(one):
    one.prepare("a")
    with pytest.raises(errors.InvalidArgument, match=r'cannot update "parent" field on snapshot "a"'):
        one.update(snapshots.Info(name="a", kind=snapshots.Kind.ACTIVE), ["parent"])
    with pytest.raises(errors.InvalidArgument):
        one.update(snapshots.Info(name="", kind=snapshots.Kind.ACTIVE))
    with pytest.raises(errors.InvalidArgument, match=r"info.Labels: label key"):
        one.update(snapshots.Info(name="a", kind=snapshots.Kind.ACTIVE, labels={"k": "v" * 4096}))


def test_messages(one, fake):
    def said(kind, text, ask, *arguments, **options):
        with pytest.raises(kind) as caught:
            ask(*arguments, **options)
        assert str(caught.value) == text

    said(errors.NotFound, 'can not find snapshotter "fake": not found', one.commit, "b", "a")
    one.prepare("a")
    said(errors.AlreadyExists, 'snapshot "a": already exists', one.prepare, "a")
    said(errors.AlreadyExists, 'snapshot "a": already exists', one.commit, "a", "a")
    said(errors.NotFound, "snapshot x does not exist: not found", one.commit, "b", "x")
    said(errors.NotFound, "parent snapshot x does not exist: not found", one.prepare, "c", "x")
    one.commit("b", "a")
    one.prepare("c", "b")
    said(errors.FailedPrecondition, "cannot remove snapshot with child: failed precondition", one.remove, "b")
    for ask in (one.stat, one.usage, one.mounts, one.remove):
        said(errors.NotFound, "snapshot x does not exist: not found", ask, "x")
    said(errors.InvalidArgument, "snapshot key must not be empty: invalid argument", one.prepare, "")
    said(errors.InvalidArgument, "snapshot name must not be empty: invalid argument", one.commit, "", "c")
    said(errors.NotImplemented, "snapshotter does not implement Cleanup method: not implemented", one.cleanup)
    fake.fail = errors.AlreadyExists("key")
    said(errors.Unknown, "unexpected error from snapshotter: key: already exists: unknown", one.prepare, "d")


def test_a_failed_prepare_leaves_nothing(one, fake):
    fake.fail = errors.ResourceExhausted("full")
    with pytest.raises(errors.ResourceExhausted):
        one.prepare("a")
    fake.fail = None
    assert list(one.walk()) == []
    one.prepare("a")


def test_a_failed_commit_changes_nothing(book, one, fake):
    one.prepare("a", labels={"x": "1"})
    fake.fail = errors.ResourceExhausted("full")
    with pytest.raises(errors.ResourceExhausted):
        one.commit("b", "a")
    fake.fail = None
    assert [info.name for info in one.walk()] == ["a"]
    assert book.rows.many("SELECT * FROM commits") == []
    one.commit("b", "a")
    assert [(info.name, info.kind) for info in one.walk()] == [("b", snapshots.Kind.COMMITTED)]


def test_a_commit_that_fails_after_it_was_done_is_followed(one, fake):
    one.prepare("a")
    real = fake.commit

    def commit(*arguments, **options):
        real(*arguments, **options)
        raise errors.DeadlineExceeded("slow")

    fake.commit = commit
    with pytest.raises(errors.DeadlineExceeded):
        one.commit("b", "a")
    assert [(info.name, info.kind) for info in one.walk()] == [("b", snapshots.Kind.COMMITTED)]


def test_a_parent_that_goes_meanwhile(book, one, fake):
    one.prepare("p")
    one.commit("parent", "p")
    real = fake.prepare

    def prepare(key, parent="", *, labels=None):
        one.remove("parent")
        return real(key, parent, labels=labels)

    fake.prepare = prepare
    with pytest.raises(errors.NotFound, match=r"parent snapshot parent does not exist"):
        one.prepare("child", "parent")
    assert [name.split("/")[2] for name in fake.infos] == ["parent"]


def test_rebase_is_passed_on(one, fake):
    one.prepare("p")
    one.commit("parent", "p")
    one.prepare("c")
    one.commit("child", "c", parent="parent")
    assert one.stat("child").parent == "parent"
    by_key = {name.split("/")[2]: info for name, info in fake.infos.items()}
    assert by_key["child"].parent == by_key["parent"].name
    one.prepare("d")
    with pytest.raises(errors.NotFound, match=r"parent snapshot x does not exist"):
        one.commit("e", "d", parent="x")


@pytest.mark.parametrize("happened", [False, True])
def test_a_commit_that_was_cut_short(opened, fake, happened):
    book = opened()
    book.namespace("one").leases.create("held")
    one = book.namespace("one", "held").snapshotters["fake"]
    one.prepare("a", labels={"x": "1"})

    class Killed(BaseException):
        pass

    def kill():
        if happened:
            (key,) = fake.infos
            fake.before_commit = lambda: None
            fake.commit(f"one/{book.rows.number() - 1}/b", key)
        raise Killed

    fake.before_commit = kill
    one._conclude = lambda key, backend: None  # a killed process cleans nothing up
    with pytest.raises(Killed):
        one.commit("b", "a", labels={"y": "2"})
    book.rows.close()
    fake.before_commit = lambda: None

    again = opened().namespace("one", "held")
    one = again.snapshotters["fake"]
    if happened:
        assert [(info.name, info.kind, info.labels) for info in one.walk()] == [
            ("b", snapshots.Kind.COMMITTED, {"y": "2"})
        ]
        assert list(again.leases.list_resources("held")) == [Resource(type="snapshots/fake", id="b")]
    else:
        assert [(info.name, info.kind) for info in one.walk()] == [("a", snapshots.Kind.ACTIVE)]
        one.commit("b", "a")
    assert one.stat("b").kind is snapshots.Kind.COMMITTED


def test_a_remote_snapshot_is_adopted(book, one, fake, told):
    fake.remote["chain"] = "somewhere/1/chain"
    book.namespace("one").leases.create("held")
    held = book.namespace("one", "held")
    labels = {REF: "chain", "mine": "1"}
    with pytest.raises(errors.AlreadyExists, match=r'target snapshot "chain" from snapshotter: already exists'):
        held.snapshotters["fake"].prepare("extract", labels=labels)
    info = one.stat("chain")
    assert (info.kind, info.parent) == (snapshots.Kind.COMMITTED, "")
    assert info.labels == {REF: "chain", "remote": "yes", "mine": "1"}
    assert list(held.leases.list_resources("held")) == [Resource(type="snapshots/fake", id="chain")]
    with pytest.raises(errors.AlreadyExists, match=r'^target snapshot "chain": already exists'):
        held.snapshotters["fake"].prepare("again", labels=labels)
    one.prepare("child", "chain")
    assert [info.name for info in one.walk()] == ["chain", "child"]


def test_a_remote_snapshot_that_is_not_there(one, fake):
    fake.remote["chain"] = "x"
    real, fake.walk = fake.walk, lambda filters=(): iter(())
    with pytest.raises(errors.NotFound, match=r'target snapshot "chain" in backend'):
        one.prepare("extract", labels={REF: "chain"})
    fake.walk = real


def test_what_exists_is_leased_too(book, one):
    one.prepare("a")
    one.prepare("b")
    one.commit("c", "b")
    book.namespace("one").leases.create("held")
    held = book.namespace("one", "held")
    for ask in (lambda s: s.prepare("a"), lambda s: s.commit("c", "a"), lambda s: s.view("c")):
        with pytest.raises(errors.AlreadyExists):
            ask(held.snapshotters["fake"])
    held.snapshotters["fake"].prepare("d")
    held.snapshotters["fake"].commit("e", "d")
    members = {resource.id for resource in held.leases.list_resources("held")}
    assert members == {"a", "c", "e"}


def test_a_lease_must_exist(book, fake):
    with pytest.raises(errors.NotFound, match=r"^lease does not exist: not found"):
        book.namespace("one", "gone").snapshotters["fake"].prepare("a")
    assert fake.infos == {}


def test_events(one, told):
    one.prepare("a")
    one.commit("b", "a")
    one.view("v", "b")
    one.prepare("c", "b")
    one.remove("c")
    assert told.told == [
        ("one", "/snapshot/prepare", {"key": "a", "parent": "", "snapshotter": "fake"}),
        ("one", "/snapshot/commit", {"key": "a", "name": "b", "snapshotter": "fake"}),
        ("one", "/snapshot/prepare", {"key": "c", "parent": "b", "snapshotter": "fake"}),
        ("one", "/snapshot/remove", {"key": "c", "snapshotter": "fake"}),
    ]


def test_a_walk_over_many(one, fake):
    for number in range(40):
        one.prepare(f"k{number:02}")
    fake.infos.popitem()
    found = [info.name for info in one.walk()]
    assert found == [f"k{number:02}" for number in range(39)]
    assert [info.name for info in one.walk(["name==k05", "kind==committed"])] == ["k05"]


def test_removed_ones_leave_the_backend_children_first(book, one, fake):
    one.prepare("x")
    one.commit("bottom", "x")
    for below, name in (("bottom", "middle"), ("middle", "top")):
        one.prepare("x", below)
        one.commit(name, "x")
    book.namespace("one").snapshotters["fake"].update(
        snapshots.Info(name="bottom", kind=snapshots.Kind.UNKNOWN, labels={"containerd.io/gc.root": "now"})
    )
    stats = book.collect()
    assert stats.snapshots == 2
    assert [info.name for info in one.walk()] == ["bottom"]
    assert [name.split("/")[2] for name in fake.infos] == ["bottom"]


def test_a_snapshotter_that_does_not_answer_does_not_stop_the_collection(book, one, fake):
    one.prepare("a")
    fake.remove = lambda key: (_ for _ in ()).throw(errors.Unavailable("busy"))
    assert book.collect().snapshots == 1
    assert list(one.walk()) == []
    assert len(fake.infos) == 1
    del fake.remove
    book.namespace("one").leases.create("x")
    book.namespace("one").leases.delete("x", synchronous=True)
    assert fake.infos == {}


def test_the_parent_of_a_commit_on_its_way_stays(opened, fake):
    """A rebase names its parent in the plan alone, until the rows follow."""
    book = opened()
    one = book.namespace("one").snapshotters["fake"]
    one.prepare("p")
    one.commit("parent", "p", labels={"containerd.io/gc.root": "x"})
    one.prepare("c", labels={"containerd.io/gc.root": "x"})

    def others():
        one.update(snapshots.Info(name="parent", kind=snapshots.Kind.UNKNOWN, labels={}), ["labels"])
        book.collect()
        with pytest.raises(errors.FailedPrecondition, match="cannot remove snapshot with child"):
            one.remove("parent")

    fake.before_commit = others
    one.commit("child", "c", parent="parent")
    fake.before_commit = lambda: None
    assert one.stat("child").parent == "parent"


def test_a_name_is_taken_while_its_commit_is_on_its_way(one, fake):
    one.prepare("a", labels={"x": "1"})

    def another():
        with pytest.raises(errors.AlreadyExists, match='snapshot "b"'):
            one.prepare("b")

    fake.before_commit = another
    one.commit("b", "a", labels={"x": "2"})
    fake.before_commit = lambda: None
    assert [(info.name, info.kind, info.labels) for info in one.walk()] == [("b", snapshots.Kind.COMMITTED, {"x": "2"})]


def test_a_plan_that_cannot_be_followed_does_not_stop_the_start(opened, fake, caplog):
    """A book of before, in which the parent of a rebase could go while its commit was on its way."""
    book = opened()
    one = book.namespace("one").snapshotters["fake"]
    one.prepare("a")
    backend = book.rows.one("SELECT backend FROM snapshots")[0]
    fake.commit("one/9000/b", backend)
    with book.rows.writing() as transaction:
        transaction.execute(
            "INSERT INTO commits VALUES ('one', 'fake', 'a', 'b', 'one/9000/b', 'gone', '{}', '')",
        )
    book.rows.close()
    again = opened().namespace("one").snapshotters["fake"]
    assert "one/a" in caplog.text
    again.prepare("c")
    again.remove("a")
