import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxship.core import content
from boxship.remotes import credentials, hosts, proxies, registry
from boxship.terms import digests, errors, oci
from boxship.testing import proxy as testing_proxy
from boxship.testing import registry as registries

BIG = random.Random(2).randbytes(2 << 20)


# Reading the variables


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "https://a/", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https://a/", "http://p:1"),
        ({"HTTPS_PROXY": "http://up:1", "https_proxy": "http://low:1"}, "https://a/", "http://up:1"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://low:1"}, "https://a/", "http://low:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://a/", None),
        ({"HTTP_PROXY": "http://p:1"}, "https://a/", None),
        ({"HTTP_PROXY": "p:3128"}, "http://a/", "http://p:3128"),
        ({"HTTP_PROXY": "p"}, "http://a/", "http://p:80"),
        ({"HTTP_PROXY": "https://p"}, "http://a/", "https://p:443"),
        ({"HTTP_PROXY": "http://[fd00::1]:8080"}, "http://a/", "http://[fd00::1]:8080"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://a/", None),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": ""}, "http://a/", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "https://a/", "http://p:1"),
        ({}, "https://a/", None),
    ],
)
def test_which_proxy(environment, url, expected):
    found = proxies.Proxies.of(environment).for_url(url)
    assert (found.url if found else None) == expected


