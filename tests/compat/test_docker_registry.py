"""Our registry client with Debian's docker-registry behind what guards it in the world: TLS, accounts, tokens, proxies."""

import base64
import contextlib
import http.server
import json
import os
import secrets
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator

import pytest
from compat import conftest

from boxship.core import content
from boxship.metadata import database
from boxship.plugins.content import store as stores
from boxship.plugins.transfer import pull, push
from boxship.remotes import credentials, hosts, proxies, registry
from boxship.terms import digests, errors, oci, platforms
from boxship.testing import proxy as testing_proxy
from boxship.testing import registry as registries

pytestmark = [pytest.mark.peer, pytest.mark.slow]

HTPASSWD = "user:$2b$04$abcdefghijklmnopqrstuueY1XTq4QMV2UuUajrFhLoINb0.z5uF.\n"
"""bcrypt of SECRET."""


# Things that a test needs


@pytest.fixture
def book(tmp_path) -> Iterator[database.Book]:
    class Silent:
        def publish(self, *args, **kwargs):
            return None

    backend = stores.LocalStore(tmp_path / "content")
    found = database.Database(tmp_path / "meta.db", content=backend, snapshotters={}, publisher=Silent())
    yield found.namespace("default")
    found.close()


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> dict[str, str]:
    """Files: an authority of our own, and a certificate for 127.0.0.1 that it signed, with key."""
    conftest.needs("openssl")
    folder = tmp_path_factory.mktemp("authority")
    found = {name: str(folder / f"{name}.pem") for name in ("ca", "ca_key", "request", "cert", "key", "names")}
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    openssl(*new, "/CN=our authority", "-x509", "-days", "2", "-keyout", found["ca_key"], "-out", found["ca"])
    openssl(*new, "/CN=registry", "-keyout", found["key"], "-out", found["request"])
    with open(found["names"], "w", encoding="ascii") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:registry.test")
    openssl("x509", "-req", "-in", found["request"], "-CA", found["ca"], "-CAkey", found["ca_key"], "-CAcreateserial",
            "-days", "2", "-extfile", found["names"], "-out", found["cert"])  # fmt: skip
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(port: int, *command: str) -> Iterator[str]:
    """A program that listens on a port; its host and port."""
    conftest.needs(command[0])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        conftest.wait_until(lambda: conftest._answers(port))
        yield f"127.0.0.1:{port}"
    finally:
        conftest.stop(process)


def served(folder, tls=None, **sections) -> contextlib.AbstractContextManager[str]:
    """docker-registry with parts of its configuration. (JSON is YAML.)"""
    port = free_port()
    folder.mkdir()
    address = {"addr": f"127.0.0.1:{port}"}
    if tls:
        address["tls"] = {"certificate": tls["cert"], "key": tls["key"]}
    storage = {"filesystem": {"rootdirectory": str(folder / "content")}}
    told = {"version": "0.1", "log": {"level": "error"}, "storage": storage, "http": address, **sections}
    (folder / "registry.yml").write_text(json.dumps(told))
    return running(port, "docker-registry", "serve", str(folder / "registry.yml"))


def roots(tmp_path, name: str, text: str) -> list[str]:
    folder = tmp_path / "certs.d" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.toml").write_text(text)
    return [str(tmp_path / "certs.d")]


def client(folders=(), *, host="", secret="SECRET", ways=proxies.NONE, **options) -> registry.Registry:
    accounts = {host: credentials.Credential(username="user", secret=secret)} if host else {}
    return registry.Registry(hosts.Hosts(folders, **options), credentials.Fixed(accounts), ways)


def image(book) -> oci.Descriptor:
    """The manifest of a small image in the store."""
    layer = os.urandom(2 << 20)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digests.of(layer)]}}
    parts = [put(book.content, layer, oci.LAYER), put(book.content, json.dumps(config).encode(), oci.CONFIG)]
    manifest = oci.Manifest(media_type=oci.MANIFEST, config=parts[1], layers=(parts[0],))
    return put(book.content, json.dumps(manifest.to_json()).encode(), oci.MANIFEST)


