"""Pushing to a small real registry on loopback."""

import pytest

from boxship.core import content
from boxship.remotes import credentials, hosts, registry
from boxship.terms import digests, errors, oci
from boxship.testing import registry as registries

LAYER = bytes(range(256)) * 10_000


def put(store, data, media_type):
    found = oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))
    content.write_blob(store, f"put-{found.digest}", data, found)
    return found


def image(store):
    import json

    layer = put(store, LAYER, oci.LAYER)
    config = put(store, b'{"architecture":"amd64","os":"linux"}', oci.CONFIG)
    manifest = oci.Manifest(media_type=oci.MANIFEST, config=config, layers=(layer,))
    return [layer, config, put(store, json.dumps(manifest.to_json()).encode(), oci.MANIFEST)]


@pytest.fixture
def remote():
    with registry.Registry(hosts.Hosts(()), pause=lambda _: None) as found:
        yield found


def test_an_image_is_pushed_once(server, remote, store):
    parts = image(store)
    name = f"{server.host}/a/b:v1@{parts[-1].digest}"
    assert [remote.push(name, part, store) for part in parts] == [True, True, True]
    assert [remote.push(name, part, store) for part in parts] == [False, False, False]
    assert remote.resolve(f"{server.host}/a/b:v1")[1].digest == parts[-1].digest
    with remote.fetch(f"{server.host}/a/b", parts[0]) as chunks:
        assert b"".join(chunks) == LAYER


def test_only_the_named_manifest_gets_the_tag(server, remote, store):
    parts = image(store)
    index = put(store, b'{"schemaVersion":2,"manifests":[%s]}' % _json(parts[-1]), oci.INDEX)
    for part in [*parts, index]:
        remote.push(f"{server.host}/a:t@{index.digest}", part, store)
    assert remote.resolve(f"{server.host}/a:t")[1].digest == index.digest
    assert server.storage.tags("a") == ["t"]


def _json(descriptor):
    import json

    return json.dumps(descriptor.to_json()).encode()


def test_a_tag_moves(server, remote, store):
    parts = image(store)
    server.push_image("a", "t", [b"older"])
    for part in parts:
        remote.push(f"{server.host}/a:t", part, store)
    assert remote.resolve(f"{server.host}/a:t")[1].digest == parts[-1].digest


def test_a_blob_is_mounted_from_another_repository(server, remote, store):
    parts = image(store)
    server.put_blob("base", LAYER)
    assert remote.push(f"{server.host}/a:t", parts[0], store, ["base"]) is False
    assert not server.requests("PUT")
    assert remote.push(f"{server.host}/a:t", parts[1], store, ["base"]) is True


@pytest.mark.parametrize("status", [401, 403])
def test_a_repository_that_may_not_be_read_is_not_mounted_from(store, status):
    """The token server gives nothing at all when one of two scopes is too much."""
    parts = image(store)
    with registries.Registry(accounts={"u": "p"}) as server:
        source = credentials.Fixed({server.host: credentials.Credential(username="u", secret="p")})
        with registry.Registry(hosts.Hosts(()), source, pause=lambda _: None) as remote:
            remote.push(f"{server.host}/a:t", parts[1], store)
            server.fail(registries.Fault(path="/token", times=2, status=status))
            assert remote.push(f"{server.host}/a:t", parts[0], store, ["secret"])


@pytest.mark.parametrize("status", [404, 416])
def test_a_session_that_is_lost_is_begun_again(server, remote, store, status):
    parts = image(store)
    server.fail(registries.Fault(method="PUT", path="uploads", status=status))
    assert remote.push(f"{server.host}/a:t", parts[0], store)
    assert len(server.requests("POST", "uploads")) == 2


def test_labels_tell_where_a_blob_can_be_mounted_from(server, remote, store):
    parts = image(store)
    server.put_blob("base", LAYER)
    key = f"containerd.io/distribution.source.{server.host}"
    store.update(content.Info(digest=parts[0].digest, labels={key: "gone,base"}), [f"labels.{key}"])
    assert remote.push(f"{server.host}/a:t", parts[0], store) is False
    assert not server.requests("PUT")


def test_an_upload_that_breaks_is_begun_again(server, remote, store):
    parts = image(store)
    server.fail(registries.Fault(method="PUT", path="uploads", times=2, status=503))
    server.fail(registries.Fault(method="PUT", path="uploads", drop=True))
    assert remote.push(f"{server.host}/a:t", parts[0], store)
    assert len(server.requests("POST", "uploads")) == 4


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, errors.PermissionDenied),
        (413, errors.InvalidArgument),
        (400, errors.InvalidArgument),
        (503, errors.Unavailable),
    ],
)
def test_a_refused_upload_says_why(server, remote, store, status, error):
    parts = image(store)
    server.fail(
        registries.Fault(
            method="PUT", path="uploads", times=99, status=status, body=b'{"errors":[{"message":"because"}]}'
        )
    )
    with pytest.raises(error, match="because"):
        remote.push(f"{server.host}/a:t", parts[0], store)


def test_no_secret_goes_to_the_place_of_an_upload_on_another_host(store):
    parts = image(store)
    with registries.Registry(accounts={"u": "SECRET"}) as server, registries.Registry() as other:
        session = other.storage.begin("a")
        source = credentials.Fixed({server.host: credentials.Credential(username="u", secret="SECRET")})
        with registry.Registry(hosts.Hosts(()), source, pause=lambda _: None) as remote:
            remote.push(f"{server.host}/a:t", parts[1], store)
            server.fail(
                registries.Fault(
                    method="POST",
                    path="uploads",
                    status=202,
                    headers={"Location": f"{other.url}/v2/a/blobs/uploads/{session}?state=x"},
                )
            )
            assert remote.push(f"{server.host}/a:t", parts[0], store)
        [seen] = other.requests()
        assert seen.path.endswith(f"?state=x&digest={parts[0].digest}")
        assert "authorization" not in seen.headers


@pytest.mark.parametrize("location", ["", "file:///x", "http://169.254.169.254/"])
def test_a_place_that_is_none(server, remote, store, location):
    parts = image(store)
    server.fail(registries.Fault(method="POST", path="uploads", times=9, status=202, headers={"Location": location}))
    with pytest.raises((errors.Unavailable, errors.PermissionDenied)):
        remote.push(f"{server.host}/a:t", parts[0], store)


def test_a_redirected_upload_keeps_its_body_or_fails(server, remote, store):
    parts = image(store)
    server.fail(registries.Fault(method="PUT", path="uploads", times=9, status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(errors.Unavailable, match="loses its body"):
        remote.push(f"{server.host}/a:t", parts[0], store)


def test_pushing_needs_an_account_that_may(store):
    parts = image(store)
    with registries.Registry(accounts={"u": "p"}) as server:
        server.tokens.anonymous_pull = True
        with registry.Registry(hosts.Hosts(()), pause=lambda _: None) as remote, pytest.raises(errors.Unauthenticated):
            remote.push(f"{server.host}/a:t", parts[0], store)
        assert not server.storage.repositories()


def test_a_mirror_is_not_pushed_to(server, store, tmp_path):
    parts = image(store)
    (tmp_path / "example.com").mkdir()
    (tmp_path / "example.com" / "hosts.toml").write_text(
        f'server = "{server.url}"\n[host."http://127.0.0.1:1"]\ncapabilities = ["pull"]\n'
    )
    with registry.Registry(hosts.Hosts([str(tmp_path)]), pause=lambda _: None) as remote:
        assert remote.push("example.com/a:t", parts[0], store)
    assert not any("ns=" in each.path for each in server.requests("PUT"))
