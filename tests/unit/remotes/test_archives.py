import gzip
import io
import json
import random
import tarfile

import pytest
import zstandard

from boxship.core import content
from boxship.remotes import archive_readers, archives
from boxship.terms import digests, errors, oci, platforms

ARM = platforms.Platform(os="linux", architecture="arm64")
AMD = platforms.Platform(os="linux", architecture="amd64")
RISCV = platforms.Platform(os="linux", architecture="riscv64")
I386 = platforms.Platform(os="linux", architecture="386")
NAME = "docker.io/library/demo:v1"


def put(store, data, media_type, **fields):
    found = oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data), **fields)
    content.write_blob(store, f"put-{found.digest}", data, found)
    return found


def document(value):
    return json.dumps(value.to_json()).encode()


def image(store, platform=AMD, seed=0):
    layer = random.Random(f"{platform}{seed}").randbytes(5000)
    config = {**oci.platform_to_json(platform), "rootfs": {"type": "layers", "diff_ids": [digests.of(layer)]}}
    manifest = oci.Manifest(
        media_type=oci.MANIFEST,
        config=put(store, json.dumps(config).encode(), oci.CONFIG),
        layers=(put(store, layer, oci.LAYER),),
    )
    return put(store, document(manifest), oci.MANIFEST, platform=platform)


def index(store, *manifests):
    return put(store, document(oci.Index(media_type=oci.INDEX, manifests=manifests)), oci.INDEX)


def saved(store, *images, **options):
    out = io.BytesIO()
    archives.save(out.write, store, [archives.Image(name=name, target=target) for name, target in images], **options)
    return out.getvalue()


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
            else:
                entry.type, entry.linkname = tarfile.SYMTYPE, data
                archive.addfile(entry)
    return out.getvalue()


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {each.name: archive.extractfile(each).read() if each.isfile() else None for each in archive}


def load(store, data, **options):
    return archives.load(io.BytesIO(data).read, store, **options)


@pytest.fixture
def other(tmp_path):
    from boxship.metadata import database
    from boxship.plugins.content import store as stores

    class Silent:
        def publish(self, *args, **kwargs):
            return None

    book = database.Database(
        tmp_path / "other.db", content=stores.LocalStore(tmp_path / "other"), snapshotters={}, publisher=Silent()
    )
    yield book.namespace("default").content
    book.close()


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, zstandard.compress, lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:])],
)
def test_what_is_saved_can_be_loaded(store, other, pack):
    target = image(store)
    loaded = load(other, pack(saved(store, (NAME, target))))
    [found] = loaded.images
    assert (found.name, found.tag, found.target.digest) == (NAME, "v1", target.digest)
    assert saved(other, (NAME, found.target)) == saved(store, (NAME, target))


