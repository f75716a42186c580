import io

import pytest

from boxship.cli import failures, world
from boxship.terms import errors

SHIM = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "


@pytest.mark.parametrize(
    ("exc", "words", "code"),
    [
        (errors.NotFound('container "x" in namespace "y"'), 'container "x" in namespace "y": not found', 125),
        (errors.NotFound('container "no-such"'), 'container "no-such": not found', 125),
        (errors.NotFound("image 'x' (as docker.io/no-such:latest)"), "image 'x' (as docker.io/no-such:latest): not found", 125),
        (errors.NotFound("r: registry h does not have it (404)"), "r: registry h does not have it (404)", 125),
        (errors.AlreadyExists('container "x"'), 'container "x": already exists', 125),
        (errors.InvalidArgument("size 5 is odd"), "size 5 is odd", 125),
        (errors.InvalidArgument("filters: odd: invalid argument"), "filters: odd", 125),
        (errors.Unavailable(""), "unavailable", 125),
        (errors.Unknown(f'{SHIM}exec: "a": executable file not found in $PATH'),
         "cannot run 'a': the container has no such program in its $PATH", 127),
        (errors.Unknown(f'{SHIM}exec: "/a": stat /a: no such file or directory'),
         "cannot run '/a': the container has no such file", 127),
        (errors.Unknown(f'{SHIM}exec: "/a": permission denied'),
         "cannot run '/a': it is no file that its user may execute", 126),
        (errors.Unknown("OCI runtime start failed: runc start failed: unable to start container process: "
                        "exec /a: exec format error (it is noise)"),
         "cannot run '/a': exec format error (it is noise)", 126),
        (errors.Unknown("OCI runtime exec failed: exec failed: unable to start container process: "
                        'exec: "/a": stat /a: no such file or directory'),
         "cannot run '/a': the container has no such file", 127),
        (errors.Unknown(f'{SHIM}error during container init: error mounting "/a" to rootfs: no such file or directory'),
         'error mounting "/a" to rootfs: no such file or directory', 125),
        (FileNotFoundError(2, "No such file or directory", "/a"), "/a: No such file or directory", 125),
        (OSError("odd"), "odd", 125),
    ],
)  # fmt: skip
def test_messages_for_people_and_codes_for_scripts(exc, words, code):
    assert failures.words(exc) == words
    assert failures.code(exc) == code


def said(exc, **how):
    err = io.StringIO()
    around = world.World(stdin=io.StringIO(), stdout=io.StringIO(), stderr=err, environment={})
    assert failures.tell(exc, around, **how) == 1
    return err.getvalue()


def test_what_is_told():
    assert said(errors.Unavailable("gone")) == "boxship: gone\n"
    assert said(errors.Aborted("odd"), about="web") == "boxship: web: odd\n"
    assert said(errors.Aborted("web is odd"), about="web") == "boxship: web is odd\n"
    assert "~/.docker/config.json" in said(errors.Unauthenticated("GET https://x")).splitlines()[1]


def test_a_fault_of_ours_asks_to_be_reported():
    text = said(KeyError("x"))
    assert text.startswith("boxship: a fault of boxship itself: KeyError: 'x'\n")
    assert "report" in text
    assert "Traceback" not in text


def test_where_it_came_from_is_told_when_asked():
    with pytest.raises(errors.Unavailable) as found:
        raise errors.Unavailable("gone")
    assert "test_failures.py" in said(found.value, debug=True)