def put(store, data: bytes, media_type: str) -> oci.Descriptor:
    found = oci.Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))
    content.write_blob(store, f"put-{found.digest}", data, found)
    return found


def there_and_back(book, remote, reference: str) -> None:
    """Push an image, forget it, and pull it."""
    target = image(book)
    push.push(reference, target, remote, book.content)
    for info in list(book.content.walk()):
        book.content.delete(info.digest)
    found = pull.Puller(remote, book.content, book.images, matcher=platforms.EVERYTHING).pull(reference)
    assert found.target.digest == target.digest
    assert len(list(book.content.walk())) == 3


# TLS and accounts


def test_an_own_authority_and_an_account(tmp_path, book, authority):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    guard = {"htpasswd": {"realm": "here", "path": str(tmp_path / "htpasswd")}}
    with served(tmp_path / "registry", authority, auth=guard) as host:
        trust = roots(tmp_path, host.replace(":", "_") + "_", f'server = "https://{host}"\nca = "{authority["ca"]}"\n')
        with client(trust, host=host) as remote:
            there_and_back(book, remote, f"{host}/a/b:v1")
        with client(host=host) as remote, pytest.raises(errors.Unavailable, match="not trusted"):
            remote.resolve(f"{host}/a/b:v1")
        with client(skip_verify=[host], host=host) as remote:
            remote.resolve(f"{host}/a/b:v1")
        for secret in ("WRONG", ""):
            with client(trust, host=host, secret=secret) as remote, pytest.raises(errors.Unauthenticated):
                remote.resolve(f"{host}/a/b:v1")


# Tokens


