"""The low-level groups: content, snapshots, containers, tasks, leases, namespaces, plugins."""

import hashlib
import pathlib
import secrets
import subprocess

import pytest

DATA = b"some bytes that nobody knows"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
NOWHERE = f"sha256:{'0' * 64}"


@pytest.fixture
def ref():
    return f"ref-{secrets.token_hex(4)}"


# content


def test_a_blob_from_ingest_to_removal(boxship, ref):
    assert boxship("content", "ingest", ref, stdin=DATA).lines == [DIGEST]
    assert boxship("content", "get", DIGEST).raw == DATA
    assert boxship("content", "ingest", f"{ref}-again", stdin=DATA).lines == [DIGEST]
    assert boxship("content", "ingest", "--expected-digest", DIGEST, f"{ref}-more", stdin=DATA).lines == [DIGEST]
    boxship("leases", "rm", "--sync", *boxship("leases", "create").lines)  # what nobody refers to is collected
    assert DIGEST in boxship("content", "ls", "-q").lines
    boxship("content", "label", DIGEST, "colour=blue", "empty=")
    (row,) = [each for each in boxship("content", "ls", "--format", "json").json if each["digest"] == DIGEST]
    assert (row["size"], row["labels"]["colour"]) == (len(DATA), "blue")
    assert boxship("content", "ls", "-q", "labels.colour==blue").lines == [DIGEST]
    assert "colour=blue" in boxship("content", "ls", "labels.colour==blue").text
    boxship("content", "rm", DIGEST)
    assert "not found" in boxship("content", "get", DIGEST, code=1).errors
    assert "not found" in boxship("content", "rm", DIGEST, code=1).errors


def test_what_was_expected_must_come(boxship, ref):
    said = boxship("content", "ingest", "--expected-digest", NOWHERE, ref, stdin=DATA, code=1)
    assert NOWHERE in said.errors
    said = boxship("content", "ingest", "--expected-size", "5", ref, stdin=DATA, code=1)
    assert "28" in said.errors or "5" in said.errors
    boxship("content", "ingest", "--expected-size", str(len(DATA)), "--expected-digest", DIGEST, ref, stdin=DATA)
    boxship("content", "rm", DIGEST)


def test_an_ingest_that_was_left_can_be_seen_gone_on_with_and_thrown_away(boxship, ref):
    boxship("content", "ingest", "--expected-size", "28", ref, stdin=DATA[:10], code=1)
    (row,) = [each for each in boxship("content", "active", "--format", "json").json if each["ref"] == ref]
    assert (row["offset"], row["total"]) == (10, 28)
    assert ref in boxship("content", "active").text
    assert boxship("content", "ingest", "--resume", ref, stdin=DATA[10:]).lines == [DIGEST]
    boxship("content", "rm", DIGEST)
    boxship("content", "ingest", "--expected-size", "28", ref, stdin=DATA[:10], code=1)
    boxship("content", "abort", ref)
    assert ref not in boxship("content", "active").text
    assert "not found" in boxship("content", "abort", ref, code=1).errors


@pytest.mark.parametrize("words", [("get", "sha256:zz"), ("rm", "nonsense"), ("label", "nonsense", "a=b")])
def test_digests_that_are_none(boxship, words):
    assert "is not of the form" in boxship("content", *words, code=1).errors


def test_labels_that_are_none(boxship):
    assert "not of the form KEY=VALUE" in boxship("content", "label", NOWHERE, "colour", code=1).errors


# snapshots


def test_a_snapshot_from_prepare_to_removal(boxship, ref):
    active, done, view = f"{ref}-a", f"{ref}-c", f"{ref}-v"
    boxship("snapshots", "prepare", active)
    assert boxship("snapshots", "info", active).json["kind"] == "active"
    (line,) = boxship("snapshots", "mounts", "/somewhere", active).lines
    assert line.startswith("mount -t ")
    assert " /somewhere " in line
    boxship("snapshots", "commit", done, active)
    boxship("snapshots", "view", view, done)
    (row,) = [each for each in boxship("snapshots", "ls", "--format", "json").json if each["name"] == view]
    assert (row["parent"], row["kind"]) == (done, "view")
    assert done in boxship("snapshots", "ls").text
    (row,) = boxship("snapshots", "usage", "--format", "json", done).json
    assert row["inodes"] >= 1
    assert done in boxship("snapshots", "usage").text
    said = boxship("snapshots", "rm", done, code=1)
    assert done in said.errors
    boxship("snapshots", "rm", view, done)
    assert "does not exist" in boxship("snapshots", "info", done, code=1).errors


