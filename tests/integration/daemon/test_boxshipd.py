"""boxshipd as a process: what it makes, what it refuses, how it goes."""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from boxship.proxies import callers
from boxship.proxies._sync.introspection import IntrospectionProxy
from boxship.proxies._sync.namespaces import NamespacesProxy
from boxship.proxies._sync.version import VersionProxy
from boxship.rpc import client
from boxship.terms import errors

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROGRAM = [sys.executable, "-m", "boxship.daemon.main"]
PATIENCE = 20


class Daemon:
    """A boxshipd over its own folders; as a context manager it is there and answers."""

    def __init__(self, folder: Path, config: str = "", *options: str, environment: dict[str, str] | None = None):
        self.folder, self.address = folder, folder / "d.sock"
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(f"version = 2\n{config}")
        self.log = folder / "log"
        self.command = [
            *(*PROGRAM, "-c", str(folder / "config.toml"), "--root", str(folder / "root")),
            *("--state", str(folder / "state"), "-a", str(self.address), *options),
        ]
        self.environment = {**os.environ, **(environment or {})}

    def __enter__(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        self.wait_for(self.answers)
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def wait_for(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def answers(self):
        try:
            with self.channel() as channel:
                VersionProxy(callers.Caller(channel, timeout=5)).version()
        except (OSError, errors.Error):
            return False
        return True

    def channel(self):
        return client.Channel.connect(str(self.address), timeout=5)

    def uuid(self):
        with self.channel() as channel:
            return IntrospectionProxy(callers.Caller(channel)).server().uuid


def run(*arguments, **more):
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False, **more)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def daemon(tmp_path):
    with Daemon(tmp_path / "one") as running:
        yield running


def test_folders_and_sockets_have_their_modes(tmp_path):
    before = os.umask(0)
    try:
        with Daemon(tmp_path / "one") as running:
            assert mode(running.folder / "root") == 0o700
            assert mode(running.folder / "state") == 0o711
            assert mode(running.address) == 0o660
            assert mode(f"{running.address}.ttrpc") == 0o660
    finally:
        os.umask(before)


def test_sockets_belong_to_whom_the_configuration_says(tmp_path):
    with Daemon(tmp_path / "one", "[grpc]\nuid = 7\ngid = 8\n") as running:
        for path in (running.address, Path(f"{running.address}.ttrpc")):
            assert (path.stat().st_uid, path.stat().st_gid) == (7, 8)


def test_a_second_one_on_the_same_root_is_refused(daemon):
    began = time.monotonic()
    found = run(
        "--root", str(daemon.folder / "root"), "--state", str(daemon.folder / "other"), "-a", str(daemon.folder / "s")
    )
    assert time.monotonic() - began < 5
    assert found.returncode == 1
    said = f"boxshipd: {daemon.folder}/root is in use by another boxshipd (process {daemon.process.pid})"
    assert found.stderr.splitlines()[-1] == said
    assert daemon.answers()


def test_a_second_one_on_the_same_socket_is_refused(daemon):
    found = run("--root", str(daemon.folder / "r"), "--state", str(daemon.folder / "s"), "-a", str(daemon.address))
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].endswith("another process does")
    assert daemon.answers()


def test_sigterm_ends_it_well(daemon):
    with daemon.channel() as channel:  # one that stays open does not hold it up
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE) == 0
        with pytest.raises(errors.Error):
            VersionProxy(callers.Caller(channel, timeout=5)).version()
    assert not daemon.address.exists()
    assert "stopping; containers go on" in daemon.log.read_text()


def _descriptors(pid):
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


def test_it_takes_all_descriptors_that_it_may_have_and_gives_none_to_containers(tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    daemon = Daemon(tmp_path)
    daemon.command = ["prlimit", "--nofile=100:", *daemon.command]
    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon)
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        daemon.wait_for(lambda: children.read_text().split())
        assert _descriptors(daemon.process.pid) == (hard, hard)
        assert _descriptors(int(children.read_text().split()[0])) == (100, hard)
        for _ in range(200):
            stack.enter_context(daemon.channel())
        assert daemon.answers()


def test_sigusr1_shows_the_threads(daemon):
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_for(lambda: "most recent call first" in daemon.log.read_text())
    assert daemon.answers()


def test_kill_9_and_again(daemon):
    uuid = daemon.uuid()
    with daemon.channel() as channel:
        NamespacesProxy(callers.Caller(channel)).create("kept", {"a": "b"})
    daemon.process.kill()
    daemon.process.wait(PATIENCE)
    with daemon as again, again.channel() as channel:
        assert NamespacesProxy(callers.Caller(channel)).get("kept").labels == {"a": "b"}
        assert again.uuid() == uuid


def test_systemd_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(PATIENCE)
        with Daemon(tmp_path / "one", environment={"NOTIFY_SOCKET": str(tmp_path / "n")}):
            assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"STOPPING=1"


