import tomllib

import pytest

from boxship.daemon import builtins, config, settings, toml

OVERLAY = "io.containerd.snapshotter.v1.overlayfs"


@pytest.fixture
def load(tmp_path):
    def read(text, name="config.toml", overrides=None):
        path = tmp_path / name
        path.write_text(text)
        return config.load(str(path), builtins.uri_of, overrides)

    return read


@pytest.fixture
def refused(load, tmp_path):
    def why(text):
        with pytest.raises(config.Refused) as raised:
            load(text)
        return str(raised.value).replace(str(tmp_path), "")

    return why


def test_without_a_file_there_are_defaults():
    found = config.load(None, builtins.uri_of).settings
    assert (found.root, found.state) == ("/var/lib/boxship", "/run/boxship")
    assert found.grpc.address == "/run/boxship/boxship.sock"
    assert found.ttrpc.address == "/run/boxship/boxship.sock.ttrpc"


@pytest.mark.parametrize("version", ["", "version = 1\n"])
def test_version_1_has_bare_names(load, version):
    found = load(
        f'{version}disabled_plugins = ["cri", "native"]\n[plugins.overlayfs]\nupperdir_label = true\n'
    ).settings
    assert found.plugins == {OVERLAY: {"upperdir_label": True}}
    assert found.disabled_plugins == ("io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.native")


@pytest.mark.parametrize("version", [2, 3])
def test_versions_2_and_3_have_uris(load, version):
    found = load(
        f'version = {version}\nroot = "/r"\nstate = "/s"\n[grpc]\naddress = "/a"\nuid = 3\ntcp_address = "127.0.0.1:1"\n'
        f'[debug]\nlevel = "debug"\n[plugins."{OVERLAY}"]\nsync_remove = true\n'
    ).settings
    assert (found.root, found.state, found.grpc.address, found.grpc.uid) == ("/r", "/s", "/a", 3)
    assert (found.ttrpc.address, found.ttrpc.uid) == ("/a.ttrpc", 3)
    assert found.grpc.tcp_address == "127.0.0.1:1"
    assert found.debug.level == "debug"
    assert found.plugins == {OVERLAY: {"sync_remove": True}}


def test_version_4_has_servers_among_its_parts(load):
    found = load(
        'version = 4\n[debug]\nlevel = "warn"\n'
        '[plugins."io.containerd.server.v1.grpc"]\naddress = "/a"\ngid = 7\n'
        '[plugins."io.containerd.server.v1.grpc-tcp"]\naddress = "127.0.0.1:1"\ntls_cert = "/c"\n'
        '[plugins."io.containerd.server.v1.ttrpc"]\naddress = "/t"\n'
        '[plugins."io.containerd.server.v1.debug"]\naddress = "/d"\n'
        '[plugins."io.containerd.server.v1.metrics"]\naddress = "127.0.0.1:2"\n'
    ).settings
    assert (found.grpc.address, found.grpc.gid, found.ttrpc.address) == ("/a", 7, "/t")
    assert (found.grpc.tcp_address, found.grpc.tcp_tls_cert) == ("127.0.0.1:1", "/c")
    assert (found.debug.level, found.debug.address, found.metrics.address) == ("warn", "/d", "127.0.0.1:2")
    assert found.plugins == {}


def test_what_is_imported_wins_and_lists_add_up(load, tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.toml").write_text(
        'version = 2\ndisabled_plugins = ["b"]\n[grpc]\ngid = 5\n[plugins."x.y"]\ntwo = 2\n'
    )
    (tmp_path / "conf.d" / "20.toml").write_text('version = 2\nimports = ["../config.toml"]\nstate = "/later"\n')
    found = load(
        'version = 2\nimports = ["conf.d/*.toml", "nothing/*.toml"]\nstate = "/s"\ndisabled_plugins = ["a"]\n'
        '[grpc]\naddress = "/a"\n[plugins."x.y"]\none = 1\n'
    ).settings
    assert found.disabled_plugins == ("a", "b")
    assert found.state == "/later"
    assert (found.grpc.address, found.grpc.gid) == ("/a", 5)
    assert found.plugins == {"x.y": {"two": 2}}


def test_the_command_line_wins(load):
    found = load(
        'version = 2\nroot = "/r"\n[grpc]\naddress = "/a"\n', overrides={"root": "/x", "grpc": {"address": "/y"}}
    )
    assert (found.settings.root, found.settings.grpc.address) == ("/x", "/y")


