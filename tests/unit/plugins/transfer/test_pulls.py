"""Pull and push between a small real registry and real stores."""

import contextlib
import dataclasses
import random
import threading

import pytest

from boxship.core import content
from boxship.metadata import database
from boxship.plugins.content import store as stores
from boxship.plugins.transfer import progress, pull, push
from boxship.remotes import hosts, registry
from boxship.terms import digests, errors, oci, platforms
from boxship.testing import registry as registries

PLATFORMS = ["linux/386", "linux/amd64", "linux/arm/v7", "linux/arm64/v8"]


class Silent:
    def publish(self, *args, **kwargs):
        return None


@pytest.fixture
def server():
    with registries.Registry() as found:
        yield found


@pytest.fixture
def remote():
    with registry.Registry(hosts.Hosts(()), pause=lambda _: None) as found:
        yield found


@pytest.fixture
def book(tmp_path):
    backend = stores.LocalStore(tmp_path / "content")
    found = database.Database(tmp_path / "meta.db", content=backend, snapshotters={}, publisher=Silent())
    yield found.namespace("default")
    found.close()


def served(server, *, media_type=oci.INDEX):
    """An index `a:t` for several platforms, each with a layer of its own; the manifests."""
    found = []
    for name in PLATFORMS:
        one = server.push_image("a", name.replace("/", "-"), [random.Random(name).randbytes(3000)])
        found.append(dataclasses.replace(one, platform=platforms.parse(name)))
    attached = dataclasses.replace(server.push_image("a", "attached", [b"signature"]), platform=None)
    server.put_manifest("a", "t", oci.Index(media_type=media_type, manifests=(attached, *found)))
    return dict(zip(PLATFORMS, found, strict=True))


def pulled(book, remote, server, matcher, report=progress.silent):
    return pull.Puller(remote, book.content, book.images, matcher=matcher, report=report).pull(f"{server.host}/a:t")


@pytest.mark.parametrize("media_type", [oci.INDEX, oci.DOCKER_LIST])
@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/386", "linux/386"),
    ],
)
def test_of_an_index_only_the_best_is_fetched(server, remote, book, wanted, chosen, media_type):
    """What also runs on the machine, such as 386 beside amd64, would double each pull."""
    found = served(server, media_type=media_type)
    image = pulled(book, remote, server, platforms.only(platforms.parse(wanted)))
    stored = {info.digest for info in book.content.walk()}
    assert len(stored) == 4  # index, manifest, config, layer
    assert {image.target.digest, found[chosen].digest} < stored
    assert list(book.content.info(image.target.digest).labels.values())[-1] == found[chosen].digest


def test_everything_is_fetched_when_wanted(server, remote, book):
    found = served(server)
    image = pulled(book, remote, server, platforms.EVERYTHING)
    assert all(book.content.info(each.digest) for each in found.values())
    with registries.Registry() as other:
        push.push(f"{other.host}/b:t", image.target, remote, book.content)
        assert remote.resolve(f"{other.host}/b:t")[1].digest == image.target.digest


def test_pushing_what_is_partly_here_tells_the_way_out(server, remote, book):
    served(server)
    image = pulled(book, remote, server, platforms.only(platforms.parse("linux/386")))
    with pytest.raises(errors.NotFound, match=r"pull all platforms, or push one of them"):
        push.push(f"{server.host}/b:t", image.target, remote, book.content)


def test_a_missing_platform_is_told_with_those_there_are(server, remote, book):
    server.put_manifest("a", "t", oci.Index(media_type=oci.INDEX, manifests=(served(server)["linux/386"],)))
    with pytest.raises(errors.NotFound, match=r"nothing for linux/s390x; it is there for linux/386"):
        pulled(book, remote, server, platforms.only(platforms.parse("linux/s390x")))


def test_a_pull_goes_on_where_an_earlier_one_stopped(server, remote, book):
    layer = random.Random(3).randbytes(1 << 20)
    server.push_image("a", "t", [layer])
    blob = oci.Descriptor(media_type=oci.DOCKER_LAYER, digest=digests.of(layer), size=len(layer))
    manifest = oci.parse_manifest(server.storage.manifest("a", "t")[0])
    writer = book.content.writer(f"layer-{blob.digest}", total=blob.size, expected=blob.digest)
    writer.write(layer[:700_000])
    writer.close()
    assert manifest.layers[0].digest == blob.digest
    pulled(book, remote, server, platforms.EVERYTHING)
    [seen] = server.requests("GET", blob.digest)
    assert seen.headers["range"] == "bytes=700000-"
    assert content.read_blob(book.content, blob, 1 << 21) == layer


def test_wrong_bytes_are_refused_and_forgotten(server, remote, book):
    server.push_image("a", "t", [random.Random(4).randbytes(1000)])
    digest = oci.parse_manifest(server.storage.manifest("a", "t")[0]).layers[0].digest
    server.fail(registries.Fault(path=digest, corrupt=True))
    with pytest.raises(errors.FailedPrecondition):
        pulled(book, remote, server, platforms.EVERYTHING)
    assert not book.content.list_statuses()
    pulled(book, remote, server, platforms.EVERYTHING)


class Together:
    """A registry that lets no layer through until three are being fetched."""

    def __init__(self, remote):
        self._remote = remote
        self._barrier = threading.Barrier(3)

    def resolve(self, reference):
        return self._remote.resolve(reference)

    def fetch(self, reference, descriptor, offset=0):
        if oci.is_layer(descriptor.media_type):
            self._barrier.wait(20)
        return self._remote.fetch(reference, descriptor, offset)


def test_layers_come_several_at_once(server, remote, book):
    layers = [random.Random(f"l{n}").randbytes(30_000) for n in range(3)]
    server.push_image("a", "t", layers)
    pulled(book, Together(remote), server, platforms.EVERYTHING)
    assert all(book.content.info(digests.of(each)) for each in layers)


class Endless:
    """A registry of which one blob never ends and another is not there."""

    def __init__(self, remote, endless, missing):
        self._remote = remote
        self._endless = endless
        self._missing = missing
        self.begun = threading.Event()
        self.stopped = threading.Event()

    def resolve(self, reference):
        return self._remote.resolve(reference)

    def fetch(self, reference, descriptor, offset=0):
        if descriptor.digest == self._missing:
            assert self.begun.wait(20)
            raise errors.NotFound("blob")
        if descriptor.digest == self._endless:
            return contextlib.closing(self._drops())
        return self._remote.fetch(reference, descriptor, offset)

    def _drops(self):
        try:
            for _ in range(30_000):
                self.begun.set()
                yield b"x"
        finally:
            self.stopped.set()


def test_a_failed_pull_does_not_wait_for_the_other_blobs(server, remote, book):
    layers = [random.Random(f"l{n}").randbytes(30_000) for n in range(2)]
    server.push_image("a", "t", layers)
    endless, missing = map(digests.of, layers)
    registry = Endless(remote, endless, missing)
    with pytest.raises(errors.NotFound, match="blob"):
        pulled(book, registry, server, platforms.EVERYTHING)
    assert registry.stopped.is_set()
    assert 0 < book.content.status(f"layer-{endless}").offset < 30_000  # for the next try
