"""Sockets, locks, logs and notifications."""

import json
import logging
import os
import socket
import stat

import pytest

from boxship.daemon import listeners, locks, logs, notify


class TestListeners:
    def listen(self, path):
        return listeners.unix(str(path), uid=os.geteuid(), gid=os.getegid())

    def test_a_socket_has_its_mode_from_the_beginning(self, tmp_path):
        before = os.umask(0)
        try:
            with self.listen(tmp_path / "deep" / "s"):
                assert stat.S_IMODE((tmp_path / "deep" / "s").stat().st_mode) == 0o660
        finally:
            os.umask(before)

    def test_a_dead_socket_is_replaced(self, tmp_path):
        self.listen(tmp_path / "s").close()
        with self.listen(f"unix://{tmp_path}/s"), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))

    def test_a_live_socket_is_not(self, tmp_path):
        with self.listen(tmp_path / "s"), pytest.raises(listeners.Refused, match="another process does"):
            self.listen(tmp_path / "s")

    def test_what_is_no_socket_stays(self, tmp_path):
        (tmp_path / "s").write_text("mine")
        with pytest.raises(listeners.Refused, match="is no socket"):
            self.listen(tmp_path / "s")
        assert (tmp_path / "s").read_text() == "mine"

    def test_long_paths_are_refused(self, tmp_path):
        with pytest.raises(listeners.Refused, match="longer than the 107 bytes"):
            self.listen(tmp_path / ("x" * 108))

    def test_folders_get_their_mode_back(self, tmp_path):
        (tmp_path / "root").mkdir(mode=0o777)
        listeners.folder(str(tmp_path / "root"), 0o700)
        assert stat.S_IMODE((tmp_path / "root").stat().st_mode) == 0o700

    def test_a_link_is_no_folder_of_ours(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "root").symlink_to("elsewhere")
        with pytest.raises(OSError, match=r"Not a directory|Too many"):
            listeners.folder(str(tmp_path / "root"), 0o700)

    def test_tcp(self):
        with listeners.tcp("127.0.0.1:0") as listener, socket.create_connection(listener.getsockname()):
            pass
        with pytest.raises(listeners.Refused, match="has no port"):
            listeners.tcp("127.0.0.1")

    def test_certificates_must_be_there(self, tmp_path):
        with pytest.raises(listeners.Refused, match=r"nothing\.pem"):
            listeners.tls(str(tmp_path / "nothing.pem"), str(tmp_path / "nothing.key"))


class TestLocks:
    def test_one_holds_a_folder(self, tmp_path):
        held = locks.FolderLock(str(tmp_path))
        with pytest.raises(locks.Held, match=rf"in use by another boxshipd \(process {os.getpid()}\)"):
            locks.FolderLock(str(tmp_path), patience=0)
        held.close()
        locks.FolderLock(str(tmp_path), patience=0).close()


class TestLogs:
    def record(self, text="said so", *arguments, level=logging.WARNING, exc_info=None):
        record = logging.LogRecord("x", level, __file__, 1, text, arguments, exc_info)
        record.created = 1_700_000_000.123456
        return record

    def test_text_as_logrus_writes_it(self):
        assert logs.TextFormatter().format(self.record('%s "so"\n', "said")) == (
            r'time="2023-11-14T22:13:20.123456000Z" level=warning msg="said \"so\"\n"'
        )

    def test_json(self):
        found = json.loads(logs.JsonFormatter().format(self.record(level=logging.ERROR)))
        assert found == {"time": "2023-11-14T22:13:20.123456000Z", "level": "error", "msg": "said so"}

    @pytest.mark.parametrize(
        ("number", "name"), [(5, "trace"), (10, "debug"), (20, "info"), (30, "warning"), (50, "fatal")]
    )
    def test_levels(self, number, name):
        assert f" level={name} " in logs.TextFormatter().format(self.record(level=number))

    def test_a_failure_comes_with_its_place(self):
        try:
            raise ValueError("x")
        except ValueError as exc:
            info = (type(exc), exc, exc.__traceback__)
        assert "Traceback" in json.loads(logs.JsonFormatter().format(self.record(exc_info=info)))["error"]


class TestNotify:
    def test_who_asked_is_told(self, tmp_path, monkeypatch):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "n"))
            manager.settimeout(5)
            monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
            notify.tell("READY=1")
            assert manager.recv(100) == b"READY=1"

    @pytest.mark.parametrize("address", ["", "/nonexistent/n", "relative"])
    def test_nobody_asked(self, address, monkeypatch):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify.tell("READY=1")
