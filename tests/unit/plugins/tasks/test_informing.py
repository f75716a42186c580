"""A shim asked what it can."""

import pathlib

import pytest

from boxship.plugins.tasks import informing
from boxship.terms import errors


def _shim(folder: pathlib.Path, script: str) -> str:
    program = folder / "shim"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_it_reads_the_options_and_answers(tmp_path) -> None:
    assert (
        informing.ask([_shim(tmp_path, 'test "$1" = -info && cat && echo " $X"')], b"given", {"X": "y"}) == b"given y\n"
    )


def test_what_it_says_when_it_fails(tmp_path) -> None:
    shim = _shim(tmp_path, "echo 'no \"runc\"' >&2; exit 3")
    with pytest.raises(errors.Unknown) as caught:
        informing.ask([shim], b"", {})
    assert caught.value.message == f'failed to run [{shim} -info]: exit status 3 (stderr: "no \\"runc\\"\\n")'


def test_what_cannot_be_run(tmp_path) -> None:
    with pytest.raises(errors.Unknown, match=r"failed to run .*: No such file or directory"):
        informing.ask([str(tmp_path / "none")], b"", {})