def test_unknown_keys_are_told(load):
    found = load('version = 2\nrot = "/r"\nplugin_dir = ""\n[grpc]\nadress = "/a"\n')
    assert [warning.partition(": ")[2] for warning in found.warnings] == [
        "unknown key rot is ignored",
        "unknown key grpc.adress is ignored",
    ]


def test_keys_without_effect_are_told(load):
    found = load(
        'version = 2\ntemp = "/t"\n[grpc]\nmax_recv_message_size = 1\nmax_send_message_size = 16777216\n'
        '[metrics]\naddress = "127.0.0.1:1338"\ngrpc_histogram = false\n'
        '[timeouts]\n"io.containerd.timeout.shim.load" = "5s"\n[stream_processors.x]\npath = "x"\n'
        '[proxy_plugins.stargz]\ntype = "snapshot"\naddress = "/s"\n'
    )
    assert [warning.partition(": ")[2] for warning in found.warnings] == [
        "temp is set to /t, which is not supported yet",
        "metrics.address is set to 127.0.0.1:1338, which is not supported yet",
        "grpc.max_recv_message_size is set to 1, which is not supported yet",
        "timeouts are not supported yet: io.containerd.timeout.shim.load",
        "stream_processors are not supported yet: x",
        "proxy_plugins.stargz is not supported yet, the plugin will not be there",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('version = 2\n[grpc]\nuid = "root"\n', '/config.toml: grpc.uid: must be a whole number, not "root"'),
        ('version = 2\nroot = "here"\n', '/config.toml: root: must be an absolute path, not "here"'),
        (
            'version = 2\nroot = "/a"\nstate = "/a/"\n',
            '/config.toml: state: must be another folder than root, and both are "/a"',
        ),
        ('version = 2\n[grpc]\naddress = ""\n', "/config.toml: grpc.address: must not be empty"),
        ("version = 9\n", "/config.toml: version: must be 1, 2, 3 or 4, not 9"),
        ('version = "2"\n', "/config.toml: version: must be 1, 2, 3 or 4, not '2'"),
        ("version = 2\nimports = 1\n", "/config.toml: imports: must be a list of strings"),
        ('version = 2\n[debug]\nlevel = "loud"\n', '/config.toml: debug: level "loud" is none of'),
        ('version = 2\n[timeouts]\n"a.b" = "soon"\n', '/config.toml: timeouts.a.b: "soon" is no duration'),
        ("version = 2\n[grpc\n", "/config.toml: Expected ']'"),
    ],
)
def test_a_bad_value_names_file_key_and_reason(refused, text, said):
    assert refused(text).startswith(said)


def test_the_file_that_said_it_is_named(load, tmp_path):
    (tmp_path / "more.toml").write_text("version = 2\n[grpc]\nuid = true\n")
    with pytest.raises(config.Refused, match=r"more\.toml: grpc\.uid: must be a whole number, not true"):
        load('version = 2\nimports = ["more.toml"]\n')


def test_a_file_that_is_asked_for_must_be_there():
    with pytest.raises(config.Refused, match=r"/nonexistent/c\.toml: No such file or directory"):
        config.load("/nonexistent/c.toml", builtins.uri_of)


def test_what_is_written_is_read_again(load):
    told = settings.Settings(
        root="/r",
        grpc=settings.Grpc(address="/a", tcp_address="127.0.0.1:1", tcp_tls_key="/k"),
        ttrpc=settings.Ttrpc(address="/t"),
        debug=settings.Debug(level="info", address="/d"),
        timeouts={"io.containerd.timeout.shim.load": "5s"},
        plugins={"a.b": {"list": ["x", 1], "table": {"on": True}}},
    )
    text = config.document(told, {})
    assert tomllib.loads(text)["version"] == 4
    assert load(text).settings == told
    assert not [warning for warning in load(text).warnings if "unknown" in warning]


@pytest.mark.parametrize(
    "table",
    [
        {"a": 'quote " and \\ and \n and é \x7f', "b": -1, "c": 1.5, "d": [True, "x", {"y": 1}]},
        {"a.b": {"c d": {"é": 1}}, "e": {}},
        {"a": {"b": {"c": 1}, "d": 2}},
    ],
)
def test_toml_is_written_as_it_is_read(table):
    assert tomllib.loads(toml.dumps(table)) == table
