"""Every command of ctr gives the same against boxshipd as against containerd, or the difference has a reason."""

import shutil

import pytest
from compat.ctr import report, session, steps, surface

CLIENTS = pytest.mark.parametrize("client", [steps.OLD, steps.NEW])


@pytest.mark.peer
@pytest.mark.root
@pytest.mark.slow
@CLIENTS
def test_same_as_the_original(client: str) -> None:
    if missing := session.missing(client):
        pytest.skip(f"there is no {', no '.join(missing)}")
    found = session.compare(client)
    report.tell(found)
    assert [f"{result.state}: {result.step.name}" for result in found.results if result.bad] == []
    assert surface.missing(surface.read(session.CLIENTS[client]), found.calls) == []


@pytest.mark.peer
@pytest.mark.slow
@CLIENTS
def test_every_command_of_the_client_is_used(client: str) -> None:
    program = session.CLIENTS[client]
    if not shutil.which(program) or f" {client}." not in session.version(program):
        pytest.skip(f"needs ctr {client}")
    known = surface.read(program)
    assert len(known.commands) > 60
    assert len(known.options) > 40
    calls = [call for step in steps.all_steps(client) for call in surface.written(step.shell)]
    assert surface.unused(known, calls) == []


@CLIENTS
def test_steps_can_be_read(client: str) -> None:
    found = steps.all_steps(client)
    assert {step.group for step in found} == set(steps.GROUPS)
    assert len({step.place for step in found}) == len(found)


@pytest.mark.parametrize(
    "line",
    ["    differs 1.5: why", "    differs:", "    different: why", "    differs 1.6 at times: why", "ctr x  ## sorted"],
)
def test_what_is_not_known_is_refused(line: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "version.txt").write_text(f"ctr version\n{line}\n")
    monkeypatch.setattr(steps, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="version"):
        steps.read("version", steps.OLD)


def test_reasons_are_for_one_client_or_both(tmp_path, monkeypatch) -> None:
    (tmp_path / "version.txt").write_text(
        "ctr a\n    differs: both\nctr b\n    differs 2.3 by chance: new\nctr c\n    differs 1.6: x\n    differs 2.3: y\n"
    )
    monkeypatch.setattr(steps, "FOLDER", tmp_path)
    old, new = steps.read("version", steps.OLD), steps.read("version", steps.NEW)
    assert [(step.excuse, step.by_chance) for step in old] == [("both", False), ("", False), ("x", False)]
    assert [(step.excuse, step.by_chance) for step in new] == [("both", False), ("new", True), ("y", False)]
