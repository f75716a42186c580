"""The device program, attached by us and obeyed by the kernel, beside runc's."""

import os
from typing import Any

import pytest
from integration.ocirun.conftest import Bundle, execute
from integration.unified.runc import Runc

from boxship.linux import devicefilter
from boxship.ocirun import start, update

# Nodes are made, then opened for reading and for writing; no word of the shell's own tells of it.
NODES = {"null": "c 1 3", "mem": "c 1 1", "kmsg": "c 1 11", "random": "c 1 8", "loop": "b 7 0", "fuse": "c 10 229"}
SCRIPT = "".join(
    f"mknod /{name} {numbers} 2>/dev/null; m=$?;"
    f" (: </{name}) 2>/dev/null; r=$?; (: >>/{name}) 2>/dev/null; w=$?; echo {name} $m$r$w\n"
    for name, numbers in NODES.items()
)


def _node(allow: bool, kind: str = "", major: int = -1, minor: int = -1, access: str = "rwm") -> dict[str, Any]:
    made: dict[str, Any] = {"allow": allow, "access": access}
    if kind:
        made["type"] = kind
    if major >= 0:
        made["major"] = major
    if minor >= 0:
        made["minor"] = minor
    return made


RULES = {
    "defaults": [_node(False)],
    "log": [_node(False), _node(True, "c", 1, 11)],
    "log to read": [_node(False), _node(True, "c", 1, 11, "r")],
    "all of a number": [_node(False), _node(True, "c", 10)],
    "blocks": [_node(False), _node(True, "b")],
    "everything": [_node(True)],
    "everything but": [_node(True), _node(False, "c", 1, 11, "w")],
}


def _run(bundle: Bundle) -> str:
    return bundle.sh(SCRIPT)[1]


@pytest.fixture(autouse=True)
def _may_make_nodes(bundle: Bundle) -> None:
    for kind in ("bounding", "effective", "permitted"):
        bundle.process["capabilities"][kind] += ["CAP_MKNOD", "CAP_SYSLOG", "CAP_SYS_RAWIO", "CAP_NET_ADMIN"]


@pytest.mark.parametrize("name", RULES)
def test_what_may_be_made_and_opened_is_as_with_runc(bundle: Bundle, runc: Runc, name: str) -> None:
    bundle.linux["resources"]["devices"] = RULES[name]
    ours = _run(bundle)
    for node in NODES:
        (bundle.rootfs / node).unlink(missing_ok=True)
    theirs = runc.run("sh", "-c", SCRIPT)
    assert ours == theirs
    assert "null 000\n" in ours


def test_the_defaults_by_name(bundle: Bundle) -> None:
    answers = dict(line.split() for line in _run(bundle).splitlines())
    # made / read / written: a node harms nobody as long as it cannot be opened
    assert answers == {"null": "000", "mem": "011", "kmsg": "011", "random": "000", "loop": "011", "fuse": "011"}


def test_exec_is_under_the_same_program(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        status, said = execute(box, "sh", "-c", "mknod /kmsg c 1 11 && cat /kmsg")
    assert status != 0
    assert "Operation not permitted" in said


def test_an_update_replaces_the_program(bundle: Bundle) -> None:
    with bundle.created("sleep", "1000") as box:
        start.start(box)
        execute(box, "mknod", "/kmsg", "c", "1", "11")
        update.update(box, {"devices": [_node(False), _node(True, "c", 1, 11)]})
        assert execute(box, "sh", "-c", ": </kmsg")[0] == 0
        update.update(box, {"devices": [_node(False)]})
        assert execute(box, "sh", "-c", ": </kmsg")[0] != 0
        group = os.open(box.cgroup.paths[""], os.O_RDONLY | os.O_DIRECTORY)
        try:
            assert len(devicefilter._attached(group)) == 1
        finally:
            os.close(group)