def test_it_listens_on_tcp_when_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        Daemon(tmp_path / "one", f'[grpc]\ntcp_address = "127.0.0.1:{port}"\n'),
        client.Channel.connect(f"tcp://127.0.0.1:{port}", timeout=5) as channel,
    ):
        assert VersionProxy(callers.Caller(channel)).version().version


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_tls_wants_a_certificate_of_its_authority(tmp_path):
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    keys = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        *keys,
        *subject,
    ]
    subprocess.run(made, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = (
        f'[grpc]\ntcp_address = "127.0.0.1:{port}"\ntcp_tls_cert = "{tmp_path}/cert"\n'
        f'tcp_tls_key = "{tmp_path}/key"\ntcp_tls_ca = "{tmp_path}/cert"\n'
    )
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert"))
    with Daemon(tmp_path / "one", config):
        with (
            pytest.raises((errors.Error, OSError)),
            client.Channel.connect(
                f"tcp://127.0.0.1:{port}", timeout=5, tls=trusting, server_name="localhost"
            ) as channel,
        ):
            VersionProxy(callers.Caller(channel, timeout=5)).version()
        trusting.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        with client.Channel.connect(
            f"tcp://127.0.0.1:{port}", timeout=5, tls=trusting, server_name="localhost"
        ) as channel:
            assert VersionProxy(callers.Caller(channel, timeout=5)).version().version


def test_the_log_can_be_json(tmp_path):
    with Daemon(tmp_path / "one", 'nonsense = 1\n[debug]\nformat = "json"\nlevel = "debug"\n') as running:
        lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert {"time", "level", "msg"} <= lines[0].keys()
    assert any(line["level"] == "warning" and "unknown key nonsense" in line["msg"] for line in lines)


def test_plugins_tell_what_they_are_and_why_not(tmp_path):
    with (
        Daemon(tmp_path / "one", 'disabled_plugins = ["io.containerd.differ.v1.walking"]\n') as running,
        running.channel() as channel,
    ):
        found = {f"{each.type}.{each.id}": each for each in IntrospectionProxy(callers.Caller(channel)).plugins()}
        only = IntrospectionProxy(callers.Caller(channel)).plugins(['type=="io.containerd.snapshotter.v1"'])
    assert found["io.containerd.content.v1.content"].exports["root"].startswith(str(running.folder))
    assert "no part of kind io.containerd.differ.v1" in found["io.containerd.grpc.v1.diff"].error
    assert "io.containerd.differ.v1.walking" not in found
    assert not any(each.type.startswith("boxship.") for each in found.values())
    assert {each.id for each in only} == {"native", "overlayfs"}


class TestRefusals:
    def test_a_bad_value(self, tmp_path):
        (tmp_path / "c.toml").write_text('version = 2\n[grpc]\nuid = "root"\n')
        found = run("-c", str(tmp_path / "c.toml"))
        said = f'boxshipd: {tmp_path}/c.toml: grpc.uid: must be a whole number, not "root"\n'
        assert (found.returncode, found.stderr) == (1, said)

    def test_a_bad_value_of_a_part(self, tmp_path):
        with pytest.raises(
            AssertionError, match=r"io\.containerd\.gc\.v1\.scheduler\.startup_delay: .* is no duration"
        ):
            Daemon(tmp_path / "one", '[plugins."io.containerd.gc.v1.scheduler"]\nstartup_delay = "soon"\n').__enter__()

    def test_a_required_part_that_is_not_there(self, tmp_path):
        with pytest.raises(AssertionError, match=r"required plugin io\.containerd\.snapshotter\.v1\.zfs is not there"):
            Daemon(tmp_path / "one", 'required_plugins = ["io.containerd.snapshotter.v1.zfs"]\n').__enter__()

    def test_a_file_that_is_not_there(self):
        assert run("-c", "/nonexistent.toml").stderr == "boxshipd: /nonexistent.toml: No such file or directory\n"


class TestCommands:
    def test_config_default(self):
        found = tomllib.loads(run("config", "default").stdout)
        assert found["version"] == 4
        assert found["plugins"]["io.containerd.server.v1.grpc"]["address"] == "/run/boxship/boxship.sock"
        assert found["plugins"]["io.containerd.gc.v1.scheduler"]["startup_delay"] == "100ms"

    def test_config_dump_is_read_as_it_was(self, tmp_path):
        (tmp_path / "c.toml").write_text(
            'version = 2\nroot = "/r"\n[plugins."io.containerd.snapshotter.v1.overlayfs"]\nsync_remove = true\n'
        )
        dumped = run("-c", str(tmp_path / "c.toml"), "--state", "/s", "config", "dump").stdout
        (tmp_path / "again.toml").write_text(dumped)
        assert run("-c", str(tmp_path / "again.toml"), "config", "dump").stdout == dumped
        found = tomllib.loads(dumped)
        assert (found["root"], found["state"]) == ("/r", "/s")
        assert found["plugins"]["io.containerd.snapshotter.v1.overlayfs"]["sync_remove"] is True

    def test_version(self):
        assert run("--version").stdout.startswith("boxshipd ")
