"""The command line of the shim, and what daemons of each age tell it."""

import pytest

from boxship.api import any_pb2, bootstrap_pb2
from boxship.shim import main, specs, starting


def test_flags_as_go_reads_them():
    options = main.parse(
        ["-namespace", "n", "--id=a", "-address", "/g", "-debug", "-publish-binary", "", "start", "-x"]
    )
    assert options.values == {"namespace": "n", "id": "a", "address": "/g", "publish-binary": ""}
    assert options.switches == {"debug"}
    assert options.action == "start"
    assert main.parse(["-debug=false"]).switches == set()


@pytest.mark.parametrize("words", [["-nosuch"], ["-id"]])
def test_flags_that_make_no_sense(words, capsys):
    assert main.main(words) == 1
    assert "flag" in capsys.readouterr().err


def test_what_is_needed_is_named(capsys):
    assert main.main(["delete"]) == 1
    assert "-id is needed" in capsys.readouterr().err


def test_its_version(capsys):
    assert main.main(["-v"]) == 0
    assert capsys.readouterr().out.startswith("containerd-shim-boxship-v1:\n  Version:  ")


def test_a_daemon_since_2_3_says_all():
    said = bootstrap_pb2.BootstrapParams(
        instance_id="a",
        namespace="n",
        containerd_grpc_address="/g",
        containerd_ttrpc_address="/t",
        socket_dir="/s",
    ).SerializeToString()
    wish = starting.read_wish(said, id="a", namespace="n", bundle="/b")
    assert (wish.modern, wish.daemon, wish.ttrpc, wish.sockets) == (True, "/g", "/t", "/s")


@pytest.mark.parametrize(
    "said",
    [b"", b"\xff\xff", any_pb2.Any(type_url="containerd.runc.v1.Options", value=b"\x08\x01").SerializeToString()],
)
def test_an_older_one_says_nothing_of_the_start(said):
    wish = starting.read_wish(said, id="a", namespace="n", bundle="/b")
    assert (wish.modern, wish.daemon, wish.sockets) == (False, "", "/run/containerd/s")


@pytest.mark.parametrize(
    ("namespaces", "shares"),
    [([], True), ([{"type": "pid"}], False), ([{"type": "pid", "path": "/proc/1/ns/pid"}], True)],
)
def test_whose_processes_end_with_its_init(namespaces, shares):
    spec = {"linux": {"namespaces": namespaces}, "hooks": {}, "annotations": {"a": "b"}}
    assert specs.shares_pids(spec) is shares
    assert specs.shares_pids(specs.outline(spec)) is shares
    assert specs.outline(spec)["annotations"] == {"a": "b"}
