"""`boxship run`: what is asked for is what the container gets, and its exit code is the caller's."""

import os
import subprocess

import pytest
from integration.system import engines


@pytest.fixture
def sh(boxship):
    """Run a line of shell in a container with these options; gives what it wrote."""

    def run(line, *options, code=0, stdin=b""):
        return boxship("run", "--rm", *options, "box", "sh", "-c", line, code=code, stdin=stdin)

    return run


def test_output_and_errors_are_kept_apart(sh):
    said = sh("echo out; echo err >&2; exit 42", code=42)
    assert (said.raw, said.errors) == (b"out\n", "err\n")


@pytest.mark.parametrize("code", [0, 1, 2, 125, 126, 127, 128, 255])
def test_the_exit_code_is_the_containers(sh, code):
    sh(f"exit {code}", code=code)


def test_one_that_a_signal_ended_exits_as_in_a_shell(boxship, sh, name):
    assert sh("sh -c 'kill -KILL $$'; echo $?").text == "137\n"
    with boxship.start("run", "--name", name, "box", "sleep", "60") as started:
        engines.until(lambda: name in boxship("ps", "-q").lines, "its start")
        boxship("kill", name)
        assert started.wait(20) == 137


def test_the_image_says_what_runs(boxship):
    assert boxship("run", "--rm", "box").text == "from the image\n"


def test_entrypoint(boxship):
    assert boxship("run", "--rm", "--entrypoint", "echo", "box", "a", "b").text == "a b\n"
    assert boxship("run", "--rm", "--entrypoint", "", "box", "echo", "c").text == "c\n"
    assert "no command to run" in boxship("run", "--rm", "--entrypoint", "", "box", code=125).errors


def test_options_behind_the_image_are_the_commands(boxship):
    assert boxship("run", "--rm", "box", "echo", "--rm", "-it", "--help").text == "--rm -it --help\n"


def test_environment(boxship, tmp_path):
    (tmp_path / "env").write_text("# a remark\n\nFROM_FILE=1\nSHAPE=square\nHOME\n")
    said = boxship("run", "--rm", "--env-file", str(tmp_path / "env"), "-e", "SHAPE=round", "-e", "EMPTY=", "-e",
                   "SPACED=a b=c", "-e", "PATH", "-e", "NOT_THERE", "box", "/bin/env")  # fmt: skip
    assert {"FROM_FILE=1", "SHAPE=round", "EMPTY=", "SPACED=a b=c", f"PATH={os.environ['PATH']}"} <= set(said.lines)
    assert "NOT_THERE" not in said.text
    assert "must look like NAME=value" in boxship("run", "--rm", "-e", "=x", "box", code=125).errors
    assert "/nowhere: No such file" in boxship("run", "--rm", "--env-file", "/nowhere", "box", code=125).errors


