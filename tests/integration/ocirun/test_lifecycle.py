"""From create to delete, as the shim does it."""

import os
import pathlib
import select
import signal
import time

import pytest
from integration.ocirun.conftest import Bundle, Output, execute, finish, mounted_below

from boxship.linux import processes
from boxship.ocirun import container, create, delete, errors, kill, start, update
from boxship.ocirun import exec as executing

pytestmark = pytest.mark.root


def test_exit_status_and_output(bundle: Bundle) -> None:
    assert bundle.sh("echo hello; exit 42") == (42, "hello\n")


def test_killed_by_a_signal_is_128_and_more(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        kill.kill(box, signal.SIGKILL)
        assert processes.exit_status(box.pidfd) == 137


def test_states(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        assert container.status(box) == "created"
        start.start(box)
        assert container.status(box) == "running"
        kill.pause(box)
        assert container.status(box) == "paused"
        kill.resume(box)
        assert container.status(box) == "running"
        finish(box)
        assert container.status(box) == "stopped"
        assert container.state(box)["pid"] == 0


def test_created_does_not_run_the_program(bundle: Bundle) -> None:
    with bundle.created("touch", "/ran") as box:
        assert not (bundle.rootfs / "ran").exists()
        start.start(box)
        processes.exit_status(box.pidfd)
        assert (bundle.rootfs / "ran").exists()


def test_a_created_container_ends_on_sigterm(bundle: Bundle) -> None:
    with bundle.created("true") as box:
        kill.kill(box, signal.SIGTERM)
        assert processes.exit_status(box.pidfd) == 128 + signal.SIGTERM


def test_a_created_container_can_be_deleted(bundle: Bundle) -> None:
    with bundle.created("true") as box:
        delete.delete(box)
        assert not box.cgroup.exists()


def test_a_running_container_cannot_be_deleted(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        with pytest.raises(errors.Fault, match="that is not stopped: running"):
            delete.delete(box)
        finish(box)
        delete.delete(box)
        assert not box.cgroup.exists()


def test_starting_twice_is_refused(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        with pytest.raises(errors.Fault, match="cannot start an already running container"):
            start.start(box)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("nope", 'exec: "nope": executable file not found in $PATH'),
        ("/nope", 'exec: "/nope": stat /nope: no such file or directory'),
        ("/plain", 'exec: "/plain": permission denied'),
    ],
)
def test_missing_program_is_named_as_runc_does(bundle: Bundle, program: str, message: str) -> None:
    (bundle.rootfs / "plain").write_text("no program")
    with pytest.raises(errors.Fault) as caught, bundle.created(program):
        pass
    assert str(caught.value) == message
    line = errors.describe(caught.value, "create")
    assert line == f"OCI runtime create failed: runc create failed: unable to start container process: {message}"


def test_foreign_program_says_so(bundle: Bundle) -> None:
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    header[18] = 243
    path = bundle.rootfs / "foreign"
    path.write_bytes(header)
    path.chmod(0o755)
    with bundle.created("/foreign") as box, pytest.raises(errors.Fault) as caught:
        start.start(box)
    assert str(caught.value) == "exec /foreign: exec format error"
    assert "RISC-V" in caught.value.advice


def test_missing_interpreter_says_so(bundle: Bundle) -> None:
    path = bundle.rootfs / "script"
    path.write_text("#!/usr/bin/perl\n")
    path.chmod(0o755)
    with bundle.created("/script") as box, pytest.raises(errors.Fault) as caught:
        start.start(box)
    assert "/usr/bin/perl does not exist in the container" in caught.value.advice


def test_failed_create_leaves_nothing(bundle: Bundle) -> None:
    before = _traces(bundle)
    with pytest.raises(errors.Fault):
        bundle.run("nope")
    assert _traces(bundle) == before


def test_exec_has_the_same_walls(running: container.Container) -> None:
    of_init = execute(running, "grep", "-E", "^(Cap|NoNew|Seccomp)", "/proc/1/status")
    of_exec = execute(running, "grep", "-E", "^(Cap|NoNew|Seccomp)", "/proc/self/status")
    assert of_init == of_exec
    assert execute(running, "sh", "-c", "cat /proc/1/cgroup")[1] == execute(running, "cat", "/proc/self/cgroup")[1]
    for kind in ("pid", "net", "ipc", "uts", "mnt", "cgroup"):
        own = execute(running, "readlink", f"/proc/self/ns/{kind}")
        assert own == execute(running, "readlink", f"/proc/1/ns/{kind}")


def test_exec_as_another_user_elsewhere(running: container.Container) -> None:
    status, text = execute(
        running, "sh", "-c", "id -u; id -g; id -G; pwd; echo $A", user={"uid": 7, "gid": 8, "additionalGids": [9, 10]},
        cwd="/bin", env=["PATH=/bin", "A=b"],
    )  # fmt: skip
    assert (status, text) == (0, "7\n8\n8 9 10\n/bin\nb\n")


def test_exec_status(running: container.Container) -> None:
    assert execute(running, "sh", "-c", "exit 7")[0] == 7


def test_exec_of_what_is_not_there(running: container.Container) -> None:
    with pytest.raises(errors.Fault, match="executable file not found"):
        execute(running, "nope")


def test_exec_into_a_stopped_container(running: container.Container) -> None:
    finish(running)
    with pytest.raises(errors.Fault, match="stopped container"):
        execute(running, "true")


def test_exec_into_a_paused_container_is_refused(running: container.Container) -> None:
    kill.pause(running)
    with pytest.raises(errors.Fault, match="paused container"):
        execute(running, "true")
    kill.resume(running)


def test_a_paused_container_can_be_killed(running: container.Container) -> None:
    kill.pause(running)
    kill.kill(running, signal.SIGKILL)
    assert processes.exit_status(running.pidfd) == 137


def test_terminal(bundle: Bundle) -> None:
    bundle.process["terminal"] = True
    bundle.process["consoleSize"] = {"height": 33, "width": 77}
    with bundle.created("sh", "-c", "[ -t 0 ] && readlink /proc/self/fd/0 && stat -c %t:%T /dev/console") as box:
        start.start(box)
        text = _read_all(box.console)
        processes.exit_status(box.pidfd)
    assert text.splitlines()[0] == "/dev/pts/0"
    assert text.splitlines()[1] == "88:0"


def test_exec_with_terminal(running: container.Container) -> None:
    wanted = dict(
        running.spec["process"], args=["sh", "-c", "tty=$(readlink /proc/self/fd/0); echo $tty"], terminal=True
    )
    born = executing.execute(running, wanted)
    assert _read_all(born.console).strip() == "/dev/pts/0"
    processes.exit_status(born.pidfd)
    os.close(born.pidfd)
    os.close(born.console)


def _read_all(console: int | None) -> str:
    assert console is not None
    pieces = []
    while True:
        try:
            piece = os.read(console, 4096)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode()


def test_pids_and_statistics(running: container.Container) -> None:
    assert running.cgroup.pids() == [running.pid]
    found = running.cgroup.statistics()
    assert found["pids"]["current"] == 1
    if found["version"] == 2:
        assert found["memory"]["usage"] > 0
        assert found["cpu"]["usage_usec"] > 0
    else:
        assert found["memory"]["usage"]["usage"] > 0
        assert found["cpu"]["usage"]["total"] > 0


def test_update_changes_what_is_named_only(running: container.Container) -> None:
    update.update(running, {"memory": {"limit": 64 << 20}})
    update.update(running, {"pids": {"limit": 33}})
    found = running.cgroup.statistics()
    memory = found["memory"]
    assert (memory["usage_limit"] if found["version"] == 2 else memory["usage"]["limit"]) == 64 << 20
    assert found["pids"]["limit"] == 33


def test_out_of_memory_is_noticed(bundle: Bundle) -> None:
    bundle.linux["resources"]["memory"] = {"limit": 8 << 20, "swap": 8 << 20}
    with bundle.created("dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=64") as box:
        watch = box.cgroup.oom_watch()
        start.start(box)
        assert processes.exit_status(box.pidfd) == 137
        assert select.select([watch], [], [], 10)[0]
        assert watch.read() == 1
        watch.close()


def test_a_limit_too_low_to_begin_with_is_named(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"memory": {"limit": 4096}}
    with (
        pytest.raises(errors.Fault, match=r"container init was OOM-killed \(memory limit too low\?\)"),
        bundle.created("true"),
    ):
        pass


def test_a_mount_that_fails_is_named_by_its_source(bundle: Bundle) -> None:
    bundle.spec["mounts"].append({"type": "nonsense", "source": "it", "destination": "/there"})
    message = r'error mounting "it" to rootfs at "/there": .*no such device .nonsense'
    with pytest.raises(errors.Fault, match=message), bundle.created("true"):
        pass


def test_hooks_run_in_their_order_with_the_state(bundle: Bundle, tmp_path: pathlib.Path) -> None:
    journal = tmp_path / "journal"
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\necho \"$1 $(cat | tr -d '\" ' | tr , '\\n' | grep status)\" >> {journal}\n")
    script.chmod(0o755)
    outside = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    bundle.spec["hooks"] = {kind: [{"path": str(script), "args": ["hook", kind]}] for kind in outside}
    inside = {"path": "/bin/sh", "args": ["sh", "-c", "cat > /state"]}
    bundle.spec["hooks"]["startContainer"] = [inside]
    bundle.run("true")
    lines = [tuple(line.split(" ")) for line in journal.read_text().splitlines()]
    assert lines == [
        ("prestart", "status:creating"),
        ("createRuntime", "status:creating"),
        ("createContainer", "status:created"),
        ("poststart", "status:running"),
        ("poststop", "status:stopped"),
    ] or lines[3] == ("poststart", "status:stopped")
    assert '"status": "created"' in (bundle.rootfs / "state").read_text()


def test_failing_hook_fails_the_creation(bundle: Bundle) -> None:
    bundle.spec["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 3"]}]}
    with pytest.raises(errors.Fault, match=r"error running createRuntime hook #0: exit status 3.*no"):
        bundle.run("true")


