"""An engine inside this program."""

import pytest

from boxship.daemon import engine, locks
from boxship.proxies import callers
from boxship.proxies._sync.namespaces import NamespacesProxy
from boxship.proxies._sync.version import VersionProxy
from boxship.rpc import client
from boxship.terms import errors

pytestmark = pytest.mark.root


def test_it_answers_whoever_connects(tmp_path):
    with engine.embed(tmp_path / "r", tmp_path / "s") as made:
        with client.Channel(made.connect()) as one, client.Channel(made.connect()) as two:
            NamespacesProxy(callers.Caller(one)).create("n", {})
            assert [info.name for info in NamespacesProxy(callers.Caller(two)).walk()] == ["n"]
        assert (tmp_path / "s" / "boxship.sock.ttrpc").is_socket()
        assert not (tmp_path / "s" / "boxship.sock").exists()
    assert not (tmp_path / "s" / "boxship.sock.ttrpc").exists()


def test_one_at_a_time_has_a_root(tmp_path):
    with engine.embed(tmp_path / "r", tmp_path / "s"), pytest.raises(locks.Held):
        engine.embed(tmp_path / "r", tmp_path / "t")
    with engine.embed(tmp_path / "r", tmp_path / "s"):
        pass


def test_after_the_end_nobody_answers(tmp_path):
    made = engine.embed(tmp_path / "r", tmp_path / "s")
    with client.Channel(made.connect()) as channel:
        made.close(0)
        with pytest.raises(errors.Error):
            VersionProxy(callers.Caller(channel, timeout=5)).version()


def test_sections_are_settings(tmp_path):
    disabled = ("io.containerd.snapshotter.v1.overlayfs",)
    with engine.embed(tmp_path / "r", tmp_path / "s", disabled_plugins=disabled) as made:
        assert [part.name for part in made.assembly.tried if part.kind == "io.containerd.snapshotter.v1"] == ["native"]
