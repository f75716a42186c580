import pytest

from boxship.remotes import addresses, hosts
from boxship.terms import errors


def write(folder, text, name="example.com"):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "hosts.toml").write_text(text)


def test_a_name_is_its_own_server():
    [endpoint] = hosts.Hosts(()).endpoints("example.com:5000")
    assert endpoint.origin == "https://example.com:5000"
    assert endpoint.prefix == "/v2"
    assert not endpoint.namespace
    assert not endpoint.undecided


def test_docker_hub_lives_elsewhere_than_its_name():
    [endpoint] = hosts.Hosts(()).endpoints("docker.io")
    assert endpoint.origin == "https://registry-1.docker.io"
    assert endpoint.account == "docker.io"
    assert not endpoint.namespace


@pytest.mark.parametrize(
    "name", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "x.localhost", "127.1:80"]
)
def test_plain_http_is_for_this_machine(name):
    [endpoint] = hosts.Hosts(()).endpoints(name)
    assert endpoint.scheme == "http"
    assert endpoint.undecided


@pytest.mark.parametrize(
    "name", ["127.0.0.1.example.com", "localhost.example.com:80", "10.0.0.1:5000", "example.com", "127.0.0.1:443"]
)
def test_nobody_else_is_spoken_to_in_the_clear(name):
    [endpoint] = hosts.Hosts(()).endpoints(name)
    assert endpoint.scheme == "https"


def test_plain_http_on_demand():
    where = hosts.Hosts((), plain_http=["registry.lan:5000"])
    assert where.endpoints("registry.lan:5000")[0].scheme == "http"
    assert where.endpoints("other.lan:5000")[0].scheme == "https"


def test_mirrors_come_in_the_order_of_the_file_and_the_server_last(tmp_path):
    write(
        tmp_path,
        """
        server = "https://origin.example.com/prefix"
        [host."https://zzz.example.com"]
          capabilities = ["pull", "resolve"]
        [host."http://aaa.example.com:81/some/path"]
          capabilities = ["pull"]
          override_path = true
          dial_timeout = "1m1.5s"
          [host."http://aaa.example.com:81/some/path".header]
            X-Key = ["a", "b"]
            X-Other = "c"
        """,
    )
    first, second, last = hosts.Hosts([str(tmp_path)]).endpoints("example.com")
    assert (first.origin, first.prefix, first.namespace) == ("https://zzz.example.com", "/v2", "example.com")
    assert first.capabilities == {"pull", "resolve"}
    assert (second.origin, second.prefix) == ("http://aaa.example.com:81", "/some/path")
    assert second.headers == {"X-Key": ("a", "b"), "X-Other": ("c",)}
    assert second.dial_timeout == 61.5
    assert (last.origin, last.prefix) == ("https://origin.example.com", "/prefix/v2")
    assert last.capabilities >= {"pull", "push", "resolve"}


def test_without_server_the_name_itself_is_asked_last(tmp_path):
    write(tmp_path, 'skip_verify = true\n[host."https://mirror"]\nca = "m.crt"')
    mirror, own = hosts.Hosts([str(tmp_path)]).endpoints("example.com")
    assert mirror.tls == hosts.Tls(authorities=(f"{tmp_path}/example.com/m.crt",))
    assert own.origin == "https://example.com"
    assert own.tls == hosts.Tls(skip_verify=True)
    assert not own.namespace


def test_docker_hub_may_be_written_by_its_name(tmp_path):
    write(tmp_path, 'server = "https://docker.io"', "docker.io")
    [own] = hosts.Hosts([str(tmp_path)]).endpoints("docker.io")
    assert (own.address, own.namespace, own.account) == ("registry-1.docker.io", "", "docker.io")


def test_an_empty_server_is_none(tmp_path):
    write(tmp_path, 'server = ""\n[host."https://mirror"]')
    assert [each.address for each in hosts.Hosts([str(tmp_path)]).endpoints("example.com")] == ["mirror", "example.com"]


@pytest.mark.parametrize("server", ["", 'server = "https://example.com"\n'])
def test_what_the_server_itself_may_do(tmp_path, server):
    write(tmp_path, f'{server}capabilities = ["Resolve"]\n[host."https://mirror"]\ncapabilities = []')
    mirror, own = hosts.Hosts([str(tmp_path)]).endpoints("example.com")
    assert own.capabilities == {"resolve"}
    assert mirror.capabilities == {"pull", "resolve", "push"}