def test_folders_of_this_machine(sh, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("shared")
    assert sh("cat /there/file; echo -n more >> /there/file", "-v", f"{tmp_path}:/there").text == "shared"
    assert (tmp_path / "file").read_text() == "sharedmore"
    for options in (
        ("-v", f"{tmp_path}:/there:ro"),
        ("--mount", f"type=bind,source={tmp_path},target=/there,readonly"),
        ("--mount", f"type=bind,src={tmp_path},dst=/there,ro"),
    ):
        assert sh("cat /there/file; touch /there/new || echo fixed", *options).text == "sharedmorefixed\n"
    monkeypatch.chdir(tmp_path)
    assert sh("cat /there/file", "-v", ".:/there").text == "sharedmore"
    assert sh("df /mine | grep -c tmpfs", "--mount", "type=tmpfs,target=/mine").text == "1\n"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("-v", "/no/such:/x"), "this machine has no /no/such"),
        (("-v", "data:/x"), "volumes with a name"),
        (("-v", "/tmp"), "must look like /here:/there"),
        (("-v", "/tmp:x"), "must look like /here:/there"),
        (("-v", "/tmp:/x:sideways"), "'sideways' is not understood"),
        (("--mount", "type=bind,source=/no/such,target=/x"), "this machine has no /no/such"),
        (("--mount", "type=bind,source=/tmp"), "dst= is missing"),
        (("--mount", "colour=blue"), "'colour=blue' is not understood"),
        (("-w", "here"), "must be an absolute path"),
        (("-u", "nobody-here"), "not in the image's /etc/passwd"),
        (("--memory", "5 stones"), "'5 stones' is no size"),
        (("--memory", "1k"), "nothing starts with less"),
        (("--cpus", "-1"), "0.01 at least"),
        (("--cpus", "many"), "is not a valid float"),
        (("--pids-limit", "few"), "is not a valid integer"),
        (("--network", "bridge"), "not one of 'none', 'host'"),
        (("--cap-add", "FLYING"), "capability 'FLYING'"),
        (("--security-opt", "apparmor=x"), "seccomp=unconfined and seccomp=PATH are known"),
        (("--security-opt", "seccomp=/no/such"), "seccomp profile /no/such"),
        (("--platform", "linux/s390x"), "is for linux/"),
        (("--platform", "moon"), "unknown operating system or architecture"),
        (("--pull", "maybe"), "not one of 'missing', 'always', 'never'"),
        (("--restart", "always"), "not started again by themselves"),
        (("--name", "not good"), "it must be of letters and digits"),
        (("--name", "x" * 77), "76 characters at most"),
        (("--hostname", "x" * 65), "64 characters, not 65"),
        (("--mount", "type=volume,src=a,dst=/b"), "there is no type=volume here"),
        (("--memory",), "'box' is no size"),
        (("-l", "=x"), "must look like KEY=VALUE"),
        (("--snapshotter", "zfs"), "zfs"),
        (("--runtime", "io.containerd.nothing.v1"), "not installed"),
        (("--naem", "x"), "no such option '--naem'. (Did you mean"),
        (("-p", "80:80"), "ports cannot be published yet"),
        (("--gpus", "all"), "no way to them yet"),
    ],
)
def test_what_cannot_be_is_refused_in_plain_words(boxship, options, why):
    before = boxship("ps", "-aq").lines
    said = boxship("run", *options, "box", "true", code=125)
    assert why in said.errors
    assert said.errors.startswith("boxship")
    assert said.text == ""
    for jargon in ("shim:", "OCI runtime", "runc", "invalid argument", "gRPC"):
        assert jargon not in said.errors.replace("io.containerd.runc", "")
    assert boxship("ps", "-aq").lines == before


@pytest.mark.parametrize(
    "options", [("-m", "1"), ("--cpus", "-1"), ("--name", "a b"), ("--cap-add", "NOPE"), ("--security-opt", "foo")]
)
def test_nobody_waits_for_an_image_to_be_refused(boxship, options):
    said = boxship("run", *options, "127.0.0.1:1/never/pulled", "true", code=125)
    assert "pulling" not in said.errors
    assert len(said.errors.splitlines()) == 1


def test_programs_that_cannot_run(boxship, tmp_path):
    (tmp_path / "plain").write_text("no program")
    (tmp_path / "script").write_text("#!/no/interpreter\n")
    (tmp_path / "noise").write_bytes(b"\x01\x02\x03")
    for path in ("script", "noise"):
        (tmp_path / path).chmod(0o755)
    for command, code, why in (
        ("nonsense", 127, "no such program in its $PATH"),
        ("/no/such", 127, "no such file"),
        ("/there/script", 127, "its interpreter /no/interpreter does not exist"),
        ("/there/plain", 126, "no file that its user may execute"),
        ("/there", 126, "no file that its user may execute"),
        ("/there/noise", 126, "exec format error"),
    ):
        said = boxship("run", "--rm", "-v", f"{tmp_path}:/there", "box", command, code=code)
        assert said.errors.startswith(f"boxship: cannot run {command!r}: ")
        assert why in said.errors
        assert len(said.errors.splitlines()) == 1


