"""The client against a small real registry on loopback."""

import contextlib
import random
import shutil
import socket
import threading
import time

import pytest

from boxship.remotes import credentials, hosts, lines, registry, responses, transport, urls
from boxship.terms import digests, errors, oci, platforms
from boxship.testing import registry as registries

BIG = random.Random(1).randbytes(3 << 20)


def client(*, roots=(), accounts=None, pauses=None, **options):
    source = credentials.Fixed(
        {host: credentials.Credential(username=u, secret=p) for host, (u, p) in (accounts or {}).items()}
    )
    return registry.Registry(hosts.Hosts(roots, **options), source, pause=(pauses if pauses is not None else []).append)


def fetch(remote, name, descriptor, **options):
    with remote.fetch(name, descriptor, **options) as chunks:
        return b"".join(chunks)


@pytest.fixture
def remote():
    with client() as found:
        yield found


def mirrors(tmp_path, name, *urls, server=None):
    folder = tmp_path / "certs" / name
    folder.mkdir(parents=True, exist_ok=True)
    text = f'server = "{server}"\n' if server else ""
    (folder / "hosts.toml").write_text(
        text + "".join(f'[host."{url}"]\ncapabilities = ["pull", "resolve"]\n' for url in urls)
    )
    return [str(tmp_path / "certs")]


# Resolving and fetching


def test_a_whole_image(server, remote):
    pushed = server.push_image("demo/hello", "v1", [b"one", BIG], {"Cmd": ["sh"]})
    name, found = remote.resolve(f"{server.host}/demo/hello:v1")
    assert name == f"{server.host}/demo/hello:v1"
    assert (found.digest, found.size, found.media_type) == (pushed.digest, pushed.size, oci.MANIFEST)
    manifest = oci.parse_manifest(fetch(remote, name, found))
    assert fetch(remote, name, manifest.layers[1]) == BIG
    config = oci.parse_config(fetch(remote, name, manifest.config))
    assert config.cmd == ("sh",)
    assert config.platform == platforms.default()
    assert config.diff_ids == (digests.of(b"one"), digests.of(BIG))


def test_by_digest(server, remote):
    pushed = server.push_image("a", "", [b"x"])
    assert remote.resolve(f"{server.host}/a@{pushed.digest}")[1].digest == pushed.digest
    other = "sha256:" + "0" * 64
    with pytest.raises(errors.NotFound):
        remote.resolve(f"{server.host}/a@{other}")


@pytest.mark.parametrize("reference", ["HOST/a", "HOST", "HOST/a@sha256:abc", "HOST/a:x@"])
def test_names_that_cannot_be_asked_for(server, remote, reference):
    with pytest.raises(errors.InvalidArgument):
        remote.resolve(reference.replace("HOST", server.host))
    assert not server.requests()


def test_many_blobs_at_once_over_few_connections(server, remote):
    layers = [random.Random(seed).randbytes(200_000) for seed in range(12)]
    pushed = [server.put_blob("a", each) for each in layers]
    found: dict[int, bytes] = {}

    def work(place):
        found[place] = fetch(remote, f"{server.host}/a", pushed[place])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(layers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place] for place in range(len(layers))] == layers


def test_a_part_of_a_blob(server, remote):
    blob = server.put_blob("a", BIG)
    name = f"{server.host}/a"
    assert fetch(remote, name, blob, offset=1000) == BIG[1000:]
    assert fetch(remote, name, blob, offset=1000, length=50) == BIG[1000:1050]
    assert fetch(remote, name, blob, offset=len(BIG)) == b""
    assert fetch(remote, name, blob, offset=0, length=7) == BIG[:7]
    assert server.requests("GET", "blobs")[1].headers["range"] == "bytes=1000-1049"


def test_embedded_content_needs_no_request(server, remote):
    inside = oci.Descriptor(media_type=oci.CONFIG, digest=digests.of(b"{}"), size=2, data=b"{}")
    assert fetch(remote, f"{server.host}/a", inside) == b"{}"
    assert not server.requests("GET", "blobs")
    wrong = oci.Descriptor(media_type=oci.CONFIG, digest=digests.of(b"{}"), size=2, data=b"[]")
    with pytest.raises(errors.NotFound):
        fetch(remote, f"{server.host}/a", wrong)