class TokenServer(http.server.ThreadingHTTPServer):
    """Signs what docker-registry believes: JSON web tokens with the certificate of the key beside them."""

    daemon_threads = True

    def __init__(self, authority: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.authority = authority
        self.certificate = base64.b64encode(openssl("x509", "-in", authority["ca"], "-outform", "DER")).decode()
        self.asked: list[tuple[str, list[str]]] = []
        self.life = 300
        self.posts = True

    def token(self, scopes: list[str]) -> str:
        access = []
        for each in scopes:
            kind, name, actions = each.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {"iss": "issuer", "sub": "user", "aud": "service", "iat": now, "nbf": now - 10, "exp": now + self.life,
                  "jti": secrets.token_hex(8), "access": access}  # fmt: skip
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.certificate]}
        text = ".".join(encoded(json.dumps(each).encode()) for each in (head, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.authority["ca_key"], given=text.encode())
        return f"{text}.{encoded(signature)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenHandler(http.server.BaseHTTPRequestHandler):
    server: TokenServer

    def log_message(self, *args):
        pass

    def do_GET(self):
        fields = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        known = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:SECRET").decode()
        self._answer(known, fields.get("scope", []), "token")

    def do_POST(self):
        fields = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = fields.get("username") == ["user"] and fields.get("password") == ["SECRET"]
        self._answer(known and self.server.posts, fields.get("scope", [""])[0].split(), "access_token")

    def _answer(self, known, scopes, name):
        self.server.asked.append((self.command, scopes))
        fields = {name: self.server.token(scopes), "expires_in": self.server.life} if known else {}
        body = json.dumps(fields).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def tokens(authority) -> Iterator[TokenServer]:
    with TokenServer(authority) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("posts", [True, False])
def test_tokens_of_a_server_of_its_own(tmp_path, book, tokens, posts):
    tokens.posts = posts
    realm = f"http://127.0.0.1:{tokens.server_address[1]}/token"
    guard = {
        "token": {"realm": realm, "service": "service", "issuer": "issuer", "rootcertbundle": tokens.authority["ca"]}
    }
    with served(tmp_path / "registry", auth=guard) as host, client(host=host) as remote:
        there_and_back(book, remote, f"{host}/a/b:v1")
        assert {method for method, _ in tokens.asked} == ({"POST"} if posts else {"POST", "GET"})
        layer = oci.parse_manifest(
            content.read_blob(book.content, remote.resolve(f"{host}/a/b:v1")[1], 1 << 20)
        ).layers[0]
        assert remote.push(f"{host}/c:v1", layer, book.content, ["a/b"]) is False
        assert tokens.asked[-1][1] == ["repository:a/b:pull", "repository:c:pull,push"]
        with client(host=host, secret="WRONG") as other, pytest.raises(errors.Unauthenticated):
            other.resolve(f"{host}/a/b:v1")


def test_tokens_that_end_between_requests(tmp_path, book, tokens):
    """The registry allows a minute of error; a token of the past is refused, and a new one is fetched."""
    realm = f"http://127.0.0.1:{tokens.server_address[1]}/token"
    guard = {
        "token": {"realm": realm, "service": "service", "issuer": "issuer", "rootcertbundle": tokens.authority["ca"]}
    }
    with served(tmp_path / "registry", auth=guard) as host, client(host=host) as remote:
        target = image(book)
        push.push(f"{host}/a:v1", target, remote, book.content)
        tokens.life = -300
        with pytest.raises(errors.Unauthenticated):
            remote.resolve(f"{host}/a:v1")
        tokens.life = 300
        assert remote.resolve(f"{host}/a:v1")[1].digest == target.digest


# Mirrors and proxies


def test_a_mirror_that_pulls_through(tmp_path, book):
    with registries.Registry() as upstream:
        pushed = upstream.push_image("demo", "v1", [os.urandom(1 << 20)])
        with served(tmp_path / "registry", proxy={"remoteurl": upstream.url}) as mirror:
            config = f'server = "{upstream.url}"\n[host."http://{mirror}"]\ncapabilities = ["pull", "resolve"]\n'
            folders = roots(tmp_path, "upstream.test", config)
            with client(folders) as remote:
                puller = pull.Puller(remote, book.content, book.images, matcher=platforms.EVERYTHING)
                assert puller.pull("upstream.test/demo:v1").target.digest == pushed.digest
            assert upstream.requests()
            assert not any("boxship/" in each.headers.get("user-agent", "") for each in upstream.requests())
        with client(folders) as remote:
            assert remote.resolve("upstream.test/demo:v1")[1].digest == pushed.digest
        assert any("boxship/" in each.headers.get("user-agent", "") for each in upstream.requests())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tinyproxy(tmp_path, book, authority, scheme):
    """It asks for an account, and goes on through a proxy of ours, which knows where registry.test is."""
    tls = authority if scheme == "https" else None
    port = free_port()
    with served(tmp_path / "registry", tls) as host, testing_proxy.Proxy({"registry.test": host}) as behind:
        (tmp_path / "tinyproxy.conf").write_text(
            f"Port {port}\nListen 127.0.0.1\nBasicAuth me PASS\nUpstream http {behind.host}\nTimeout 30\nLogLevel Error\n"
        )
        told = f'server = "{scheme}://registry.test"\n' + (f'ca = "{tls["ca"]}"\n' if tls else "")
        folders = roots(tmp_path, "registry.test", told)
        with running(port, "tinyproxy", "-d", "-c", str(tmp_path / "tinyproxy.conf")) as front:
            ways = {f"{scheme}_proxy": f"http://me:PASS@{front}"}
            with client(folders, ways=proxies.Proxies.of(ways)) as remote:
                there_and_back(book, remote, "registry.test/a/b:v1")
            assert behind.requests("CONNECT" if scheme == "https" else "PUT")
            ways = {f"{scheme}_proxy": f"http://{front}"}
            with (
                client(folders, ways=proxies.Proxies.of(ways)) as remote,
                pytest.raises(errors.Unavailable, match=f"{front}: it wants an account"),
            ):
                remote.resolve("registry.test/a/b:v1")