def test_wishes_that_the_kernel_keeps(boxship, name):
    boxship("run", "-d", "--name", name, "--memory", "64m", "--cpus", "0.5", "--pids-limit", "33", "box", "sleep", "60")
    (stats,) = boxship("stats", "--no-stream", "--format", "json", name).json
    assert (stats["memory_limit"], stats["pids_limit"]) == (64 << 20, 33)
    (told,) = boxship("inspect", name).json
    assert told["spec"]["linux"]["resources"]["cpu"] == {"quota": 50_000, "period": 100_000}


def test_memory_is_a_limit_indeed(sh):
    line = "dd if=/dev/zero of=/dev/shm/x bs=1M count=40 2>/dev/null; echo $?"
    assert [sh(line, "--memory", "16m").text, sh(line, "--memory", "64m").text] == ["137\n", "0\n"]


def test_place_person_and_name(sh):
    assert sh("pwd; id -u; id -g; hostname", "-w", "/tmp", "-u", "app", "--hostname", "here").lines == [
        "/tmp", "1000", "1001", "here"]  # fmt: skip
    assert sh("id -u; id -g", "-u", "12:34").lines == ["12", "34"]
    assert sh("pwd", "-w", "/made/for/me").text == "/made/for/me\n"


def test_a_long_name_is_cut_for_the_host_name(boxship):
    long = "n" * 63 + "-" + "n" * 12
    assert boxship("run", "--rm", "--name", long, "box", "hostname").text == "n" * 63 + "\n"


def test_read_only(sh):
    assert (
        sh("touch /x || echo fixed; touch /dev/shm/y && echo but memory", "--read-only").text == "fixed\nbut memory\n"
    )


def test_networks(sh):
    assert sh("ls /sys/class/net").text == "lo\n"
    assert sorted(sh("ls /sys/class/net", "--network", "host").lines) == sorted(os.listdir("/sys/class/net"))


def test_capabilities(sh):
    line = "grep CapEff /proc/self/status"
    usual = int(sh(line).text.split()[-1], 16)
    assert int(sh(line, "--cap-drop", "ALL").text.split()[-1], 16) == 0
    net_admin, chown = 1 << 12, 1
    assert int(sh(line, "--cap-add", "NET_ADMIN").text.split()[-1], 16) == usual | net_admin
    assert int(sh(line, "--cap-drop", "cap_chown").text.split()[-1], 16) == usual & ~chown
    only = sh(line, "--cap-drop", "ALL", "--cap-add", "CHOWN")
    assert int(only.text.split()[-1], 16) == chown
    assert int(sh(line, "--privileged").text.split()[-1], 16) > usual


def test_walls(sh, tmp_path):
    line = "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | cut -f 2"
    assert sh(line).lines == ["1", "2"]
    assert sh(line, "--security-opt", "no-new-privileges=false").lines == ["0", "2"]
    assert sh(line, "--security-opt", "seccomp=unconfined").lines == ["1", "0"]
    assert sh(line, "--privileged").lines[1] == "0"
    (tmp_path / "profile").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert sh(line, "--security-opt", f"seccomp={tmp_path}/profile").lines[0] == "1"


def test_platform_of_this_machine(boxship):
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert boxship("run", "--rm", "--platform", f"linux/{machine}", "box", "echo", "here").text == "here\n"


def test_pulling(boxship, remote, reference):
    fresh = reference.replace("busybox", "fresh")
    remote.push_image("test/fresh", "v1", [b""], {"Cmd": ["true"]})
    assert "not found" in boxship("run", "--rm", "--pull", "never", fresh, code=125).errors
    missing = boxship("run", "--rm", "--name", "gone", f"{remote.host}/no/such:v1", code=125)
    assert "does not have it" in missing.errors
    said = boxship("run", "--rm", reference, "echo", "kept")
    assert (said.text, said.errors) == ("kept\n", "")
    assert "resolving" in boxship("run", "--rm", "--pull", "always", reference, "true").errors
    boxship("rmi", reference)
    said = boxship("run", "--rm", reference, "echo", "fetched")
    assert said.text == "fetched\n"
    assert said.errors.startswith(f"boxship: image {reference} is not here, pulling it\n")


