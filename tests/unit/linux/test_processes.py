import os
import pathlib
import signal
import socket

import pytest

from boxship.linux import calls, capabilities, memfds, namespaces, processes, procfs, rlimits, sockets


def _status(body) -> int:
    """The exit status of a child that runs `body`."""
    pid, pidfd = namespaces.clone(0)
    if pid == 0:
        try:
            os._exit(int(body() or 0))
        except BaseException:
            os._exit(99)
    status = processes.exit_status(pidfd)
    os.close(pidfd)
    return status or 0


def test_a_clone_is_a_fork() -> None:
    assert _status(lambda: 7) == 7


def test_death_by_signal() -> None:
    assert _status(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 128 + signal.SIGTERM


def test_a_process_that_runs_has_no_status() -> None:
    pid, pidfd = namespaces.clone(0)
    if pid == 0:
        signal.pause()
    assert processes.exit_status(pidfd, block=False) is None
    processes.send_signal(pidfd, signal.SIGKILL)
    assert processes.exit_status(pidfd) == 137
    with pytest.raises(ProcessLookupError):
        processes.send_signal(pidfd, 0)
    os.close(pidfd)


@pytest.mark.root
def test_a_clone_is_born_in_its_namespaces() -> None:
    pid, pidfd = namespaces.clone(namespaces.CLONE_NEWPID | namespaces.CLONE_NEWUTS)
    if pid == 0:
        os._exit(0 if os.getpid() == 1 else 1)
    assert processes.exit_status(pidfd) == 0
    os.close(pidfd)


def test_descriptors_are_closed_but_the_kept() -> None:
    def body() -> int:
        held = [os.dup(0) for _ in range(9)]
        processes.close_all_but([held[2], held[7]])
        alive = [number for number in held if _is_open(number)]
        return 0 if alive == [held[2], held[7]] else 1

    assert _status(body) == 0


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_signals_are_forgotten() -> None:
    def body() -> int:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        with processes.signals_blocked():
            assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        processes.reset_signals()
        default = (
            signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL and signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL
        )
        return 0 if default and not signal.pthread_sigmask(signal.SIG_BLOCK, ()) else 1

    assert _status(body) == 0


def test_names_of_capabilities() -> None:
    assert capabilities.mask(["CAP_CHOWN", "cap_bpf", "CAP_NONE"]) == (1 | 1 << 39, ["CAP_NONE"])
    assert capabilities.BITS["CAP_SYS_ADMIN"] == 21


@pytest.mark.root
def test_bounding_and_ambient_sets() -> None:
    def body() -> int:
        bit = 1 << capabilities.BITS["CAP_CHOWN"]
        capabilities.limit_bounding(bit)
        capabilities.put(bit, bit, bit)
        capabilities.put_ambient(bit | 1 << 21)
        return 0 if capabilities.get() == (bit, bit, bit) and capabilities.bounding() == bit else 1

    assert _status(body) == 0


def test_a_sealed_copy_cannot_be_changed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 1000)
    copy = memfds.sealed_copy(str(tmp_path / "file"), "test")
    assert os.pread(copy, 1 << 20, 0) == b"content" * 1000
    assert memfds.is_sealed(copy)
    with pytest.raises(PermissionError):
        os.write(copy, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(copy, 0)
    os.close(copy)
    plain = os.open(tmp_path / "file", os.O_RDONLY)
    assert not memfds.is_sealed(plain)
    os.close(plain)


def test_letters_with_descriptors() -> None:
    one, other = sockets.pair()
    reading, writing = os.pipe()
    sockets.send(one, b"letter", (reading,))
    sockets.send(one, b"plain")
    message, (received,) = sockets.receive(other)
    os.write(writing, b"through")
    assert (message, os.read(received, 100)) == (b"letter", b"through")
    assert not os.get_inheritable(received)
    assert sockets.receive(other) == (b"plain", [])
    one.close()
    assert sockets.receive(other) == (b"", [])
    other.close()
    for descriptor in (received, reading, writing):
        os.close(descriptor)


def test_many_descriptors_in_one_letter() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sockets.send(one, b"x", (0,) * sockets.DESCRIPTOR_LIMIT)
    received = sockets.receive(other)[1]
    assert len(received) == sockets.DESCRIPTOR_LIMIT
    for descriptor in received:
        os.close(descriptor)
    one.close()
    other.close()


def test_limits_of_a_process() -> None:
    def body() -> int:
        rlimits.put("RLIMIT_NOFILE", 100, 200)
        return 0 if rlimits.get("RLIMIT_NOFILE") == (100, 200) else 1

    assert _status(body) == 0
    with pytest.raises(OSError, match="RLIMIT_NOFILE"):
        rlimits.put("RLIMIT_NOFILE", 300, 200)


def test_proc_is_known_by_its_root() -> None:
    os.close(procfs.open_checked("/proc"))
    for path in ("/", "/proc/sys"):
        with pytest.raises(OSError, match="not the root of a proc"):
            procfs.open_checked(path)


@pytest.mark.root
@pytest.mark.parametrize("name", ["../etc/passwd", "kernel..x", "a/../b", ""])
def test_sysctl_names_do_not_climb(name: str) -> None:
    proc = procfs.open_private()
    try:
        with pytest.raises(OSError, match=r"sysctl|openat2"):
            procfs.write_sysctl(proc, name, "1")
    finally:
        os.close(proc)


def test_errors_have_advice() -> None:
    with pytest.raises(PermissionError, match="lacks the privilege"):
        raise calls.error("mount", "/x", 1)
    assert str(calls.error("mount", "/x", 38)).endswith("'/x'")
