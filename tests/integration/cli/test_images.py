"""Commands about images: pull, push, images, tag, rmi, load, save."""

import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest
from integration.cli import calls
from integration.system import engines

from boxship.testing import registry


def test_pull_tells_how_it_goes_and_what_came(boxship, remote):
    fresh = f"{remote.host}/test/pulled:v1"
    remote.push_image("test/pulled", "v1", [b"", bytes(10240)], {"Cmd": ["true"]})
    said = boxship("pull", fresh)
    name, digest = said.text.split()
    assert (name, digest[:7]) == (fresh, "sha256:")
    assert f"{fresh}: resolving" in said.errors
    assert "downloading" in said.errors
    assert "unpacked" in said.errors
    assert "downloading" not in boxship("pull", fresh).errors


def test_pull_leaves_things_packed_when_asked(boxship, remote):
    fresh = f"{remote.host}/test/packed:v1"
    remote.push_image("test/packed", "v1", [bytes(20480)], {"Cmd": ["true"]})
    assert "unpack" not in boxship("pull", "--no-unpack", fresh).errors
    assert "unpacked" in boxship("pull", "--snapshotter", "native", fresh).errors
    assert boxship("pull", "--all-platforms", fresh).code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("127.0.0.1:1/a/b:c",), "connection refused"),
        (("{host}/no/such:v1",), "does not have it (404)"),
        (("a/UPPER",), "must be lower case"),
        (("{host}/test/busybox:v1", "--platform", "linux/s390x"), "linux/s390x"),
        (("no-such-registry.invalid/a:b",), "its name cannot be resolved"),
    ],
)
def test_pull_says_what_is_wrong(boxship, remote, words, why):
    said = boxship("pull", *(word.format(host=remote.host) for word in words), code=1)
    assert why in said.errors.splitlines()[-1]
    assert "is the daemon running" not in said.errors
    assert said.text == ""


def test_accounts(engine, boxship, tmp_path):
    with registry.Registry(accounts={"ann": "secret"}) as locked:
        locked.push_image("test/locked", "v1", [b""], {"Cmd": ["true"]})
        reference = f"{locked.host}/test/locked:v1"
        said = boxship("pull", reference, code=1)
        assert "~/.docker/config.json" in said.errors
        assert "secret" not in boxship("pull", "--user", "ann:wrong-secret", reference, code=1).errors
        boxship("pull", "--user", "ann:secret", reference)
        boxship("push", "--user", "ann:secret", f"{locked.host}/test/copy:v2", reference)
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(
            json.dumps({"auths": {locked.host: {"auth": "YW5uOnNlY3JldA=="}}})
        )
        calls.Boxship(engine.address, engine.namespace, HOME=str(tmp_path)).process("pull", reference)


def test_push(boxship, remote, reference):
    target = f"{remote.host}/test/pushed:v7"
    said = boxship("push", target, "box")
    name, digest = said.text.split()
    assert name == target
    assert "uploading" in said.errors or "exists" in said.errors
    assert boxship("pull", target).text.split()[1] == digest
    assert "not found" in boxship("push", f"{remote.host}/a:b", "no-such", code=1).errors
    assert "not found" in boxship("push", f"{remote.host}/no/such:v1", code=1).errors


def test_images(boxship, reference):
    said = boxship("images", "box")
    head, line = said.lines
    assert head.split() == ["NAME", "DIGEST", "PLATFORMS", "SIZE", "UPDATED"]
    assert line.split()[0] == "box:latest"
    assert "MiB" in line
    (told,) = boxship("images", "--format", "json", "box").json
    assert told["name"] == "docker.io/library/box:latest"
    assert told["size"] > 1 << 20
    assert told["digest"].startswith("sha256:")
    assert boxship("images", "-q", reference).lines == [reference]
    assert boxship("images", "-q", f'name=="{reference}"').lines == [reference]
    assert boxship("images", "-q", "no-such").text == ""
    assert {reference, "docker.io/library/box:latest"} <= set(boxship("images", "-q").lines)


def test_images_by_their_digest(boxship):
    digits = boxship("images", "box").lines[1].split()[1]
    assert boxship("run", "--rm", "--pull", "never", digits, "echo", "found").text == "found\n"
    whole = boxship("images", "--format", "json", "box").json[0]["digest"]
    boxship("tag", whole, "by-digest")
    assert boxship("inspect", "by-digest").json[0]["target"]["digest"] == whole
    boxship("rmi", "by-digest")
    assert "not found" in boxship("rmi", "0" * 12, code=1).errors


