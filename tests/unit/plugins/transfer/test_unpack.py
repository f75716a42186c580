"""Layers over a real book, while a collection goes on beside."""

import dataclasses

import pytest

from boxship.core import chains, snapshots
from boxship.plugins.transfer import unpack
from boxship.terms import oci, platforms
from boxship.testing.metadata import open_database

DIFF_IDS = tuple(f"sha256:{n:064x}" for n in range(1, 4))
CHAINS = chains.chain_ids(DIFF_IDS)
CONFIG = oci.ImageConfig(platform=platforms.default(), diff_ids=DIFF_IDS)
ROOT = {"containerd.io/gc.root": "x"}


class Applier:
    """Says that a layer is what the configuration wants."""

    def apply(self, descriptor, targets, *, payloads=None, sync_fs=False):
        return oci.Descriptor(media_type=oci.LAYER, digest=DIFF_IDS[int(descriptor.digest[-1]) - 1], size=1)


@pytest.fixture
def books(tmp_path):
    with open_database(tmp_path) as opened:
        opened.namespace("n").leases.create("pull")
        yield opened


@pytest.fixture
def image():
    """A manifest of three layers."""
    layers = tuple(oci.Descriptor(media_type=oci.LAYER, digest=diff_id, size=1) for diff_id in DIFF_IDS)
    config = oci.Descriptor(media_type=oci.CONFIG, digest=f"sha256:{9:064x}", size=6)
    return oci.Manifest(media_type=oci.MANIFEST, config=config, layers=layers)


class Labels:
    """A store that takes every label."""

    def update(self, info, paths=None):
        return info


def unpacked_by_another(books, count):
    """Snapshots that only their label keeps, as an image that is about to be removed."""
    snapshotter = books.namespace("n").snapshotters["native"]
    parent = ""
    for chain in CHAINS[:count]:
        snapshotter.prepare(f"other {chain}", parent, labels=ROOT)
        snapshotter.commit(chain, f"other {chain}", labels=ROOT)
        parent = chain


def given_up_by_another(books):
    snapshotter = books.namespace("n").snapshotters["native"]
    for info in snapshotter.walk():
        if info.name in CHAINS:
            snapshotter.update(dataclasses.replace(info, labels={}), ["labels"])
    books.collect()


def unpacker(books):
    return unpack.Unpacker(
        name="native",
        snapshotter=books.namespace("n", "pull").snapshotters["native"],
        applier=Applier(),
        store=Labels(),
    )


@pytest.mark.parametrize("there", [1, 2])
def test_what_is_there_stays_while_the_rest_comes(books, image, there):
    unpacked_by_another(books, there)
    came = []

    def arrived(layer):
        came.append(layer.digest)
        given_up_by_another(books)

    assert unpacker(books).unpack(image, CONFIG, arrived=arrived) == CHAINS[-1]
    assert len(came) == 3 - there
    kinds = {info.name: info.kind for info in books.namespace("n").snapshotters["native"].walk()}
    assert kinds == dict.fromkeys(CHAINS, snapshots.Kind.COMMITTED)


def test_what_goes_while_it_is_looked_at_is_unpacked_again(books, image):
    unpacked_by_another(books, 3)
    made = unpacker(books)
    real = made.snapshotter

    class Looking:
        def stat(self, key):
            found = real.stat(key)
            given_up_by_another(books)
            return found

        def __getattr__(self, name):
            return getattr(real, name)

    made = dataclasses.replace(made, snapshotter=Looking())
    assert made.unpack(image, CONFIG) == CHAINS[-1]
    kinds = {info.name: info.kind for info in books.namespace("n").snapshotters["native"].walk()}
    assert kinds == dict.fromkeys(CHAINS, snapshots.Kind.COMMITTED)
