"""Clients that pull while garbage is collected without a pause: nothing that a lease or an image holds is lost."""

import threading

import pytest

from boxship.core import content as content_
from boxship.core import images
from boxship.metadata import content, snapshots
from boxship.terms import digests, errors, oci
from boxship.testing.metadata import Remembering, open_database

CLIENTS = 4
SECONDS = 3.0


def describe(data, media_type=oci.MANIFEST):
    return oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))


def pull(book, namespace, who, number):
    """What a pull does: all under a lease, layers that others have too, children before those who refer to them."""
    lease = book.namespace(namespace).leases.create().id
    one = book.namespace(namespace, lease)
    layers = [f"layer-{(number + index) % 5}".encode() for index in range(3)]
    for layer in layers:
        content_.write_blob(one.content, f"{who}-{digests.of(layer)}", layer, describe(layer))
    manifest = f"manifest-{who}-{number}".encode()
    labels = {f"containerd.io/gc.ref.content.l.{n}": digests.of(layer) for n, layer in enumerate(layers)}
    labels["containerd.io/gc.ref.snapshot.native"] = "chain-2"
    parent = ""
    for index in range(3):
        key, name = f"extract-{who}-{number}-{index}", f"chain-{index}"
        try:
            one.snapshotters["native"].prepare(key, parent)
            one.snapshotters["native"].commit(name, key)
        except errors.AlreadyExists:
            one.snapshotters["native"].remove(key)
        parent = name
    content_.write_blob(one.content, f"{who}-manifest", manifest, describe(manifest), labels)
    name = f"image-{who}"
    image = images.Image(name=name, target=describe(manifest))
    try:
        one.images.create(image)
    except errors.AlreadyExists:
        one.images.update(image, ["target"])
    one.leases.delete(lease)
    return manifest, layers


def check(book, namespace, who, manifest, layers):
    one = book.namespace(namespace)
    assert one.images.get(f"image-{who}").target.digest == digests.of(manifest)
    for data in (manifest, *layers):
        assert content_.read_blob(one.content, describe(data), 1 << 20) == data
    key = f"run-{who}"
    one.snapshotters["native"].prepare(key, "chain-2", labels={"containerd.io/gc.root": "now"})
    assert one.snapshotters["native"].mounts(key)
    one.snapshotters["native"].remove(key)


@pytest.mark.slow
@pytest.mark.parametrize("namespaces", [1, 2])
def test_pulls_and_collections(tmp_path, namespaces):
    faults: list[BaseException] = []
    rounds = [0] * CLIENTS
    stopped = threading.Event()

    def client(who):
        namespace = f"ns{who % namespaces}"
        try:
            while not stopped.is_set():
                made = pull(book, namespace, who, rounds[who])
                check(book, namespace, who, *made)
                rounds[who] += 1
        except BaseException as exc:
            faults.append(exc)
            stopped.set()
            raise

    def collector():
        while not stopped.is_set():
            book.collect()

    with open_database(tmp_path, publisher=Remembering()) as book:
        threads = [threading.Thread(target=client, args=(who,)) for who in range(CLIENTS)]
        threads.append(threading.Thread(target=collector))
        for thread in threads:
            thread.start()
        stopped.wait(SECONDS)
        stopped.set()
        for thread in threads:
            thread.join()
        assert faults == []
        assert min(rounds) > 2
        book.rows.freed = True
        book.collect()
        held = {info.digest for n in range(namespaces) for info in book.namespace(f"ns{n}").content.walk()}
        assert {info.digest for info in book.content.walk()} == held
        assert len(held) <= CLIENTS + 5


@pytest.mark.parametrize("kind", ["content", "snapshot"])
def test_what_goes_while_it_is_asked_for_is_not_said_to_be_there(tmp_path, monkeypatch, kind):
    """A collection between the look and the lease: the caller must bring it again, not rely on it."""
    with open_database(tmp_path, publisher=Remembering()) as book:
        data = b"soon gone"
        lease = book.namespace("one").leases.create().id
        one = book.namespace("one", lease)
        if kind == "content":
            content_.write_blob(book.namespace("one").content, "first", data, describe(data))
            looked = content.ContentBook._has
            monkeypatch.setattr(content.ContentBook, "_has", lambda *args: collecting(looked, *args))
        else:
            snapshotter = book.namespace("one").snapshotters["native"]
            snapshotter.prepare("key")
            snapshotter.commit("chain", "key")
            looked = snapshots.SnapshotsBook._find
            monkeypatch.setattr(snapshots.SnapshotsBook, "_find", lambda *args: collecting(looked, *args))

        def collecting(look, *args):
            found = look(*args)
            monkeypatch.undo()
            book.collect()
            return found

        if kind == "content":
            content_.write_blob(one.content, "second", data, describe(data))
            book.collect()
            assert content_.read_blob(one.content, describe(data), 1 << 20) == data
        else:
            one.snapshotters["native"].prepare("chain")
            book.collect()
            assert one.snapshotters["native"].mounts("chain")
