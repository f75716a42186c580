"""The book against dictionaries: whatever is done to both, also across restarts, they agree."""

import dataclasses
import pathlib
import tempfile

import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from boxship.core import images, namespaces
from boxship.core.leases import Resource
from boxship.terms import digests, errors, oci
from boxship.testing.containers import container
from boxship.testing.metadata import open_database

NAMES = st.sampled_from(["a", "b", "c"])
SPACES = st.sampled_from(["one", "two"])
TEXTS = st.sampled_from(["", "x", "é", 'q"uote', "long " * 50])
LABELS = st.dictionaries(st.sampled_from(["k", "a.b/c", "ключ"]), TEXTS, max_size=3)


def full(labels):
    return {key: value for key, value in labels.items() if value}


def target(text):
    return oci.Descriptor(media_type="m", digest=digests.of(text.encode()), size=len(text))


class Book(stateful.RuleBasedStateMachine):
    @stateful.initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.images = {}
        self.containers = {}
        self.leases = {}
        self.members = set()
        self.labels = {}
        self.blobs = {}
        self.start()

    def start(self):
        self.opening = open_database(pathlib.Path(self.folder.name))
        self.book = self.opening.__enter__()

    @stateful.rule(clean=st.booleans())
    def reopen(self, clean):
        if not clean:
            self.book.rows.close()
        self.opening.__exit__(None, None, None)
        self.start()

    def expect(self, kind, ask, *arguments, **options):
        if kind is None:
            return ask(*arguments, **options)
        with pytest.raises(kind):
            ask(*arguments, **options)
        return None

    def use(self, space):
        self.labels.setdefault(space, {})

    @stateful.rule(space=SPACES, labels=LABELS)
    def label_namespace(self, space, labels):
        self.book.namespaces.update(namespaces.Info(name=space, labels=labels))
        self.labels[space] = full(labels)

    @stateful.rule(space=SPACES, name=NAMES, labels=LABELS, text=NAMES)
    def create_image(self, space, name, labels, text):
        taken = (space, name) in self.images
        made = images.Image(name=name, target=target(text), labels=labels)
        self.expect(errors.AlreadyExists if taken else None, self.book.namespace(space).images.create, made)
        if not taken:
            self.use(space)
            self.images[space, name] = (text, full(labels))

    @stateful.rule(space=SPACES, name=NAMES, labels=LABELS, text=NAMES, key=st.sampled_from(["k", "a.b/c"]))
    def update_image(self, space, name, labels, text, key):
        known = self.images.get((space, name))
        new = images.Image(name=name, target=target(text), labels=labels)
        ask = self.book.namespace(space).images.update
        self.expect(None if known else errors.NotFound, ask, new, ["target", f"labels.{key}"])
        if known:
            self.images[space, name] = (text, full({**known[1], key: labels.get(key, "")}))

    @stateful.rule(space=SPACES, name=NAMES, text=st.none() | NAMES)
    def delete_image(self, space, name, text):
        known = self.images.get((space, name))
        fits = known is not None and text in {None, known[0]}
        wanted = target(text).digest if text else ""
        self.expect(None if fits else errors.NotFound, self.book.namespace(space).images.delete, name, target=wanted)
        if fits:
            del self.images[space, name]

    @stateful.rule(space=SPACES, name=NAMES, labels=LABELS)
    def create_container(self, space, name, labels):
        taken = (space, name) in self.containers
        ask = self.book.namespace(space).containers.create
        made = self.expect(errors.AlreadyExists if taken else None, ask, container(name, labels=labels))
        if not taken:
            self.use(space)
            self.containers[space, name] = made

    @stateful.rule(space=SPACES, name=NAMES, labels=LABELS, image=TEXTS)
    def update_container(self, space, name, labels, image):
        known = self.containers.get((space, name))
        ask = self.book.namespace(space).containers.update
        made = self.expect(None if known else errors.NotFound, ask, container(name, labels=labels, image=image))
        if known:
            wanted = dataclasses.replace(known, labels=full(labels), image=image, updated_at=made.updated_at)
            assert made == wanted
            self.containers[space, name] = wanted

    @stateful.rule(space=SPACES, name=NAMES)
    def delete_container(self, space, name):
        known = self.containers.pop((space, name), None)
        self.expect(None if known else errors.NotFound, self.book.namespace(space).containers.delete, name)

    @stateful.rule(space=SPACES, name=NAMES, labels=LABELS)
    def create_lease(self, space, name, labels):
        taken = (space, name) in self.leases
        ask = self.book.namespace(space).leases.create
        self.expect(errors.AlreadyExists if taken else None, ask, name, labels)
        if not taken:
            self.use(space)
            self.leases[space, name] = full(labels)

    @stateful.rule(space=SPACES, name=NAMES)
    def delete_lease(self, space, name):
        known = self.leases.pop((space, name), None)
        self.expect(errors.NotFound if known is None else None, self.book.namespace(space).leases.delete, name)
        self.members = {member for member in self.members if member[:2] != (space, name)}

    @stateful.rule(space=SPACES, name=NAMES, text=NAMES, add=st.booleans())
    def change_members(self, space, name, text, add):
        manager = self.book.namespace(space).leases
        ask = manager.add_resource if add else manager.delete_resource
        digest = digests.of(text.encode())
        known = (space, name) in self.leases
        self.expect(None if known else errors.NotFound, ask, name, Resource(type="content", id=digest))
        if known:
            (self.members.add if add else self.members.discard)((space, name, digest))

    @stateful.rule(space=SPACES, text=NAMES, labels=LABELS, lease=st.none() | NAMES)
    def write_blob(self, space, text, labels, lease):
        digest = digests.of(text.encode())
        content = self.book.namespace(space, lease or "").content
        if lease and (space, lease) not in self.leases:
            self.expect(errors.NotFound, content.writer, "ref", expected=digest)
            return
        if lease:
            self.members.add((space, lease, digest))
        if (space, text) in self.blobs:
            self.expect(errors.AlreadyExists, content.writer, "ref", expected=digest)
            return
        with content.writer("ref", expected=digest) as writer:
            writer.write(text.encode()[writer.status().offset :])
            writer.commit(0, digest, labels)
        self.use(space)
        self.blobs[space, text] = full(labels)

    @stateful.rule(space=SPACES, text=NAMES)
    def delete_blob(self, space, text):
        known = self.blobs.pop((space, text), None)
        digest = digests.of(text.encode())
        self.expect(errors.NotFound if known is None else None, self.book.namespace(space).content.delete, digest)

    @stateful.rule()
    def collect(self):
        self.book.collect()
        kept = {(space, digest) for space, _, digest in self.members}
        kept |= {(space, digests.of(text.encode())) for (space, _), (text, _) in self.images.items()}
        self.blobs = {
            (space, text): labels
            for (space, text), labels in self.blobs.items()
            if (space, digests.of(text.encode())) in kept
        }
        there = {info.digest for info in self.book.content.walk()}
        assert there == {digests.of(text.encode()) for _, text in self.blobs}

    @stateful.rule(space=SPACES)
    def delete_namespace(self, space):
        lived_in = any(space == key[0] for key in (*self.images, *self.containers, *self.blobs))
        known = space in self.labels
        kind = errors.FailedPrecondition if lived_in else None if known else errors.NotFound
        self.expect(kind, self.book.namespaces.delete, space)
        if kind is None:
            del self.labels[space]
            self.leases = {key: value for key, value in self.leases.items() if key[0] != space}
            self.members = {member for member in self.members if member[0] != space}

    @stateful.invariant()
    def they_agree(self):
        if not hasattr(self, "book"):
            return
        assert {info.name: info.labels for info in self.book.namespaces.walk()} == self.labels
        for space in ("one", "two"):
            book = self.book.namespace(space)
            assert {(space, each.name): (each.target, each.labels) for each in book.images.list()} == {
                key: (target(text), labels) for key, (text, labels) in self.images.items() if key[0] == space
            }
            assert {(space, each.id): each for each in book.containers.list()} == {
                key: value for key, value in self.containers.items() if key[0] == space
            }
            assert {(space, each.id): each.labels for each in book.leases.list()} == {
                key: value for key, value in self.leases.items() if key[0] == space
            }
            assert {
                (space, lease.id, each.id)
                for lease in book.leases.list()
                for each in book.leases.list_resources(lease.id)
            } == {member for member in self.members if member[0] == space}
            assert {info.digest: info.labels for info in book.content.walk()} == {
                digests.of(text.encode()): labels for (owner, text), labels in self.blobs.items() if owner == space
            }

    def teardown(self):
        if hasattr(self, "book"):
            self.opening.__exit__(None, None, None)
            self.folder.cleanup()


Book.TestCase.settings = hypothesis.settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


class TestBook(Book.TestCase):
    pass