def test_detached(boxship, name):
    said = boxship("run", "-d", "--name", name, "-l", "a=b", "--restart", "no", "box", "sh", "-c", "echo kept; exit 4")
    assert said.text == f"{name}\n"
    assert boxship("wait", name).text == "4\n"
    assert boxship("logs", name).text == "kept\n"
    assert boxship("inspect", name).json[0]["labels"]["a"] == "b"
    assert f'container "{name}": already exists' in boxship("run", "--name", name, "box", code=125).errors


def test_a_detached_one_keeps_its_input_when_asked(boxship, name):
    boxship("run", "-d", "--name", name, "box", "cat")
    assert boxship("wait", name).text == "0\n"
    boxship("rm", name)
    boxship("run", "-di", "--name", name, "box", "sh", "-c", "echo ready; cat")
    for _ in range(2):  # when it is started again, too
        engines.until(lambda: "ready" in boxship("logs", name).text, "its start")
        assert name in boxship("ps", "-q").lines
        boxship("kill", name)
        boxship("wait", name)
        boxship("start", name)
    boxship("rm", "-f", name)
    boxship("run", "-dit", "--name", name, "box", "sh")
    assert boxship("exec", name, "echo", "alive").text == "alive\n"


def test_one_without_a_name_gets_one(boxship):
    (made,) = boxship("run", "-d", "box", "true").lines
    boxship("wait", made)
    assert len(made) == 12
    boxship("rm", made)


def test_it_stays_without_rm_and_goes_with_it(boxship, name):
    boxship("run", "--name", name, "box", "echo", "still here")
    assert name in boxship("ps", "-aq").lines
    assert boxship("logs", name).text == "still here\n"
    boxship("rm", name)
    boxship("run", "--rm", "--name", name, "box", "false", code=1)
    assert name not in boxship("ps", "-aq").lines


def test_a_detached_one_goes_by_itself(boxship, name):
    boxship("run", "-d", "--rm", "--name", name, "box", "sleep", "60")
    assert name in boxship("ps", "-q").lines
    boxship("kill", name)
    engines.until(lambda: name not in boxship("ps", "-aq").lines, "its removal")


def test_what_failed_to_start_leaves_nothing(boxship, name):
    boxship("run", "--name", name, "box", "/no/such", code=127)
    assert name not in boxship("ps", "-aq").lines
    assert name not in boxship("snapshots", "ls", "--format", "json").text


def test_runtimes_by_name(boxship):
    for runtime in ("io.containerd.runc.v2", "io.containerd.boxship.v1"):
        assert boxship("run", "--rm", "--runtime", runtime, "box", "echo", "ran").text == "ran\n"
    assert boxship("run", "--rm", "--snapshotter", "native", "box", "echo", "ran").text == "ran\n"


def test_usage_errors_do_not_look_like_containers(boxship):
    for words in (
        ("run",),
        ("run", "--bogus", "box"),
        ("run", "--memory", "x", "box"),
        ("exec",),
        ("exec", "x"),
        ("run", "-e"),
        ("exec", "-u"),
    ):
        said = boxship(*words, code=125)
        assert f"`boxship {words[0]} --help`" in said.errors


def test_help_of_run_says_all_of_its_options(boxship):
    text = boxship("run", "--help").text
    for option in ("-d", "--rm", "-i", "-t", "--name", "-e", "--env-file", "-v", "--mount", "-w", "-u", "--memory", "--cpus",
                   "--pids-limit", "--read-only", "--network", "--entrypoint", "--hostname", "--cap-add", "--cap-drop",
                   "--security-opt", "--privileged", "--platform", "--pull", "--label", "--restart"):  # fmt: skip
        assert option in text


def test_as_a_process(boxship):
    said = boxship.process("run", "--rm", "box", "sh", "-c", "echo out; echo err >&2; exit 5", code=5)
    assert (said.raw, said.errors) == (b"out\n", "err\n")
    assert boxship.process("run", "--rm", "box", "nonsense", code=127, stdin=None, stdout=subprocess.PIPE).raw == b""