@pytest.mark.parametrize(
    "url",
    ["https://localhost/", "https://x.localhost/", "https://127.0.0.1:5000/", "https://127.9.9.9/", "https://[::1]/"],
)
def test_this_machine_is_reached_directly(url):
    assert proxies.Proxies.of({"HTTPS_PROXY": "http://p:1"}).for_url(url) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("*", "a.example", True),
        ("x, *", "a.example", True),
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com", True),
        ("Example.COM", "example.com", True),
        ("example.com", "www.example.com", True),
        ("example.com", "notexample.com", False),
        (".example.com", "www.example.com", True),
        (".example.com", "example.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "example.com", False),
        ("example.com:443", "example.com", True),
        ("example.com:5000", "example.com", False),
        ("example.com:5000", "example.com:5000", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example", False),
        ("10.1.2.3", "10.1.2.3:99", True),
        ("10.1.2.3:98", "10.1.2.3:99", False),
        ("10.1.2.3:99", "10.1.2.3:99", True),
        ("fd00::/8", "[fd00::5]:443", True),
        ("fd00::5", "[fd00::5]", True),
        ("[fd00::5]:443", "[fd00::5]", True),
        ("[fd00::5]:444", "[fd00::5]", False),
        ("10.0.0.0/8", "[::ffff:10.0.0.1]", True),
        ("a.example , b.example", "b.example", True),
        (",,:,:80,[],/,10.0.0.0/99", "b.example", False),
        ("", "a.example", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_who_is_reached_directly(name, no_proxy, host, direct):
    found = proxies.Proxies.of({"HTTPS_PROXY": "http://p:1", name: no_proxy}).for_url(f"https://{host}/v2/")
    assert (found is None) is direct


@pytest.mark.parametrize(
    "value",
    ["socks5://SECRET@p:1", "http://u:SECRET@", "http://u:SECRET@p:port", "http://u:SECRET@p\r\nX:1", "http://["],
)
def test_what_is_no_proxy_is_told_without_its_secret(value):
    with pytest.raises(errors.InvalidArgument, match=r"https_proxy: ") as caught:
        proxies.Proxies.of({"https_proxy": value}).for_url("https://a/")
    assert "SECRET" not in str(caught.value)


def test_a_proxy_that_is_none_is_no_matter_where_none_is_wanted(server):
    server.push_image("demo", "v1", [b"x"])
    with client({"HTTP_PROXY": "socks5://p:1"}) as remote:
        pull(remote, f"{server.host}/demo:v1")


def test_the_account_of_a_proxy():
    proxy = proxies.Proxies.of({"HTTP_PROXY": "http://us%40er:p%3Aw@p:1"}).for_url("http://a/")
    assert proxy.url == "http://p:1"
    assert proxy.authorization == "Basic " + base64.b64encode(b"us@er:p:w").decode()
    assert proxy.authorization not in repr(proxy)


@given(st.text("ab.:*/[]0123456789, %-", max_size=30), st.sampled_from(["a.example", "10.0.0.1:5", "[fd00::1]"]))
def test_any_exception_is_read(text, host):
    proxies.Proxies.of({"HTTP_PROXY": "p:1", "NO_PROXY": text}).for_url(f"http://{host}/")


@given(st.text(max_size=40))
def test_any_proxy_is_read_or_refused(text):
    try:
        found = proxies.Proxies.of({"HTTP_PROXY": text}).for_url("http://a.example/")
    except errors.InvalidArgument:
        return
    assert found is None or found.url.startswith(("http://", "https://"))


# Going through one


def client(environment, *, roots=(), accounts=None, **options):
    source = credentials.Fixed(
        {host: credentials.Credential(username=u, secret=p) for host, (u, p) in (accounts or {}).items()}
    )
    return registry.Registry(
        hosts.Hosts(roots, **options), source, proxies.Proxies.of(environment), pause=lambda _: None
    )


def pull(remote, reference):
    name, found = remote.resolve(reference)
    with remote.fetch(name, found) as chunks:
        return b"".join(chunks)


@pytest.fixture(params=["http", "https"])
def both(request, certificate, tmp_path):
    """A registry called registry.test, and the folder with its hosts.toml."""
    tls = None if request.param == "http" else certificate
    with registries.Registry(accounts={"user": "SECRET"}, tls=tls) as server:
        folder = tmp_path / "certs" / "registry.test"
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(f'server = "{request.param}://registry.test"\nskip_verify = true\n')
        server.tokens.realm = f"{request.param}://registry.test/token"
        yield server, [str(tmp_path / "certs")]


def test_all_goes_through_the_proxy_and_its_account_no_further(both, store):
    server, roots = both
    pushed = server.push_image("demo", "v1", [BIG])
    with testing_proxy.Proxy({"registry.test": server.host}, account="me:PROXYPASS") as proxy:
        ways = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
        with client(ways, roots=roots, accounts={"registry.test": ("user", "SECRET")}) as remote:
            assert remote.resolve("registry.test/demo:v1")[1].digest == pushed.digest
            assert len(pull(remote, "registry.test/demo:v1")) == pushed.size
        asked = proxy.requests()
    assert asked
    assert {each.method for each in asked} == ({"CONNECT"} if server.scheme == "https" else {"HEAD", "GET", "POST"})
    if server.scheme == "https":
        assert {each.target for each in asked} == {"registry.test:443"}
        assert not any("authorization" in each.headers for each in asked)
    else:
        assert all(each.target.startswith("http://registry.test/") for each in asked)
    own = proxies.Proxies.of(ways).for_url("https://a/").authorization
    assert all(each.headers["proxy-authorization"] == own for each in asked)
    assert not any(own in value for each in server.requests() for value in each.headers.values())
    assert {each.headers["host"] for each in server.requests()} == {"registry.test"}


def test_a_proxy_that_speaks_tls(both, certificate, monkeypatch):
    """To a registry over TLS this is a tunnel within a tunnel."""
    server, roots = both
    pushed = server.push_image("demo", "v1", [BIG])
    accounts = {"registry.test": ("user", "SECRET")}
    with testing_proxy.Proxy({"registry.test": server.host}, account="me:PROXYPASS", tls=certificate) as proxy:
        ways = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
        with (
            client(ways, roots=roots, accounts=accounts) as remote,
            pytest.raises(errors.Unavailable, match="not trusted"),
        ):
            remote.resolve("registry.test/demo:v1")
        assert not proxy.requests()
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])  # the machine's authorities
        with client(ways, roots=roots, accounts=accounts) as remote:
            manifest = oci.parse_manifest(pull(remote, "registry.test/demo:v1"))
            assert manifest.layers[0].size == len(BIG)
            with remote.fetch("registry.test/demo", manifest.layers[0]) as chunks:
                assert b"".join(chunks) == BIG
        assert proxy.requests()
    assert pushed.size


def test_a_push_through_the_proxy(both, store):
    server, roots = both
    blob = oci.Descriptor(media_type=oci.LAYER, digest=digests.of(BIG), size=len(BIG))
    content.write_blob(store, "blob", BIG, blob)
    with testing_proxy.Proxy({"registry.test": server.host}) as proxy:
        ways = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
        with client(ways, roots=roots, accounts={"registry.test": ("user", "SECRET")}) as remote:
            assert remote.push("registry.test/demo", blob, store)
            assert remote.push("registry.test/demo", blob, store) is False


def test_a_registry_on_this_machine_is_reached_past_the_proxy(server):
    server.push_image("demo", "v1", [b"x"])
    with testing_proxy.Proxy({}) as proxy, client({"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}) as remote:
        pull(remote, f"{server.host}/demo:v1")
        assert not proxy.requests()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("account", "host", "cause"), [
    ("me:x", "registry.test", "wants an account"), ("", "elsewhere.test", "does not let us through|403")
])  # fmt: skip
def test_a_proxy_that_refuses_is_told_from_the_registry(scheme, account, host, cause):
    with testing_proxy.Proxy({"registry.test": "127.0.0.1:9"}, account=account) as proxy:
        ways = {f"{scheme.upper()}_PROXY": f"http://{proxy.host}"}
        plain = [host] if scheme == "http" else []
        with client(ways, plain_http=plain) as remote, pytest.raises(errors.Error, match=cause):
            remote.resolve(f"{host}/demo:v1")
        assert len(proxy.requests()) <= 2


def test_a_proxy_that_is_not_there(tmp_path):
    with testing_proxy.Proxy({}) as gone:
        ways = {"HTTPS_PROXY": f"http://me:SECRET@{gone.host}"}
    with (
        client(ways) as remote,
        pytest.raises(errors.Unavailable, match=f"{gone.host}.*is the proxy running") as caught,
    ):
        remote.resolve("registry.test/demo:v1")
    assert "SECRET" not in str(caught.value)


def test_a_redirect_leads_through_the_proxy_too(tmp_path):
    with registries.Registry() as first, registries.Registry() as second:
        blob = first.put_blob("a", BIG)
        second.put_blob("a", BIG)
        first.fail(
            registries.Fault(
                path="blobs", status=307, headers={"Location": f"http://store.test/v2/a/blobs/{blob.digest}?sig=S"}
            )
        )
        with testing_proxy.Proxy({"registry.test": first.host, "store.test": second.host}) as proxy:
            with (
                client({"HTTP_PROXY": proxy.url}, plain_http=["registry.test"]) as remote,
                remote.fetch("registry.test/a", blob) as chunks,
            ):
                assert b"".join(chunks) == BIG
            assert [each.target.split("/")[2] for each in proxy.requests()] == ["registry.test", "store.test"]