def test_a_head_that_says_too_little_is_followed_by_get(server, remote):
    pushed = server.push_image("a", "t", [b"x"])
    server.fail(registries.Fault(method="HEAD", headers={"Docker-Content-Digest": ""}))
    assert remote.resolve(f"{server.host}/a:t")[1].digest == pushed.digest
    server.fail(registries.Fault(method="HEAD", status=405))
    assert remote.resolve(f"{server.host}/a:t")[1].digest == pushed.digest
    server.fail(registries.Fault(path="manifests", times=2, headers={"Content-Type": "text/plain; charset=utf-8"}))
    assert remote.resolve(f"{server.host}/a:t")[1].media_type == oci.MANIFEST


def test_another_digest_than_asked_for_is_refused(server, remote):
    pushed = server.push_image("a", "t", [b"x"])
    other = "sha256:" + "0" * 64
    server.fail(registries.Fault(method="HEAD", headers={"Docker-Content-Digest": other}))
    with pytest.raises(errors.FailedPrecondition, match=other):
        remote.resolve(f"{server.host}/a@{pushed.digest}")
    server.fail(registries.Fault(method="HEAD", status=405))
    server.fail(registries.Fault(method="GET", path="manifests", corrupt=True))
    with pytest.raises(errors.FailedPrecondition, match="answers with"):
        remote.resolve(f"{server.host}/a@{pushed.digest}")


def test_large_manifests_are_refused_unread(server, remote):
    server.push_image("a", "t", [b"x"])
    server.fail(registries.Fault(method="HEAD", headers={"Content-Length": str(oci.MANIFEST_LIMIT + 1)}))
    with pytest.raises(errors.ResourceExhausted, match="more than"):
        remote.resolve(f"{server.host}/a:t")
    server.fail(registries.Fault(method="HEAD", status=405))
    server.fail(registries.Fault(method="GET", path="manifests", status=200, body=b" " * (oci.MANIFEST_LIMIT + 1)))
    with pytest.raises(errors.ResourceExhausted, match="longer than"):
        remote.resolve(f"{server.host}/a:t")


def test_schema_1_is_refused(server, remote):
    server.fail(
        registries.Fault(
            method="HEAD", status=200, headers={"Content-Type": oci.DOCKER_SCHEMA1_SIGNED, "Content-Length": "5"}
        )
    )
    with pytest.raises(errors.NotImplemented, match="schema 1"):
        remote.resolve(f"{server.host}/a:t")


# Failures


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        (404, errors.NotFound, "does not have it"),
        (403, errors.PermissionDenied, "refuses"),
        (400, errors.InvalidArgument, "does not accept"),
        (501, errors.Unavailable, "fails"),
    ],
)
def test_statuses_are_told_apart_with_the_registrys_words(server, remote, status, error, cause):
    body = b'{"errors":[{"code":"X","message":"the \\u001bregistry\\u0007 says so"}]}'
    server.fail(registries.Fault(path="manifests|blobs", times=9, status=status, body=body))
    with pytest.raises(error, match=cause) as caught:
        fetch(remote, f"{server.host}/a", oci.Descriptor(media_type=oci.LAYER, digest=digests.of(b""), size=1))
    assert server.host in caught.value.message
    assert f"{status}: the ?registry? says so" in caught.value.message
    with pytest.raises(error, match=str(status)):
        remote.resolve(f"{server.host}/a:t")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server, status):
    pauses = []
    server.push_image("a", "t", [b"x"])
    server.fail(registries.Fault(path="manifests", times=4, status=status, headers={"Retry-After": "7"}))
    with client(pauses=pauses) as remote:
        remote.resolve(f"{server.host}/a:t")
    assert pauses == [7.0] * 4


def test_after_five_attempts_it_is_over(server):
    pauses = []
    server.fail(registries.Fault(path="manifests", times=99, status=429, headers={"Retry-After": "1000000000"}))
    with client(pauses=pauses) as remote, pytest.raises(errors.ResourceExhausted, match="too many requests"):
        remote.resolve(f"{server.host}/a:t")
    assert pauses == [60.0] * 4
    assert len(server.requests(path="manifests")) == 5


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0", 0, 0),
        ("61", 60, 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("junk", 1, 3),
        ("-5", 1, 3),
        (None, 1, 3),
        ("٣", 1, 3),
    ],
)
def test_retry_after_in_all_its_forms(text, low, high):
    assert low <= transport.retry_after(text, 1) <= high


