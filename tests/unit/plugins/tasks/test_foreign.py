"""Which binary runs a runtime, and what it is asked."""

import pathlib

import pytest

from boxship.plugins.tasks import bundles, foreign, logs
from boxship.terms import errors


@pytest.fixture
def folder(tmp_path):
    program = tmp_path / "containerd-shim-mine-v3"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def test_names_become_binaries(folder):
    wanted = str(folder / "containerd-shim-mine-v3")
    nowhere = pathlib.Path("/nonexistent")
    assert foreign.resolve("io.example.mine.v3", path=f"/nonexistent:{folder}", beside=nowhere) == wanted
    assert foreign.resolve("io.example.mine.v3", path="", beside=folder) == wanted
    assert foreign.resolve(wanted, path="", beside=nowhere) == wanted


@pytest.mark.parametrize("name", ["", "mine", "a/b.v1", "mine.", "./shim"])
def test_names_that_are_none(folder, name):
    with pytest.raises(errors.InvalidArgument, match="invalid runtime name"):
        foreign.resolve(name, path=str(folder), beside=folder)


def test_what_is_not_installed(folder):
    with pytest.raises(errors.NotFound, match="invalid custom binary path: stat /nonexistent/shim"):
        foreign.resolve("/nonexistent/shim", path="", beside=folder)
    with pytest.raises(errors.NotFound, match='binary not installed "containerd-shim-other-v1"'):
        foreign.resolve("io.containerd.other.v1", path=str(folder), beside=folder)


def launcher(program, tmp_path, legacy):
    return foreign.ForeignLauncher(
        str(program),
        publisher="/bin/daemon",
        grpc="/g",
        ttrpc="/t",
        sockets=tmp_path,
        environment={"PATH": "/bin:/usr/bin"},
        reader=logs.LogReader(),
        legacy=legacy,
        clean_up_seconds=5,
    )


@pytest.mark.root
def test_the_command_line_and_an_old_shim_that_reads_options_alone(tmp_path):
    program = tmp_path / "shim"
    program.write_text(
        '#!/bin/sh\necho "$PWD $NAMESPACE $TTRPC_ADDRESS $*" >>asked\n'
        '[ -z "$(cat)" ] || { echo "proto: cannot" >&2; exit 1; }\necho unix:///x\n'
    )
    program.chmod(0o755)
    bundle = bundles.Bundles(tmp_path / "r", tmp_path / "s").make("n", "a", b"{}")
    legacy = set()
    tried = launcher(program, tmp_path, legacy)
    assert tried.launch(bundle, None).address == "unix:///x"
    assert legacy == {str(program)}
    assert tried.launch(bundle, None).version == 2
    tried._reader.close_all()
    line = f"{bundle.path} n /t -namespace n -address /g -publish-binary /bin/daemon -id a start"
    assert (bundle.path / "asked").read_text().splitlines() == [line] * 3
    assert bundle.binary() == str(program)


@pytest.mark.root
def test_what_a_shim_says_when_it_fails(tmp_path):
    program = tmp_path / "shim"
    program.write_text("#!/bin/sh\necho no luck >&2\nexit 3\n")
    program.chmod(0o755)
    bundle = bundles.Bundles(tmp_path / "r", tmp_path / "s").make("n", "a", b"{}")
    failing = launcher(program, tmp_path, set())
    with pytest.raises(errors.Unknown, match="no luck: exit status 3"):
        failing.launch(bundle, None)
    with pytest.raises(errors.Unknown, match="no luck: exit status 3"):
        failing.clean_up(bundle)
    failing._reader.close_all()
