"""The small registry, asked with plain HTTP."""

import http.client
import json
import os

import pytest

from boxship.terms import digests, oci
from boxship.testing import registry as registries

DATA = bytes(range(256)) * 10
DIGEST = digests.of(DATA)


class Plain:
    """One connection, kept."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.host, timeout=10)

    def __call__(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named, encode_chunked=named.get("Transfer-Encoding") == "chunked")
        response = self.connection.getresponse()
        return response.status, dict(response.headers), response.read()


@pytest.fixture(params=["memory", "folder"])
def server(request, tmp_path):
    with registries.Registry(None if request.param == "memory" else str(tmp_path / "registry")) as found:
        yield found


@pytest.fixture
def ask(server):
    plain = Plain(server)
    yield plain
    plain.connection.close()


def test_the_door(ask):
    assert ask("GET", "/v2/")[0] == 200
    assert ask("GET", "/nowhere")[0] == 404
    assert ask("PATCH", "/v2/")[0] == 405


def test_blobs_are_read_whole_and_in_parts(server, ask):
    server.put_blob("a/b", DATA)
    path = f"/v2/a/b/blobs/{DIGEST}"
    status, headers, body = ask("GET", path)
    assert (status, headers["Docker-Content-Digest"], body) == (200, DIGEST, DATA)
    assert ask("HEAD", path)[1]["Content-Length"] == str(len(DATA))
    for text, begin, end in [
        ("bytes=10-19", 10, 20),
        ("bytes=2550-", 2550, 2560),
        ("bytes=-5", 2555, 2560),
        ("bytes=0-99999", 0, 2560),
    ]:
        status, headers, body = ask("GET", path, Range=text)
        assert (status, body) == (206, DATA[begin:end])
        assert headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(DATA)}"
    assert ask("GET", path, Range="bytes=2560-")[0] == 416
    assert ask("GET", path, Range="lines=1-2")[0] == 200
    assert ask("GET", f"/v2/other/blobs/{DIGEST}")[0] == 404


def test_a_blob_comes_in_one_piece(ask):
    _, headers, _ = ask("POST", "/v2/a/blobs/uploads/")
    status, headers, _ = ask("PUT", f"{headers['Location']}?digest={DIGEST}", DATA)
    assert (status, headers["Docker-Content-Digest"]) == (201, DIGEST)
    assert ask("GET", f"/v2/a/blobs/{DIGEST}")[2] == DATA
    assert ask("POST", f"/v2/b/blobs/uploads/?digest={DIGEST}", DATA)[0] == 201


def test_a_blob_comes_in_many_pieces(ask):
    _, headers, _ = ask("POST", "/v2/a/blobs/uploads/")
    place = headers["Location"]
    assert ask("PATCH", place, DATA[:1000], Content_Range="0-999")[1]["Range"] == "0-999"
    assert ask("PATCH", place, DATA[:10], Content_Range="0-9")[0] == 416
    assert ask("GET", place)[1]["Range"] == "0-999"
    assert ask("PATCH", place, iter([DATA[1000:2000], DATA[2000:]]), Transfer_Encoding="chunked")[0] == 202
    assert ask("PUT", f"{place}?digest={DIGEST}")[0] == 201
    assert ask("GET", f"/v2/a/blobs/{DIGEST}")[2] == DATA


def test_a_blob_with_another_digest_is_not_kept(ask):
    _, headers, _ = ask("POST", "/v2/a/blobs/uploads/")
    assert ask("PUT", f"{headers['Location']}?digest={digests.of(b'')}", DATA)[0] == 400
    assert ask("GET", headers["Location"])[0] == 404
    assert ask("POST", "/v2/a/blobs/uploads/?digest=sha256:../../x", DATA)[0] == 400


def test_uploads_can_be_given_up(ask):
    _, headers, _ = ask("POST", "/v2/a/blobs/uploads/")
    assert ask("DELETE", headers["Location"])[0] == 204
    assert ask("DELETE", headers["Location"])[0] == 404


def test_blobs_are_mounted(server, ask):
    server.put_blob("a", DATA)
    assert ask("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}&from=a")[0] == 201
    assert ask("GET", f"/v2/b/blobs/{DIGEST}")[0] == 200
    assert ask("POST", f"/v2/c/blobs/uploads/?mount={DIGEST}&from=nowhere")[0] == 202


def test_manifests_need_their_blobs(server, ask):
    pushed = server.push_image("a", "v1", [DATA])
    _, headers, body = ask("GET", "/v2/a/manifests/v1")
    assert headers["Content-Type"] == oci.MANIFEST
    assert headers["Docker-Content-Digest"] == pushed.digest == digests.of(body)
    assert ask("PUT", "/v2/b/manifests/v1", body, Content_Type=oci.MANIFEST)[0] == 404
    assert ask("PUT", "/v2/a/manifests/v2", body, Content_Type=oci.MANIFEST)[0] == 201
    assert ask("PUT", f"/v2/a/manifests/{digests.of(b'')}", body, Content_Type=oci.MANIFEST)[0] == 400
    assert ask("PUT", "/v2/a/manifests/v3", b"{}", Content_Type=oci.MANIFEST)[0] == 400
    assert ask("PUT", "/v2/a/manifests/v3", b" " * 5_000_000, Content_Type=oci.MANIFEST)[0] == 400
    assert server.storage.tags("a") == ["v1", "v2"]


def test_lists_have_pages(server, ask):
    for tag in "abcde":
        server.push_image("x", tag, [b""])
    _, headers, body = ask("GET", "/v2/x/tags/list?n=2")
    assert json.loads(body) == {"name": "x", "tags": ["a", "b"]}
    assert headers["Link"] == '</v2/x/tags/list?n=2&last=b>; rel="next"'
    assert json.loads(ask("GET", "/v2/x/tags/list?n=2&last=d")[2])["tags"] == ["e"]
    assert json.loads(ask("GET", "/v2/_catalog?n=1000000000")[2]) == {"repositories": ["x"]}
    assert ask("GET", "/v2/none/tags/list")[0] == 404


def test_manifests_and_blobs_can_be_deleted(server, ask):
    pushed = server.push_image("a", "v1", [DATA])
    assert ask("DELETE", f"/v2/a/manifests/{pushed.digest}")[0] == 202
    assert ask("GET", "/v2/a/manifests/v1")[0] == 404
    assert ask("DELETE", f"/v2/a/blobs/{DIGEST}")[0] == 202
    assert ask("DELETE", f"/v2/a/blobs/{DIGEST}")[0] == 404


def test_a_folder_is_kept_for_next_time(tmp_path):
    with registries.Registry(str(tmp_path)) as server:
        server.push_image("a", "v1", [DATA])
    assert (tmp_path / "blobs" / "sha256" / DIGEST[7:]).read_bytes() == DATA
    assert not os.listdir(tmp_path / "uploads")
    with registries.Registry(str(tmp_path)) as server:
        ask = Plain(server)
        assert ask("GET", "/v2/a/manifests/v1")[0] == 200
        assert ask("GET", f"/v2/a/blobs/{DIGEST}")[2] == DATA
        ask.connection.close()


def test_closing_ends_connections_at_once():
    server = registries.Registry()
    ask = Plain(server)
    ask("GET", "/v2/")
    server.close()
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask("GET", "/v2/")
    ask.connection.close()
