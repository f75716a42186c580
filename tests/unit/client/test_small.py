"""The small modules: signals, marks, outputs, results, endpoints, registries, names."""

import signal

import pytest

from boxship.client import endpoints, marks, outputs, registries, results, signals, transfers
from boxship.remotes import archives
from boxship.terms import errors, oci


@pytest.mark.parametrize(
    ("text", "number"),
    [(15, 15), ("15", 15), ("TERM", 15), ("sigterm", 15), ("SIGRTMIN+3", signal.SIGRTMIN + 3), ("RTMAX-1", signal.SIGRTMAX - 1)],
)  # fmt: skip
def test_signals(text, number):
    assert signals.number(text) == number


@pytest.mark.parametrize("text", [0, -1, "0", "65", "SIGNONSENSE", "", "RTMIN+99", "RTMIN-1", "-9"])
def test_what_is_no_signal(text):
    with pytest.raises(errors.InvalidArgument):
        signals.number(text)


def test_an_image_does_not_steer():
    found = marks.of_image(
        {
            "org.opencontainers.image.title": "x",
            "boxship.log": "/etc/passwd",
            "containerd.io/gc.root": "x",
            "io.containerd.image.config.stop-signal": "SIGKILL",
            "io.cri-containerd.kind": "sandbox",
            "nerdctl/name": "x",
            "long": "x" * 4096,
            "empty": "",
        }
    )
    assert found == {"org.opencontainers.image.title": "x"}


def test_output_is_gathered_up_to_a_limit():
    gathered = outputs.Gathered(limit=5)
    gathered(b"123")
    gathered(b"45")
    assert gathered.value() == b"12345"
    gathered(b"6")
    with pytest.raises(errors.ResourceExhausted, match="6 bytes"):
        gathered.value()


def test_a_log_takes_what_a_sink_takes(tmp_path):
    came = []
    log = outputs.Log(str(tmp_path / "folder" / "output"))
    log.beside(came.append)(b"both")
    log.beside(None)(b" alone")
    log.close()
    assert came == [b"both"]
    assert (tmp_path / "folder" / "output").read_bytes() == b"both alone"


def test_a_result_can_be_insisted_on():
    fine = results.Result(exit_status=0, output=b"x")
    assert fine.check() is fine
    with pytest.raises(errors.Unknown, match="status 3: why"):
        results.Result(exit_status=3, output=b"x", errors=b"why\n").check()


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (FileNotFoundError(2, "No such file or directory"), errors.Unavailable),
        (ConnectionRefusedError(111, "Connection refused"), errors.Unavailable),
        (TimeoutError(), errors.Unavailable),
        (PermissionError(13, "Permission denied"), errors.PermissionDenied),
        (ValueError("address 'x' is odd"), errors.InvalidArgument),
    ],
)
def test_a_refusal_names_the_socket(cause, kind):
    found = endpoints.refused("/run/x.sock", cause)
    assert type(found) is kind
    assert isinstance(cause, ValueError) or "/run/x.sock" in str(found)


def test_an_account_is_for_one_host():
    source = registries.Access(username="me", password="secret")._accounts("here.example")
    assert source.lookup("here.example").username == "me"
    assert source.lookup("there.example") is None
    assert "secret" not in repr(registries.Access(username="me", password="secret"))


def test_accounts_and_proxies_come_from_the_callers_environment(tmp_path):
    (tmp_path / "config.json").write_text('{"auths": {"here.example": {"username": "me", "password": "secret"}}}')
    access = registries.Access(environment={"DOCKER_CONFIG": str(tmp_path), "HTTPS_PROXY": "ftp://nowhere"})
    assert access._accounts("here.example").lookup("here.example").username == "me"
    (tmp_path / "config.json").write_text('{"credsStore": "x"}')
    (tmp_path / "docker-credential-x").write_text('#!/bin/sh\necho \'{"Username": "you", "Secret": "s"}\'\n')
    (tmp_path / "docker-credential-x").chmod(0o755)
    access = registries.Access(environment={**access.environment, "PATH": f"relative:{tmp_path}"})
    assert access._accounts("here.example").lookup("here.example").username == "you"
    with access.registry("here.example/a:b") as remote, pytest.raises(errors.InvalidArgument, match="HTTPS_PROXY"):
        remote.resolve("here.example/a:b")


def test_names_of_images_in_archives():
    target = oci.Descriptor(media_type=oci.MANIFEST, digest="sha256:" + "a" * 64, size=1)
    assert transfers.name_of(archives.Image(name="x/y:z", target=target), "base") == "x/y:z"
    assert transfers.name_of(archives.Image(name="", tag="z", target=target), "base") == "base:z"
    assert transfers.name_of(archives.Image(name="", tag="z", target=target), "") == f"import@{target.digest}"