def test_the_mount_commands_work(boxship, ref, tmp_path):
    boxship("snapshots", "--help")
    boxship("snapshots", "prepare", "--snapshotter", "native", ref)
    try:
        for line in boxship("snapshots", "mounts", "--snapshotter", "native", str(tmp_path), ref).lines:
            subprocess.run(line, shell=True, check=True)
        assert f" {tmp_path} " in pathlib.Path("/proc/self/mounts").read_text()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=False)
        boxship("snapshots", "rm", "--snapshotter", "native", ref)


def test_snapshotters_that_there_are_not(boxship):
    assert "zfs" in boxship("snapshots", "ls", "--snapshotter", "zfs", code=1).errors


# containers and tasks


def test_records_of_containers(boxship, running):
    (row,) = [each for each in boxship("containers", "ls", "--format", "json").json if each["id"] == running]
    assert row["runtime"] == "io.containerd.runc.v2"
    assert running in boxship("containers", "ls", "-q", "labels.role==web").lines
    assert running in boxship("containers", "ls").text
    assert boxship("containers", "info", "--spec", running).json["hostname"] == running
    assert boxship("containers", "info", running).json["spec"]["hostname"] == running
    boxship("containers", "label", running, "role=db", "more=1")
    assert boxship("containers", "info", running).json["labels"]["role"] == "db"
    assert "stop it first" in boxship("containers", "rm", running, code=1).errors
    boxship("stop", running)
    boxship("containers", "rm", running)
    assert "not found" in boxship("containers", "info", running, code=1).errors


def test_tasks(boxship, running):
    def status():
        (row,) = [each for each in boxship("tasks", "ls", "--format", "json").json if each["id"] == running]
        return row["status"]

    assert status() == "running"
    assert running in boxship("tasks", "ls", "-q").lines
    assert boxship("tasks", "ps", running, "--format", "json").json[0]["pid"] > 0
    assert "PID" in boxship("tasks", "ps", running).text
    boxship("tasks", "pause", running)
    assert status() == "paused"
    assert "paused" in boxship("ps", "-f", f"name={running}").text
    boxship("tasks", "resume", running)
    assert status() == "running"
    boxship("tasks", "kill", "-s", "USR1", running)
    boxship("wait", running)
    assert boxship("tasks", "rm", running).lines == ["3"]
    assert "not found" in boxship("tasks", "rm", running, code=1).errors
    assert "not found" in boxship("tasks", "ps", running, code=1).errors
    assert "created" in boxship("ps", "-a", "-f", f"name={running}").text


# leases


def test_leases(boxship, ref):
    assert boxship("leases", "create", "--id", ref, "colour=blue").lines == [ref]
    (row,) = [each for each in boxship("leases", "ls", "--format", "json").json if each["id"] == ref]
    assert row["labels"]["colour"] == "blue"
    assert "containerd.io/gc.expire" in row["labels"]
    assert boxship("leases", "resources", ref).text.split() == ["TYPE", "ID"]
    assert "already exists" in boxship("leases", "create", "--id", ref, code=1).errors
    boxship("leases", "rm", "--sync", ref)
    assert "not found" in boxship("leases", "rm", ref, code=1).errors
    (made,) = boxship("leases", "create", "--expires", "0").lines
    assert "gc.expire" not in next(line for line in boxship("leases", "ls").lines if line.startswith(made))
    boxship("leases", "rm", made)


# namespaces


def test_namespaces(boxship, ref):
    boxship("namespaces", "create", ref, "colour=blue")
    (row,) = [each for each in boxship("namespaces", "ls", "--format", "json").json if each["name"] == ref]
    assert row["labels"] == {"colour": "blue"}
    boxship("namespaces", "label", ref, "colour=red")
    assert "colour=red" in boxship("namespaces", "ls").text
    assert "already exists" in boxship("namespaces", "create", ref, code=1).errors
    boxship("namespaces", "rm", ref)
    assert "not found" in boxship("namespaces", "rm", ref, code=1).errors
    assert "must be empty" in boxship("namespaces", "rm", "cli-tests", code=1).errors
    assert "must match" in boxship("namespaces", "create", "not good", code=1).errors


# plugins


def test_plugins(boxship):
    rows = boxship("plugins", "ls", "--format", "json").json
    assert {"type": "io.containerd.snapshotter.v1", "id": "overlayfs", "status": "ok", "reason": ""} in rows
    assert "io.containerd.content.v1" in boxship("plugins", "ls", "id==content").text


@pytest.mark.parametrize("group", ["content", "snapshots", "containers", "tasks", "leases", "namespaces", "plugins"])
def test_groups_tell_what_they_have(boxship, group):
    assert "Commands:" in boxship(group, "--help").text
    said = boxship(group, code=2)
    assert "Commands:" in said.errors + said.text
    assert "no such command" in boxship(group, "frobnicate", code=2).errors.lower()
