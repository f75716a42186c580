"""Bundles on disk."""

import json
import os
import stat

import pytest

from boxship.plugins.tasks import bundles
from boxship.terms import errors
from boxship.wire import shims

pytestmark = pytest.mark.root  # deletion unmounts


@pytest.fixture
def store(tmp_path):
    return bundles.Bundles(tmp_path / "root", tmp_path / "state")


def test_one_is_made_and_taken_away(store, tmp_path):
    bundle = store.make("n", "a", b"{}")
    assert stat.S_IMODE(bundle.path.stat().st_mode) == 0o700
    assert (bundle.path / "config.json").read_bytes() == b"{}"
    assert os.readlink(bundle.path / "work") == str(tmp_path / "root" / "n" / "a")
    assert stat.S_IMODE((bundle.path / "rootfs").stat().st_mode) == 0o711
    with pytest.raises(errors.AlreadyExists):
        store.make("n", "a", b"{}")
    assert [found.id for found in store.all()] == ["a"]
    bundle.delete()
    bundle.delete()
    assert list(store.all()) == []
    assert os.listdir(tmp_path / "root" / "n") == []


def test_bad_ids_are_refused(store, tmp_path):
    for id in ("", "..", "a/b", "x" * 77):
        with pytest.raises(errors.InvalidArgument, match="invalid task id"):
            store.make("n", id, None)
    assert not (tmp_path / "state").exists()


def test_the_root_of_a_user_namespace_may_pass(store):
    spec = json.dumps({"linux": {"gidMappings": [{"containerID": 0, "hostID": 4000, "size": 10}]}}).encode()
    found = store.make("n", "a", spec).path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o710, 4000)


@pytest.mark.parametrize(
    ("annotations", "group"),
    [
        ({}, "a"),
        ({"io.kubernetes.cri.sandbox-id": "pod"}, "pod"),
        ({"io.kubernetes.cri.sandbox-id": "pod", "io.containerd.runc.v2.group": "mine"}, "mine"),
        (["no object"], "a"),
    ],
)
def test_groups(store, annotations, group):
    assert store.make("n", "a", json.dumps({"annotations": annotations}).encode()).group() == group


def test_where_its_shim_is(store):
    bundle = store.make("n", "a", None)
    with pytest.raises(errors.NotFound):
        bundle.endpoint()
    endpoint = shims.Endpoint(version=3, address="unix:///x", protocol="ttrpc")
    bundle.note_endpoint(endpoint)
    assert bundle.endpoint() == endpoint
    (bundle.path / "bootstrap.json").unlink()
    assert bundle.endpoint().version == 2  # the address alone, as older daemons left it
    assert bundle.binary() == ""
    bundle.note_binary("/usr/bin/shim")
    assert bundle.binary() == "/usr/bin/shim"


def test_half_deleted_ones_and_old_working_folders_go(store, tmp_path):
    bundle = store.make("n", "a", None)
    (tmp_path / "state/n/.b").mkdir()
    (tmp_path / "root/n/gone").mkdir()
    assert [found.id for found in store.all()] == ["a"]
    store.sweep_work()
    assert sorted(os.listdir(tmp_path / "state/n") + os.listdir(tmp_path / "root/n")) == ["a", "a"]
    bundle.delete()