def test_the_archive_is_an_oci_layout_that_docker_reads_too(store):
    target = image(store)
    found = members(saved(store, (NAME, target)))
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads(found["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "v1"}
    [docker] = json.loads(found["manifest.json"])
    assert docker["RepoTags"] == ["demo:v1"]
    manifest = oci.parse_manifest(found["blobs/sha256/" + target.digest[7:]])
    assert docker["Config"] == "blobs/sha256/" + manifest.config.digest[7:]
    assert digests.of(found[docker["Layers"][0]]) == manifest.layers[0].digest
    assert list(found) == sorted(found)
    assert "manifest.json" not in members(saved(store, (NAME, target), docker=False))


def test_children_are_held_by_labels(store, other):
    target = index(store, image(store, AMD), image(store, ARM))
    loaded = load(other, saved(store, (NAME, target)))
    assert set(other.info(loaded.index.digest).labels.values()) == {target.digest}
    below = other.info(target.digest).labels
    assert set(below) == {"containerd.io/gc.ref.content.m.0", "containerd.io/gc.ref.content.m.1"}
    manifest = other.info(below["containerd.io/gc.ref.content.m.0"])
    assert set(manifest.labels) == {"containerd.io/gc.ref.content.config", "containerd.io/gc.ref.content.l.0"}


def test_one_platform_of_several(store, other):
    arm = image(store, ARM)
    target = index(store, image(store, AMD), arm)
    data = saved(store, (NAME, target), matcher=platforms.only(ARM))
    assert len(members(data)) < len(members(saved(store, (NAME, target))))
    assert json.loads(members(data)["manifest.json"])[0]["Config"] != ""
    load(other, data, matcher=platforms.only(ARM))
    assert list(other.info(target.digest).labels.values()) == [arm.digest]
    with pytest.raises(errors.NotFound, match=r"sha256:"):
        load(other, data, matcher=platforms.strictly(AMD))


def test_an_archive_that_lacks_a_platform_is_taken_without_it(store, other):
    """This is what `save` makes of an image that was pulled for one machine."""
    arm = image(store, ARM)
    target = index(store, image(store, AMD), index(store, image(store, RISCV)), arm)
    loaded = load(other, saved(store, (NAME, target), matcher=platforms.only(ARM)))
    assert [each.name for each in loaded.images] == [NAME]
    assert list(other.info(target.digest).labels.values()) == [arm.digest]


def test_manifests_without_their_layers_do_not_count(store, other):
    """Some tools write all manifests, and the layers for one platform."""
    amd, arm = image(store, AMD), image(store, ARM)
    target = index(store, amd, arm)
    lost = oci.parse_manifest(content.read_blob(store, amd, 10000)).layers[0].digest
    entries = [(name, data) for name, data in members(saved(store, (NAME, target))).items() if data is not None]
    load(other, tar([each for each in entries if lost[7:] not in each[0]]))
    assert list(other.info(target.digest).labels.values()) == [arm.digest]


def test_an_image_that_is_whole_for_no_platform_is_refused_beside_others(store, other):
    whole, broken = image(store, AMD), image(store, AMD, seed=1)
    lost = oci.parse_manifest(content.read_blob(store, broken, 10000)).layers[0].digest
    data = members(saved(store, (NAME, whole), ("docker.io/library/broken:v1", index(store, broken))))
    entries = [(name, each) for name, each in data.items() if each is not None and lost[7:] not in name]
    with pytest.raises(errors.NotFound, match=lost):
        load(other, tar(entries))


def test_of_compatible_platforms_only_the_best_is_taken_along(store):
    amd, old = image(store, AMD), image(store, I386)
    names = members(saved(store, (NAME, index(store, old, amd)), matcher=platforms.only(AMD)))
    assert f"blobs/sha256/{amd.digest[7:]}" in names
    assert f"blobs/sha256/{old.digest[7:]}" not in names


def test_a_platform_that_is_missing_is_told_with_those_that_are_there(store):
    target = index(store, image(store, AMD), image(store, ARM))
    riscv = platforms.only(platforms.parse("linux/riscv64"))
    with pytest.raises(errors.NotFound, match="nothing for linux/riscv64; it is there for linux/amd64, linux/arm64"):
        saved(store, (NAME, target), matcher=riscv)


def test_nothing_is_written_when_a_blob_is_missing(store):
    target = index(store, image(store, AMD), image(store, ARM))
    manifest = oci.parse_manifest(content.read_blob(store, image(store, ARM), 10000))
    store.delete(manifest.layers[0].digest)
    written = []
    with pytest.raises(errors.NotFound, match="pull its platform first"):
        archives.save(written.append, store, [archives.Image(name=NAME, target=target)])
    assert not written
    saved(store, (NAME, target), matcher=platforms.strictly(AMD))


def test_two_names_of_one_image(store, other):
    target = image(store)
    data = saved(store, (NAME, target), ("ghcr.io/x/y:z", target))
    assert json.loads(members(data)["manifest.json"])[0]["RepoTags"] == ["demo:v1", "ghcr.io/x/y:z"]
    assert [each.name for each in load(other, data).images] == [NAME, "ghcr.io/x/y:z"]


def docker_archive(layer=b"layer", tags=("demo:v1", "other/x"), **changes):
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [digests.of(b"layer")]}}
    ).encode()
    manifest = [{"Config": "abc.json", "RepoTags": list(tags), "Layers": ["1/layer.tar"], **changes}]
    return [
        ("1/VERSION", b"1.0"),
        ("1/json", b"{}"),
        ("1/layer.tar", layer),
        ("abc.json", config),
        ("repositories", b"{}"),
        ("manifest.json", json.dumps(manifest).encode()),
    ]


def test_docker_archives_become_images(other):
    loaded = load(other, tar(docker_archive()))
    assert [each.name for each in loaded.images] == [NAME, "docker.io/other/x:latest"]
    assert loaded.images[0].target.platform == AMD
    manifest = oci.parse_manifest(content.read_blob(other, loaded.images[0].target, 10000))
    assert manifest.media_type == oci.DOCKER_MANIFEST
    assert content.read_blob(other, manifest.layers[0], 100) == b"layer"
    assert manifest.layers[0].media_type == oci.DOCKER_LAYER
    assert load(other, tar(docker_archive(tags=()))).images[0].name == ""


def test_layers_of_docker_archives_may_be_links_and_compressed(other):
    entries = [("0/layer.tar", gzip.compress(b"layer")), ("1/layer.tar", "../0/layer.tar")]
    loaded = load(other, tar([*entries, *docker_archive()[3:]]))
    manifest = oci.parse_manifest(content.read_blob(other, loaded.images[0].target, 10000))
    assert manifest.layers[0].media_type == oci.DOCKER_LAYER_GZIP


def test_what_python_packs_as_docker_does_is_what_we_make(store, other):
    """Docker 25 and later put both descriptions into one archive; the layout counts."""
    target = image(store)
    data = members(saved(store, (NAME, target)))
    assert (
        load(other, tar([(name, value) for name, value in data.items() if value is not None])).images[0].target.digest
        == target.digest
    )