def test_hook_past_its_time_is_ended(bundle: Bundle) -> None:
    bundle.spec["hooks"] = {"prestart": [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 0.1}]}
    began = time.monotonic()
    with pytest.raises(errors.Fault, match="ran past specified timeout"):
        bundle.run("true")
    assert time.monotonic() - began < 30


def test_descriptors_are_preserved_when_asked(bundle: Bundle) -> None:
    reading, writing = os.pipe()
    try:
        if reading != 3:
            saved = os.dup(3) if _is_open(3) else None
            os.dup2(writing, 3, inheritable=False)
        else:
            saved = None
            os.dup2(writing, 3)
        with bundle.created("sh", "-c", "echo through >&3", preserve_fds=1) as box:
            start.start(box)
            processes.exit_status(box.pidfd)
        assert os.read(reading, 100) == b"through\n"
        if saved is not None:
            os.dup2(saved, 3, inheritable=False)
            os.close(saved)
    finally:
        os.close(writing)
        os.close(reading)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_a_hundred_lives_leave_nothing(bundle: Bundle) -> None:
    bundle.run("true")
    before = _traces(bundle)
    for round in range(100):
        with bundle.created("sleep", "1000") as box:
            start.start(box)
            if round % 10 == 0:
                execute(box, "true")
            kill.kill(box, signal.SIGKILL)
            processes.exit_status(box.pidfd)
            delete.delete(box)
    assert _traces(bundle) == before


def _traces(bundle: Bundle) -> tuple[list[str], int, list[str], list[str]]:
    """What may be left behind: mounts, descriptors, control groups, child processes."""
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if f"/boxship-test/test-{os.getpid()}-" in path]
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        children = file.read().split()
    return mounted_below(bundle.folder), len(os.listdir("/proc/self/fd")), sorted(groups), children


def test_output_of_many(bundle: Bundle) -> None:
    with Output() as output:
        for number in range(5):
            with bundle.created("echo", str(number), stdio=(output.nothing, output.writing, output.writing)) as box:
                start.start(box)
                processes.exit_status(box.pidfd)
        assert output.text() == "0\n1\n2\n3\n4\n"


def test_spec_without_mount_namespace_is_refused(bundle: Bundle) -> None:
    bundle.linux["namespaces"] = [{"type": "pid"}]
    with pytest.raises(errors.SpecFault, match="mount namespace"):
        bundle.run("true")


def test_systemd_driver_is_refused_in_words(bundle: Bundle) -> None:
    with pytest.raises(errors.SpecFault, match="systemd"):
        create.create(bundle.spec, id="x", bundle=str(bundle.folder), systemd_cgroup=True)