@pytest.mark.parametrize("at", [0, 1, 1000, len(BIG) // 2, len(BIG) - 1])
def test_a_broken_download_goes_on_where_it_broke(server, remote, at):
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", truncate_at=at))
    assert fetch(remote, f"{server.host}/a", blob) == BIG
    [_, again] = server.requests("GET", "blobs")
    assert again.headers.get("range") == (f"bytes={at}-" if at else None)


def test_a_server_without_ranges_sends_it_all_again(server, remote):
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", truncate_at=1_000_000))
    server.fail(registries.Fault(path="blobs", status=200, body=BIG))
    assert fetch(remote, f"{server.host}/a", blob) == BIG


def test_another_range_than_asked_for_is_refused(server, remote):
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", truncate_at=1000))
    server.fail(
        registries.Fault(
            path="blobs", status=206, headers={"Content-Range": f"bytes 999-{len(BIG) - 1}/{len(BIG)}"}, body=b"x"
        )
    )
    with pytest.raises(errors.FailedPrecondition, match="another range"):
        fetch(remote, f"{server.host}/a", blob)


def test_a_download_that_never_gets_on_ends(server):
    pauses = []
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", times=99, truncate_at=0))
    with client(pauses=pauses) as remote, pytest.raises(errors.Unavailable):
        fetch(remote, f"{server.host}/a", blob)
    assert len(server.requests("GET", "blobs")) == 5
    assert len(pauses) == 4


def test_a_connection_that_is_dropped_is_made_again(server, remote):
    server.push_image("a", "t", [b"x"])
    server.fail(registries.Fault(method="HEAD", drop=True))
    remote.resolve(f"{server.host}/a:t")
    assert len(server.requests("HEAD")) == 2


@pytest.mark.parametrize("size", [len(BIG) - 1, len(BIG) + 1])
def test_more_or_less_than_the_descriptor_says_is_refused(server, remote, size):
    blob = server.put_blob("a", BIG)
    wrong = oci.Descriptor(media_type=oci.LAYER, digest=blob.digest, size=size)
    with pytest.raises(errors.FailedPrecondition, match=r"more than|ends after"):
        fetch(remote, f"{server.host}/a", wrong)


def test_nobody_there(tmp_path):
    pauses = []
    with (
        client(pauses=pauses, plain_http=["127.0.0.1:1"]) as remote,
        pytest.raises(errors.Unavailable, match="refused"),
    ):
        remote.resolve("127.0.0.1:1/a:t")
    with client(pauses=pauses) as remote, pytest.raises(errors.Unavailable, match="is a registry running there"):
        remote.resolve("127.0.0.1:1/a:t")
    assert not pauses  # asking again at once will not help


def test_giving_up_early_leaves_the_client_usable(server, remote):
    blob = server.put_blob("a", BIG)
    with remote.fetch(f"{server.host}/a", blob) as chunks:
        next(chunks)
    assert fetch(remote, f"{server.host}/a", blob) == BIG


def test_a_server_that_falls_silent(server, monkeypatch):
    monkeypatch.setattr(responses, "STALL", 0.05)
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", truncate_at=100, stall=True))
    with client() as remote:
        assert fetch(remote, f"{server.host}/a", blob) == BIG


def test_a_blob_is_not_asked_for_more_often_than_a_name(server, remote):
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", times=99, status=503))
    with pytest.raises(errors.Unavailable):
        fetch(remote, f"{server.host}/a", blob)
    assert len(server.requests("GET", "blobs")) == 5


@pytest.fixture
def rude():
    """A server that answers all that is asked with what a function yields, for as long as somebody listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers, threads = [], []

    def answer(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for piece in answers[0]():
                connection.sendall(piece)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=answer, args=[listener.accept()[0]]))
                threads[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", answers
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for each in [thread, *threads]:
        each.join()


BLOB = oci.Descriptor(media_type=oci.LAYER, digest=digests.of(b"x" * 5000), size=5000)


def dripping():
    yield b"HTTP/1.1 200 OK\r\nX: "
    while True:
        time.sleep(0.02)
        yield b"x"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda: iter(lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * 100, None), "lines of headers"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\n", *([b"X: y\r\n"] * 200)]), "no proper HTTP"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nX: ", b"y" * 100_000]), "no proper HTTP"),
        (lambda: iter([b"\0\1\2\r\n" * 10]), "no proper HTTP"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"]), "no proper HTTP"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + b"x" * 5000]), "no proper HTTP"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 5e3\r\n\r\n" + b"x" * 5000]), "no proper HTTP"),
        (lambda: iter([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]), "no proper HTTP"),
        (dripping, "no answer in time"),
    ],
)
def test_answers_that_are_none_end(rude, monkeypatch, answer, cause):
    monkeypatch.setattr(lines, "LONGEST", 0.3)
    host, answers = rude
    answers.append(answer)
    with client(plain_http=[host]) as remote, pytest.raises(errors.Unavailable, match=cause):
        fetch(remote, f"{host}/a", BLOB)


# Accounts


@pytest.fixture(params=["basic", "bearer"])
def guarded(request):
    with registries.Registry(accounts={"user": "SECRET"}, challenge=request.param) as found:
        yield found


def test_an_account_opens_the_door(guarded):
    guarded.push_image("a", "t", [b"x"])
    with client(accounts={guarded.host: ("user", "SECRET")}) as remote:
        name, found = remote.resolve(f"{guarded.host}/a:t")
        fetch(remote, name, found)
        guarded.tokens.forget()
        fetch(remote, name, found)


@pytest.mark.parametrize("accounts", [{}, {"other": ("user", "SECRET")}, {"HOST": ("user", "WRONGSECRET")}])
def test_without_the_right_account_it_stays_closed(guarded, accounts):
    guarded.push_image("a", "t", [b"x"])
    accounts = {host.replace("HOST", guarded.host): pair for host, pair in accounts.items()}
    with client(accounts=accounts) as remote, pytest.raises(errors.Unauthenticated, match="docker login") as caught:
        remote.resolve(f"{guarded.host}/a:t")
    assert "SECRET" not in str(caught.value)
    assert len(guarded.requests()) < 8


def test_a_token_server_that_knows_no_post(guarded):
    guarded.tokens.posts = False
    guarded.push_image("a", "t", [b"x"])
    with client(accounts={guarded.host: ("user", "SECRET")}) as remote:
        remote.resolve(f"{guarded.host}/a:t")


def test_the_question_for_a_token_has_a_length():
    with registries.Registry(accounts={"user": "x"}) as server:
        server.push_image("a", "t", [b"x"])
        with client(accounts={server.host: ("user", "x")}) as remote:
            remote.resolve(f"{server.host}/a:t")
        [seen] = server.requests("POST", "token")
        assert int(seen.headers["content-length"]) > 0
        assert "transfer-encoding" not in seen.headers


def test_anonymous_tokens():
    with registries.Registry(accounts={"user": "x"}) as server:
        server.tokens.anonymous_pull = True
        server.push_image("a", "t", [b"x"])
        with client() as remote:
            remote.resolve(f"{server.host}/a:t")


def test_a_server_that_accepts_no_token_is_asked_three_times():
    with registries.Registry(accounts={"user": "x"}) as server:
        challenge = {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'}
        server.fail(registries.Fault(path="manifests", times=99, status=401, headers=challenge))
        with client(accounts={server.host: ("user", "x")}) as remote, pytest.raises(errors.Unauthenticated):
            remote.resolve(f"{server.host}/a:t")
        assert len(server.requests("HEAD", "manifests")) == 3


@pytest.mark.parametrize(
    ("realm", "cause"),
    [
        ("http://169.254.169.254/latest", "private network"),
        ("ftp://x/y", "no URL"),
        ("https://u:p@x/", "carries an account"),
        ("http://127.0.0.1:0/", "no port"),
        ("http://x y/", "no URL"),
        ("/relative", "no URL"),
    ],
)
def test_realms_where_no_secret_goes(realm, cause):
    with registries.Registry(accounts={"user": "SECRET"}) as server:
        server.tokens.realm = realm
        with (
            client(accounts={server.host: ("user", "SECRET")}) as remote,
            pytest.raises(errors.PermissionDenied, match=cause),
        ):
            remote.resolve(f"{server.host}/a:t")


def test_a_token_server_cannot_send_the_account_elsewhere():
    with registries.Registry(accounts={"user": "SECRET"}) as server, registries.Registry() as thief:
        server.fail(
            registries.Fault(
                path="/token", method="POST", times=9, status=307, headers={"Location": f"{thief.url}/token"}
            )
        )
        with (
            client(accounts={server.host: ("user", "SECRET")}) as remote,
            pytest.raises(errors.PermissionDenied, match="sends the account on"),
        ):
            remote.resolve(f"{server.host}/a:t")
        assert not thief.requests()


def test_a_large_token_answer_is_refused():
    with registries.Registry(accounts={"user": "x"}) as server:
        server.fail(registries.Fault(path="/token", times=9, status=200, body=b'{"token":"' + b"x" * 70000 + b'"}'))
        with client(accounts={server.host: ("user", "x")}) as remote, pytest.raises(errors.ResourceExhausted):
            remote.resolve(f"{server.host}/a:t")


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("challenge", ["basic", "bearer"])
def test_no_secret_crosses_hosts(status, challenge):
    with (
        registries.Registry(accounts={"user": "SECRET"}, challenge=challenge) as server,
        registries.Registry() as other,
    ):
        blob = server.put_blob("a", BIG)
        other.put_blob("a", BIG)
        with client(accounts={server.host: ("user", "SECRET"), other.host: ("user", "SECRET")}) as remote:
            fetch(remote, f"{server.host}/a", blob, length=1)  # so that the client has something to give away
            server.fail(
                registries.Fault(
                    path="blobs",
                    status=status,
                    headers={"Location": f"{other.url}/v2/a/blobs/{blob.digest}?X-Signature=S"},
                )
            )
            assert fetch(remote, f"{server.host}/a", blob) == BIG
        [seen] = other.requests()
        assert "authorization" not in seen.headers
        assert not any("SECRET" in value for value in seen.headers.values())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_same_host_is_told_who_we_are_again(status):
    with registries.Registry(accounts={"user": "SECRET"}) as server:
        blob = server.put_blob("a", BIG)
        server.fail(registries.Fault(path="blobs", times=0))
        with client(accounts={server.host: ("user", "SECRET")}) as remote:
            fetch(remote, f"{server.host}/a", blob, length=1)
            server.fail(
                registries.Fault(path="blobs", status=status, headers={"Location": f"/v2/a/blobs/{blob.digest}"})
            )
            assert fetch(remote, f"{server.host}/a", blob) == BIG
        assert all("authorization" in each.headers for each in server.requests("GET", "blobs")[-2:])


def test_configured_headers_replace_ours_however_they_are_written(tmp_path):
    with registries.Registry(accounts={"u": "SECRET"}, challenge="basic") as server:
        blob = server.put_blob("a", b"x")
        roots = mirrors(tmp_path, "example.com", server=server.url)
        with open(tmp_path / "certs" / "example.com" / "hosts.toml", "a") as file:
            file.write('[header]\nuser-agent = "mine"\nauthorization = "Basic eDp5"\n')
        with client(roots=roots, accounts={server.host: ("u", "SECRET")}) as remote:
            fetch(remote, "example.com/a", blob)
        first, second = server.requests("GET", "blobs")
        assert first.headers["user-agent"] == second.headers["user-agent"] == "mine"
        assert first.headers["authorization"] == "Basic eDp5"
        assert second.headers["authorization"] == "Basic dTpTRUNSRVQ="


def test_configured_headers_stay_with_their_host(tmp_path):
    with registries.Registry() as server, registries.Registry() as other:
        blob = server.put_blob("a", BIG)
        other.put_blob("a", BIG)
        folder = tmp_path / server.host
        folder.mkdir()
        (folder / "hosts.toml").write_text(f'server = "{server.url}"\n[header]\nX-Api-Key = "SECRET"\n')
        server.fail(
            registries.Fault(path="blobs", status=307, headers={"Location": f"{other.url}/v2/a/blobs/{blob.digest}"})
        )
        with client(roots=[str(tmp_path)]) as remote:
            fetch(remote, f"{server.host}/a", blob)
        assert server.requests("GET", "blobs")[0].headers["x-api-key"] == "SECRET"
        assert "x-api-key" not in other.requests()[0].headers


@pytest.mark.parametrize(
    ("location", "cause"),
    [
        ("file:///etc/passwd", "no URL"),
        ("http://169.254.169.254/latest/meta-data", "private network"),
        ("http://[fe80::1]/", "private network"),
        ("http://user:pass@127.0.0.1/", "carries an account"),
        ("http://0/", "private network"),
        ("http://[", "no URL"),
        ("gopher://x", "no URL"),
    ],
)
def test_redirects_that_lead_astray(server, remote, location, cause):
    blob = server.put_blob("a", BIG)
    server.fail(registries.Fault(path="blobs", status=307, headers={"Location": location}))
    with pytest.raises(errors.PermissionDenied, match=cause) as caught:
        fetch(remote, f"{server.host}/a", blob)
    assert "pass" not in caught.value.message.replace("passwd", "")


@pytest.mark.parametrize(
    ("target", "source", "fine"),
    [
        ("https://cdn.example.com/x", "https://example.com/", True),
        ("http://cdn.example.com/x", "https://example.com/", False),
        ("http://cdn.example.com/x", "http://example.com/", True),
        ("https://10.0.0.1/x", "https://example.com/", False),
        ("https://localhost/x", "https://example.com/", False),
        ("https://2130706433/x", "https://example.com/", False),
        ("https://[::ffff:127.0.0.1]/x", "https://example.com/", False),
        ("https://10.0.0.2/x", "https://10.0.0.1/", True),
        ("https://169.254.169.254/x", "https://10.0.0.1/", False),
        ("https://10.0.0.1:99/x", "https://10.0.0.1/", True),
        ("https://93.184.216.34/x", "https://example.com/", True),
    ],
)
def test_where_a_server_may_send_us(target, source, fine):
    if fine:
        urls.check_target(target, source, what="redirect")
    else:
        with pytest.raises(errors.PermissionDenied):
            urls.check_target(target, source, what="redirect")


def test_redirects_in_a_circle_end(server, remote):
    blob = server.put_blob("a", BIG)
    server.fail(
        registries.Fault(path="blobs", times=999, status=307, headers={"Location": f"/v2/a/blobs/{blob.digest}"})
    )
    with pytest.raises(errors.Unavailable, match="more than 5 redirects"):
        fetch(remote, f"{server.host}/a", blob)


def test_no_secret_is_logged(caplog):
    caplog.set_level("DEBUG", "")
    with registries.Registry(accounts={"user": "SECRET"}) as server, registries.Registry() as other:
        blob = server.put_blob("a", BIG)
        other.put_blob("a", BIG)
        signed = f"{other.url}/v2/a/blobs/{blob.digest}?X-Signature=SECRET"
        with client(accounts={server.host: ("user", "SECRET")}) as remote:
            fetch(remote, f"{server.host}/a", blob, length=1)
            server.fail(registries.Fault(path="blobs", status=307, headers={"Location": signed}))
            fetch(remote, f"{server.host}/a", blob)
    assert "SECRET" not in caplog.text


def test_urls_are_redacted():
    url = "https://user:SECRET1@example.com/v2/?ns=docker.io&X-Signature=SECRET2&token=SECRET3#SECRET4"
    shown = urls.redacted(url)
    assert "SECRET" not in shown
    assert "ns=docker.io" in shown
    assert urls.redacted("http://[") == "a malformed URL"


# Mirrors


def test_mirrors_are_asked_first_and_told_for_whom(tmp_path, server):
    with registries.Registry() as mirror:
        pushed = server.push_image("a", "t", [b"x"])
        mirror.push_image("a", "t", [b"x"])
        with client(roots=mirrors(tmp_path, "example.com", mirror.url, server=server.url)) as remote:
            _, found = remote.resolve("example.com/a:t")
            assert fetch(remote, "example.com/a:t", found)
        assert found.digest == pushed.digest
        assert not server.requests()
        assert all(each.path.endswith("?ns=example.com") for each in mirror.requests())


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 500}, {"status": 429}, {"status": 403}, {"drop": True}])
def test_a_mirror_that_fails_is_passed_by(tmp_path, server, fault):
    pauses = []
    with registries.Registry() as mirror:
        pushed = server.push_image("a", "t", [b"x"])
        mirror.push_image("a", "t", [b"x"])
        mirror.fail(registries.Fault(times=99, **fault))
        with client(roots=mirrors(tmp_path, "example.com", mirror.url, server=server.url), pauses=pauses) as remote:
            assert remote.resolve("example.com/a:t")[1].digest == pushed.digest
            assert fetch(remote, "example.com/a", pushed)
        assert not pauses


def test_a_mirror_with_other_bytes_is_passed_by(tmp_path, server):
    with registries.Registry() as mirror:
        small, big = server.put_blob("a", b"small"), server.put_blob("a", BIG * 2)
        mirror.put_blob("a", b"small")
        mirror.put_blob("a", BIG * 2)
        mirror.fail(registries.Fault(path="blobs", times=2, corrupt=True))
        with client(roots=mirrors(tmp_path, "example.com", mirror.url, server=server.url)) as remote:
            assert fetch(remote, "example.com/a", small) == b"small"
            with pytest.raises(errors.Unavailable, match="other content"):
                fetch(remote, "example.com/a", big)
            assert fetch(remote, "example.com/a", big) == BIG * 2


def test_a_mirror_that_breaks_in_the_middle_is_continued_elsewhere(tmp_path, server):
    with registries.Registry() as mirror:
        blob = server.put_blob("a", BIG * 2)
        mirror.put_blob("a", BIG * 2)
        mirror.fail(registries.Fault(path="blobs", truncate_at=5_000_000))
        mirror.fail(registries.Fault(path="blobs", times=99, status=503))
        with client(roots=mirrors(tmp_path, "example.com", mirror.url, server=server.url)) as remote:
            assert fetch(remote, "example.com/a", blob) == BIG * 2
        assert server.requests("GET", "blobs")[0].headers["range"] == "bytes=5000000-"


def test_the_upstream_account_does_not_go_to_a_mirror(tmp_path):
    with registries.Registry(accounts={"user": "SECRET"}) as mirror:
        with (
            client(
                roots=mirrors(tmp_path, "example.com", mirror.url, server=mirror.url),
                accounts={"example.com": ("user", "SECRET")},
            ) as remote,
            pytest.raises(errors.Unauthenticated),
        ):
            remote.resolve("example.com/a:t")
        assert not mirror.requests("POST")


def test_a_registry_that_nobody_serves(tmp_path):
    roots = mirrors(tmp_path, "example.com")
    (tmp_path / "certs" / "example.com" / "hosts.toml").write_text('capabilities = ["push"]')
    with (
        client(roots=roots) as remote,
        pytest.raises(errors.FailedPrecondition, match=r"no server for example\.com may resolve"),
    ):
        remote.resolve("example.com/a:t")


# TLS


def test_tls_is_found_out_on_this_machine(certificate, tmp_path):
    with registries.Registry(tls=certificate) as server:
        pushed = server.push_image("a", "t", [b"x"])
        with client() as remote, pytest.raises(errors.Unavailable, match=r"certificate is not trusted.*`ca`"):
            remote.resolve(f"{server.host}/a:t")
        folder = tmp_path / server.host
        folder.mkdir()
        shutil.copy(certificate[0], folder / "ca.crt")
        with client(roots=[str(tmp_path)]) as remote:
            assert remote.resolve(f"{server.host}/a:t")[1].digest == pushed.digest
        with client(skip_verify=[server.host]) as remote:
            assert remote.resolve(f"{server.host}/a:t")[1].digest == pushed.digest


def test_tls_that_fails_is_not_given_up(server, tmp_path):
    """A registry that should speak TLS and does not gets nothing in the clear."""
    with (
        client(
            roots=mirrors(tmp_path, "example.com", server=f"https://{server.host}"), accounts={server.host: ("u", "p")}
        ) as remote,
        pytest.raises(errors.Unavailable),
    ):
        remote.resolve("example.com/a:t")
    assert not server.requests()


def test_blind_trust_in_a_registry_is_not_for_its_token_server(certificate, tmp_path):
    with (
        registries.Registry(tls=certificate) as auth,
        registries.Registry(accounts={"u": "SECRET"}, tls=certificate) as server,
    ):
        server.tokens.realm = f"{auth.url.replace('127.0.0.1', '127.0.0.2')}/token"
        with (
            client(skip_verify=[server.host], accounts={server.host: ("u", "SECRET")}) as remote,
            pytest.raises(errors.Unavailable),
        ):
            remote.resolve(f"{server.host}/a:t")
        assert not auth.requests()