def test_tag_and_remove(boxship, reference):
    assert boxship("tag", reference, "other").text == "docker.io/library/other:latest\n"
    assert boxship("inspect", "other").json[0]["target"] == boxship("inspect", reference).json[0]["target"]
    assert boxship("rmi", "--sync", "other").text == "docker.io/library/other:latest\n"
    assert "'other'" in boxship("rmi", "other", code=1).errors
    assert "not found" in boxship("tag", "no-such", "x", code=1).errors
    assert "must be lower case" in boxship("tag", reference, "BAD", code=1).errors
    said = boxship("rmi", "no-such-1", "no-such-2", code=1)
    assert len(said.errors.splitlines()) == 2


def test_a_container_outlives_its_image(boxship, name, reference):
    boxship("tag", reference, "short-lived")
    boxship("run", "-d", "--name", name, "short-lived", "sleep", "60")
    boxship("rmi", "--sync", "short-lived")
    assert boxship("exec", name, "echo", "here").text == "here\n"


def test_save_and_load(boxship, tmp_path, reference):
    boxship("save", "-o", str(tmp_path / "both.tar"), "box", reference)
    assert not (tmp_path / "both.tar.partial").exists()
    said = boxship("-n", "loaded", "load", "-i", str(tmp_path / "both.tar"))
    assert sorted(said.lines) == sorted(["docker.io/library/box:latest", reference])
    assert boxship("-n", "loaded", "run", "--rm", "--pull", "never", "box", "echo", "hi").text == "hi\n"
    piped = boxship("save", "box")
    with tarfile.open(fileobj=io.BytesIO(piped.raw)) as archive:
        assert "index.json" in archive.getnames()
    assert boxship("-n", "piped", "load", "--no-unpack", stdin=piped.raw).lines == ["docker.io/library/box:latest"]


def test_saving_where_nothing_can_be(boxship):
    assert (
        boxship("save", "-o", "/nonexistent/x", "box", code=1).errors
        == "boxship: /nonexistent/x: No such file or directory\n"
    )


def test_a_password_comes_from_somewhere(boxship, remote):
    """Without a terminal to ask at: a script gives it as a line."""
    reference = f"{remote.host}/test/busybox:v1"
    said = boxship.process("pull", "--user", "me", reference, code=2, start_new_session=True)
    assert "no terminal to ask at: write NAME:PASSWORD" in said.errors
    boxship.process("pull", "--user", "me", reference, stdin=b"secret\n", start_new_session=True)


def test_saving_what_is_not_there_leaves_no_file(boxship, tmp_path):
    assert "not found" in boxship("save", "-o", str(tmp_path / "x.tar"), "no-such", code=1).errors
    assert os.listdir(tmp_path) == []
    assert "No such file or directory" in boxship("save", "-o", "/no/such/folder/x.tar", "box", code=1).errors
    assert "linux/s390x" in boxship("save", "--platform", "linux/s390x", "box", code=1).errors


def test_loading_what_is_no_archive(boxship, tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(4096))
    assert boxship("load", "-i", str(tmp_path / "noise"), code=1).errors.startswith(f"boxship: {tmp_path}/noise: ")
    for data in (b"noise", b""):
        assert boxship("load", stdin=data, code=1).errors.startswith("boxship: standard input: ")
    assert "does not exist" in boxship("load", "-i", "/no/such", code=2).errors


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("ctr") is None, reason="needs ctr")
def test_ctr_reads_what_save_writes(boxship, tmp_path, engine):
    boxship("save", "-o", str(tmp_path / "x.tar"), "box")
    ctr = ["ctr", "-a", engine.address, "-n", "from-ctr", "images"]
    subprocess.run([*ctr, "import", "--no-unpack", str(tmp_path / "x.tar")], check=True)
    assert boxship("-n", "from-ctr", "images", "-q").lines == ["docker.io/library/box:latest"]


def test_inspecting_an_image(boxship):
    (told,) = boxship("inspect", "box").json
    assert (told["kind"], told["name"]) == ("image", "docker.io/library/box:latest")
    assert told["config"]["cmd"] == ["echo", "from the image"]
    assert len(told["manifest"]["layers"]) == 2


def test_a_pull_that_is_interrupted_says_what_is_kept(boxship, remote):
    slow = f"{remote.host}/test/slow:v1"
    remote.push_image("test/slow", "v1", [os.urandom(64 << 20)], {"Cmd": ["true"]})
    with boxship.start("pull", slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as pulling:
        assert b"resolving" in pulling.stderr.readline()
        pulling.send_signal(2)
        engines.until(lambda: pulling.poll() is not None, "its end")
        assert pulling.returncode == 130
        assert b"interrupted; what has come is kept" in (said := pulling.stderr.read())
        assert b"Traceback" not in said
