"""Words in, words out: options, log lines, errors, files on disk."""

import json
import os
import pathlib

import pytest

from boxship.linux import cgroups
from boxship.ocirun import commandline, container, errors, flags, logs, programs, store


def test_options_in_all_their_spellings() -> None:
    known = [flags.Flag(name="bundle", letter="b"), flags.Flag(name="detach", letter="d", takes_value=False)]
    values, rest = flags.parse(known, ["-b", "x", "--detach", "-bundle=y", "id", "--detach"])
    assert values.text("bundle") == "y"
    assert values.all("bundle") == ["x", "y"]
    assert values.on("detach")
    assert rest == ["id", "--detach"]


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--nope"], "flag provided but not defined: -nope"), (["--bundle"], "flag needs an argument: -bundle")],
)
def test_options_that_make_no_sense(words: list[str], message: str) -> None:
    with pytest.raises(flags.UsageError, match=message):
        flags.parse([flags.Flag(name="bundle")], words)


def test_numbers() -> None:
    known = [flags.Flag(name="n")]
    assert flags.parse(known, ["--n", "5"])[0].number("n") == 5
    assert flags.parse(known, [])[0].number("n") is None
    with pytest.raises(flags.UsageError, match='invalid value "x" for flag -n'):
        flags.parse(known, ["--n", "x"])[0].number("n")


def test_a_log_file_of_json_lines(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.json"
    logs.Log(str(path), "json").error('it "broke"')
    document = json.loads(path.read_text())
    assert (document["level"], document["msg"]) == ("error", 'it "broke"')
    assert set(document) == {"level", "msg", "time"}
    assert capfd.readouterr().err == 'it "broke"\n'


def test_a_log_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    logs.Log("", "text").error('it "broke"')
    assert capfd.readouterr().err.endswith(' level=error msg="it \\"broke\\""\n')


def test_faults_cross_a_fork() -> None:
    fault = errors.Fault("müßig", step="s", path="/p\udcff", errno=2, advice="a")
    found = errors.decode(errors.encode(fault))
    assert (str(found), found.step, found.path, found.errno, found.advice) == ("müßig", "s", "/p\udcff", 2, "a")


def test_a_garbled_fault_is_still_one() -> None:
    assert str(errors.decode(b"")) == "container init died"


def test_sentences() -> None:
    fault = errors.Fault("x", advice="y")
    assert errors.describe(fault, "exec") == (
        "OCI runtime exec failed: exec failed: unable to start container process: x (y)"
    )
    assert errors.describe(errors.SpecFault("x"), "create") == "OCI runtime create failed: runc create failed: x"


def test_programs_are_found_along_the_path(tmp_path: pathlib.Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "tool").write_text("")
    (tmp_path / "two" / "tool").write_text("")
    (tmp_path / "two" / "tool").chmod(0o755)
    path = f"{tmp_path}/one:{tmp_path}/two"
    assert programs.find("tool", {"PATH": path}) == f"{tmp_path}/two/tool"
    with pytest.raises(errors.Fault) as caught:
        programs.find("tool", {"PATH": f"{tmp_path}/one"})
    assert str(caught.value) == 'exec: "tool": executable file not found in $PATH'
    assert "may not execute it" in caught.value.advice


def test_relative_finds_are_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(0o755)
    with pytest.raises(errors.Fault, match="relative to current directory"):
        programs.find("tool", {"PATH": ""})


def _box(id: str) -> container.Container:
    return container.Container(
        id=id, bundle="/b", rootfs="/b/rootfs", spec={"annotations": {"a": "b"}}, pid=os.getpid(), pidfd=-1,
        cgroup=cgroups.find({"": "/nowhere"}), created=1,
    )  # fmt: skip


def test_state_on_disk(tmp_path: pathlib.Path) -> None:
    kept = store.Store(str(tmp_path))
    kept.reserve("one")
    with pytest.raises(errors.SpecFault, match="container with given ID already exists"):
        kept.reserve("one")
    kept.save(_box("one"))
    found = kept.load("one")
    assert (found.pid, found.spec["annotations"], found.cgroup.paths) == (os.getpid(), {"a": "b"}, {"": "/nowhere"})
    assert found.pidfd >= 0
    os.close(found.pidfd)
    assert list(kept.ids()) == ["one"]
    kept.forget("one")
    with pytest.raises(errors.SpecFault, match="container does not exist"):
        kept.load("one")


def test_a_number_used_again_is_not_the_container(tmp_path: pathlib.Path) -> None:
    kept = store.Store(str(tmp_path))
    kept.reserve("one")
    kept.save(_box("one"))
    path = tmp_path / "one" / "state.json"
    document = json.loads(path.read_text())
    document["birth"] += 1
    path.write_text(json.dumps(document))
    assert kept.load("one").pidfd == -1


@pytest.mark.parametrize("id", ["../x", "a/b", "", "..", "@seccomp"])
def test_ids_never_leave_the_root(tmp_path: pathlib.Path, id: str) -> None:
    with pytest.raises(errors.SpecFault):
        store.Store(str(tmp_path)).folder(id)


def test_every_command_has_its_function(capfd: pytest.CaptureFixture[str]) -> None:
    import importlib

    for name, command in commandline.COMMANDS.items():
        module = importlib.import_module(f"boxship.ocirun.commands.{command.module}")
        assert callable(getattr(module, command.function)), name
        assert commandline.run([name, "--help"]) == 0
    assert "USAGE" in capfd.readouterr().out


def test_misuse(capfd: pytest.CaptureFixture[str]) -> None:
    assert commandline.run(["create"]) == 1
    assert commandline.run(["nonsense"]) == 3
    assert commandline.run(["--nonsense"]) == 1
    assert commandline.run(["--log-format", "xml", "list"]) == 1
    text = capfd.readouterr()
    assert 'runc: \\"create\\" requires exactly 1 argument(s)' in text.err
    assert "Incorrect Usage." in text.out
