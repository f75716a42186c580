"""Our registry client, registry and archives with those of others: Debian's docker-registry, ctr and containerd."""

import dataclasses
import gzip
import io
import json
import os
import tarfile
from collections.abc import Iterator

import pytest

from boxship.core import content
from boxship.metadata import database
from boxship.plugins.content import store as stores
from boxship.remotes import archives, hosts, registry
from boxship.terms import digests, oci, platforms
from boxship.testing import registry as registries

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.root]

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def layer(text: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(out.getvalue(), mtime=0)


@pytest.fixture
def store(tmp_path) -> Iterator[content.Store]:
    class Silent:
        def publish(self, *args, **kwargs):
            return None

    backend = stores.LocalStore(tmp_path / "content")
    book = database.Database(tmp_path / "meta.db", content=backend, snapshotters={}, publisher=Silent())
    yield book.namespace("default").content
    book.close()


def image(store: content.Store) -> list[oci.Descriptor]:
    """Layers, configuration, manifest and index of an image in a store, children first."""
    layers = [layer(b"one"), layer(os.urandom(3 << 20))]
    plain = [digests.of(gzip.decompress(each)) for each in layers]
    architecture = ARCHITECTURES[os.uname().machine]
    config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": plain}}
    found = [_put(store, each, oci.LAYER_GZIP) for each in layers]
    found.append(_put(store, json.dumps(config).encode(), oci.CONFIG))
    manifest = oci.Manifest(media_type=oci.MANIFEST, config=found[2], layers=tuple(found[:2]))
    found.append(_put(store, json.dumps(manifest.to_json()).encode(), oci.MANIFEST))
    index = oci.Index(media_type=oci.INDEX, manifests=(found[3],))
    return [*found, _put(store, json.dumps(index.to_json()).encode(), oci.INDEX)]


def _put(store: content.Store, data: bytes, media_type: str) -> oci.Descriptor:
    found = oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))
    content.write_blob(store, f"put-{found.digest}", data, found)
    return found


def test_our_client_and_docker_registry(distribution, store):
    parts = image(store)
    name = f"{distribution}/a/b:v1@{parts[-1].digest}"
    with registry.Registry(hosts.Hosts(())) as remote:
        assert all(remote.push(name, part, store) for part in parts)
        assert not any(remote.push(name, part, store) for part in parts)
        assert remote.push(f"{distribution}/c:v1", parts[1], store, ["a/b"]) is False
        full, found = remote.resolve(f"{distribution}/a/b:v1")
        assert (found.digest, found.size, found.media_type) == (parts[-1].digest, parts[-1].size, oci.INDEX)
        for part in parts:
            with remote.fetch(full, part) as chunks:
                assert digests.of(b"".join(chunks)) == part.digest
        with remote.fetch(full, parts[1], offset=1_000_000) as chunks:
            assert b"".join(chunks) == content.read_blob(store, parts[1], 1 << 30)[1_000_000:]


@pytest.mark.parametrize("challenge", ["none", "basic", "bearer"])
def test_our_registry_and_ctr(containerd, store, challenge, tmp_path):
    account = {} if challenge == "none" else {"accounts": {"u": "p"}, "challenge": challenge}
    with registries.Registry() as first, registries.Registry(str(tmp_path / "r"), **account) as second:
        pushed = first.push_image("demo", "v1", [layer(b"one"), layer(os.urandom(1 << 20))], {"Cmd": ["sh"]})
        containerd("images", "pull", "--plain-http", f"{first.host}/demo:v1")
        containerd("images", "tag", f"{first.host}/demo:v1", f"{second.host}/copy/demo:v2")
        user = [] if challenge == "none" else ["-u", "u:p"]
        containerd("images", "push", "--plain-http", *user, f"{second.host}/copy/demo:v2")
        assert second.storage.manifest("copy/demo", "v2")[2] == pushed.digest
        containerd("images", "rm", "--sync", f"{first.host}/demo:v1", f"{second.host}/copy/demo:v2")
        containerd("images", "pull", "--plain-http", *user, f"{second.host}/copy/demo:v2")


def test_our_archives_and_ctr(containerd, store, tmp_path):
    parts = image(store)
    name = "docker.io/library/demo:v1"
    with open(tmp_path / "ours.tar", "wb") as file:
        archives.save(file.write, store, [archives.Image(name=name, target=parts[-1])])
    containerd("images", "import", str(tmp_path / "ours.tar"))
    assert name in containerd("images", "ls", "-q").split()
    containerd("images", "export", str(tmp_path / "theirs.tar"), name)
    for part in parts:
        store.delete(part.digest)
    with open(tmp_path / "theirs.tar", "rb") as file:
        loaded = archives.load(file.read, store)
    assert [(each.name, each.target.digest) for each in loaded.images] == [(name, parts[-1].digest)]
    with tarfile.open(tmp_path / "ours.tar") as ours, tarfile.open(tmp_path / "theirs.tar") as theirs:
        assert sorted(each.name.rstrip("/") for each in ours) == sorted(each.name.rstrip("/") for each in theirs)


def test_archives_for_one_platform_of_several_and_ctr(containerd, store, tmp_path):
    """Both sides write the whole index and the blobs for this machine, and both take what the other wrote."""
    own = ARCHITECTURES[os.uname().machine]
    other = "arm64" if own == "amd64" else "amd64"
    with registries.Registry() as server:
        found = []
        for architecture in (own, other):
            platform = platforms.parse(f"linux/{architecture}")
            pushed = server.push_image("demo", architecture, [layer(architecture.encode())], platform=platform)
            found.append(dataclasses.replace(pushed, platform=platform))
        index = server.put_manifest("demo", "v1", oci.Index(media_type=oci.INDEX, manifests=tuple(found)))
        name = f"{server.host}/demo:v1"
        containerd("images", "pull", "--plain-http", name)
        containerd("images", "export", str(tmp_path / "theirs.tar"), name)
    containerd("images", "rm", "--sync", name)
    with open(tmp_path / "theirs.tar", "rb") as file:
        [loaded] = archives.load(file.read, store).images
    assert (loaded.name, loaded.target.digest) == (name, index.digest)
    assert list(store.info(index.digest).labels.values()) == [found[0].digest]
    with open(tmp_path / "ours.tar", "wb") as file:
        archives.save(file.write, store, [loaded], matcher=platforms.only(platforms.default()))
    containerd("images", "import", str(tmp_path / "ours.tar"))
    assert name in containerd("images", "ls", "-q").split()


def test_a_docker_archive_of_ours_and_ctr(containerd, tmp_path, store):
    """The archive that `docker save` made before it knew OCI layouts: ctr and we make the same manifest of it."""
    plain = gzip.decompress(layer(b"one"))
    architecture = ARCHITECTURES[os.uname().machine]
    config = json.dumps(
        {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digests.of(plain)]}}
    )
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["demo:v1"], "Layers": ["1/layer.tar"]}])
    with tarfile.open(tmp_path / "docker.tar", "w") as archive:
        for name, data in (("c.json", config.encode()), ("1/layer.tar", plain), ("manifest.json", manifest.encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    with open(tmp_path / "docker.tar", "rb") as file:
        [ours] = archives.load(file.read, store).images
    containerd("images", "import", str(tmp_path / "docker.tar"))
    assert f"{ours.name} {oci.DOCKER_MANIFEST} {ours.target.digest} " in " ".join(containerd("images", "ls").split())