@pytest.mark.parametrize(
    ("entries", "error", "cause"),
    [
        ([], errors.InvalidArgument, "no image"),
        ([("x", b"y")], errors.InvalidArgument, "no image"),
        ([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')], errors.InvalidArgument, "index.json is missing"),
        ([("oci-layout", b'{"imageLayoutVersion":"2.0.0"}'), ("index.json", b"{}")], errors.InvalidArgument, "2.0.0"),
        ([("oci-layout", b"{}"), ("index.json", b"{}")], errors.InvalidArgument, "version"),
        (
            [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", b"{}")],
            errors.InvalidArgument,
            "neither manifests",
        ),
        ([("manifest.json", b"{}")], errors.InvalidArgument, "holds no images"),
        ([("manifest.json", b"[]")], errors.InvalidArgument, "holds no images"),
        ([("manifest.json", b'[{"config":"x"}]')], errors.InvalidArgument, "must be written 'Config'"),
        ([("manifest.json", b'[{"Config":"x"}]')], errors.NotFound, "member 'x'"),
        ([("manifest.json", b" " * 2_000_000)], errors.ResourceExhausted, "more than"),
        ([("blobs/sha256/" + "0" * 64, b"x")], errors.FailedPrecondition, "not what its name says"),
        ([("blobs/sha256/abc", b"x")], errors.InvalidArgument, "digest"),
        ([("x" * 5000, b"x")], errors.ResourceExhausted, "endless name"),
        (docker_archive(Layers=["1/layer.tar"] * 2), errors.InvalidArgument, "knows 1 layers, its manifest has 2"),
        (docker_archive(Layers=["../../etc/passwd"]), errors.NotFound, "etc/passwd"),
        (docker_archive(tags=["NOT A NAME"]), errors.InvalidArgument, "invalid reference"),
    ],
)
def test_broken_archives(other, entries, error, cause):
    with pytest.raises(error, match=cause):
        load(other, tar(entries))
    assert not other.list_statuses()


def test_members_lead_nowhere(other, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    strange = [("../../../escape", b"x"), ("/etc/escape", b"y"), ("a/../../b", b"z"), ("evil", "/etc/passwd")]
    load(other, tar([*strange, *docker_archive()]))
    new = [each.name for each in sorted(tmp_path.rglob("*")) if each not in before]
    assert "escape" not in new
    assert other.info(digests.of(b"x")).size == 1


def test_the_last_of_two_members_counts(other):
    entries = docker_archive()
    loaded = load(other, tar([("1/layer.tar", b"older"), *entries, ("1/layer.tar", b"layer")]))
    manifest = oci.parse_manifest(content.read_blob(other, loaded.images[0].target, 10000))
    assert manifest.layers[0].digest == digests.of(b"layer")


@pytest.mark.parametrize("cut", [1, 100, 513, 2000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_archives_that_end_early(other, pack, cut):
    data = pack(tar(docker_archive(layer=random.Random(1).randbytes(3000))))[:-cut]
    if pack is bytes:
        data = data[: 3000 - cut]
    with pytest.raises((errors.InvalidArgument, errors.NotFound)):
        load(other, data)
    assert not other.list_statuses()


def test_a_bomb_stops_at_the_limit(other):
    bomb = gzip.compress(tar([("zeros", bytes(20 << 20)), *docker_archive()]))
    assert len(bomb) < 100_000
    with pytest.raises(errors.ResourceExhausted, match="larger than the 1000000"):
        load(other, bomb, limit=1_000_000)
    assert not other.list_statuses()


def test_a_wide_window_is_refused(other):
    parameters = zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    data = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = data.compress(tar(docker_archive())) + data.flush()
    with pytest.raises(errors.InvalidArgument, match="compression is broken"):
        load(other, packed)


def test_endless_members_are_cut(other, monkeypatch):
    monkeypatch.setattr(archive_readers, "MOST_MEMBERS", 3)
    with pytest.raises(errors.ResourceExhausted, match="members"):
        load(other, tar(docker_archive()))


def test_indexes_that_point_at_each_other_many_times_are_walked_once(store, other):
    level = [image(store, AMD, seed) for seed in range(2)]
    for _ in range(20):
        level = [index(store, *level), index(store, *reversed(level))]
    loaded = load(other, saved(store, (NAME, level[0])))
    assert loaded.images[0].target.digest == level[0].digest


def test_indexes_too_deep_are_refused(store):
    target = image(store)
    for _ in range(40):
        target = index(store, target)
    with pytest.raises(errors.InvalidArgument, match="indexes within each other"):
        saved(store, (NAME, target))


def test_a_damaged_blob_does_not_travel_on(store, tmp_path):
    target = image(store)
    manifest = oci.parse_manifest(content.read_blob(store, target, 10000))
    path = tmp_path / "content" / "blobs" / "sha256" / manifest.layers[0].digest[7:]
    path.chmod(0o600)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(errors.DataLoss, match="damaged"):
        saved(store, (NAME, target))