@pytest.mark.parametrize("name", ["example.com_5000_", "example.com:5000", "_default"])
def test_names_of_folders(tmp_path, name):
    write(tmp_path, '[host."https://mirror"]', name)
    assert hosts.Hosts([str(tmp_path)]).endpoints("example.com:5000")[0].address == "mirror"


def test_another_port_is_another_registry(tmp_path):
    write(tmp_path, 'server = "https://example.com"')
    [own] = hosts.Hosts([str(tmp_path)]).endpoints("example.com:5000")
    assert own.address == "example.com:5000"


def test_the_exact_folder_goes_before_the_common_one(tmp_path):
    write(tmp_path, '[host."https://common"]', "_default")
    write(tmp_path, '[host."https://exact"]', "example.com:5000")
    assert hosts.Hosts([str(tmp_path)]).endpoints("example.com:5000")[0].address == "exact"
    assert hosts.Hosts([str(tmp_path)]).endpoints("other.com")[0].address == "common"


def test_client_certificates_in_their_three_forms(tmp_path):
    write(
        tmp_path,
        '[host."https://a"]\nclient = "both.pem"\n'
        '[host."https://b"]\nclient = ["x.pem", "/y.pem"]\n'
        '[host."https://c"]\nclient = [["x.cert", "x.key"]]\n',
    )
    a, b, c, _ = hosts.Hosts([str(tmp_path)]).endpoints("example.com")
    folder = f"{tmp_path}/example.com"
    assert a.tls.identities == ((f"{folder}/both.pem", ""),)
    assert b.tls.identities == ((f"{folder}/x.pem", ""), ("/y.pem", ""))
    assert c.tls.identities == ((f"{folder}/x.cert", f"{folder}/x.key"),)
    assert c.tls.for_strangers() == hosts.Tls()


def test_docker_layout_without_hosts_toml(tmp_path):
    folder = tmp_path / "example.com"
    folder.mkdir()
    for name in ("ca.crt", "me.cert", "me.key"):
        (folder / name).touch()
    [own] = hosts.Hosts([str(tmp_path)]).endpoints("example.com")
    assert own.tls == hosts.Tls(
        authorities=(f"{folder}/ca.crt",), identities=((f"{folder}/me.cert", f"{folder}/me.key"),)
    )
    (folder / "me.key").unlink()
    with pytest.raises(errors.InvalidArgument, match=r"me\.key is missing"):
        hosts.Hosts([str(tmp_path)]).endpoints("example.com")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server = 1", "server"),
        ("server = 'ftp://x'", "server"),
        ("server = 'https://u:p@x'", "server"),
        ("host = 1", "host"),
        ("[host.x]\ncapabilities = ['fly']", "capabilities"),
        ("[host.x]\nskip_verify = 'no'", "skip_verify"),
        ("[host.x]\nca = 1", "ca"),
        ("[host.x]\nclient = [['a']]", "client"),
        ("[host.x]\ndial_timeout = 'soon'", "dial_timeout"),
        ('[host.x.header]\na = "b\\r\\nc: d"', "header"),
        ("[", "cannot be read"),
    ],
)
def test_a_bad_file_is_named_with_its_key(tmp_path, text, key):
    write(tmp_path, text)
    with pytest.raises(errors.InvalidArgument) as caught:
        hosts.Hosts([str(tmp_path)]).endpoints("example.com")
    assert f"{tmp_path}/example.com/hosts.toml" in caught.value.message
    assert key in caught.value.message
    assert "u:p" not in caught.value.message


def test_a_name_cannot_lead_out_of_the_roots(tmp_path):
    (tmp_path / "certs").mkdir()
    write(tmp_path, '[host."https://mirror"]', "outside")
    assert hosts.Hosts([str(tmp_path / "certs")]).endpoints("../outside")[0].address == "../outside"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
    ],
)
def test_old_ways_to_write_an_address_are_seen_through(host, address):
    assert str(addresses.literal(host)) == address


@pytest.mark.parametrize("host", ["example.com", "deadbeef", "a.b", "1.2.3.4.example", ""])
def test_names_are_no_addresses(host):
    assert addresses.literal(host) is None
