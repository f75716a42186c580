"""The device program, run by a small interpreter, and as root by the kernel."""

import os
import signal
import struct
from collections.abc import Iterator

import pytest

from boxship.linux import cgrouptree, devicefilter, devicerules, namespaces, processes

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}


def _run(program: bytes, kind: str, major: int, minor: int, access: str) -> int:
    context = {0: sum(_ACCESS[letter] for letter in access) << 16 | _TYPES[kind], 4: major, 8: minor}
    registers = [0] * 11
    position = 0
    while True:
        code, pair, offset, constant = struct.unpack_from("<BBhi", program, position * 8)
        target, source = pair & 15, pair >> 4
        position += 1
        match code:
            case 0x61:
                registers[target] = context[offset]
            case 0x54:
                registers[target] &= constant & 0xFFFFFFFF
            case 0x74:
                registers[target] >>= constant
            case 0xBC:
                registers[target] = registers[source]
            case 0xB7:
                registers[target] = constant
            case 0x15:
                position += offset if registers[target] == constant else 0
            case 0x55:
                position += offset if registers[target] != constant else 0
            case 0x5D:
                position += offset if registers[target] != registers[source] else 0
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(hex(code))


def _rules(*items: dict[str, object]) -> bytes:
    return devicefilter.program(devicerules.from_spec(items))


def test_nothing_but_the_defaults() -> None:
    program = _rules({"allow": False, "access": "rwm"})
    assert _run(program, "c", 1, 3, "rw") == 1
    assert _run(program, "c", 136, 77, "rw") == 1
    assert _run(program, "b", 8, 0, "m") == 1  # a node that cannot be opened harms nobody
    assert _run(program, "b", 8, 0, "r") == 0
    assert _run(program, "c", 10, 200, "rw") == 0


def test_no_rules_are_no_devices() -> None:
    assert _run(_rules(), "b", 8, 0, "r") == 0


def test_later_rules_win() -> None:
    program = _rules({"allow": True, "access": "rwm"}, {"allow": False, "type": "b", "major": 8, "access": "w"})
    assert _run(program, "b", 8, 1, "r") == 1
    assert _run(program, "b", 8, 1, "w") == 0
    assert _run(program, "b", 8, 1, "rw") == 0
    assert _run(program, "b", 9, 1, "rw") == 1


def test_all_wanted_access_must_be_allowed() -> None:
    program = _rules({"allow": True, "type": "c", "major": 10, "minor": 5, "access": "r"})
    assert _run(program, "c", 10, 5, "r") == 1
    assert _run(program, "c", 10, 5, "rw") == 0
    assert _run(program, "c", 10, 6, "r") == 0
    assert _run(program, "b", 10, 5, "r") == 0


@pytest.mark.parametrize("rule", [{"type": "x", "access": "r"}, {"type": "c", "access": "z"}])
def test_rules_that_make_no_sense(rule: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="device rule"):
        devicerules.from_spec([rule])


def test_lines_of_version_1() -> None:
    rules = devicerules.from_spec([{"allow": True, "type": "c", "major": 5, "access": "rw"}, {"allow": False}])
    assert rules[0].text() == "c 5:* rw"
    assert rules[1].is_deny_all


@pytest.mark.root
@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"allow": False, "access": "rwm"}],
        [{"allow": True}],
        [{"allow": False}, {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "rwm"}],
        [{"allow": True, "access": "r"}, {"allow": False, "type": "b", "access": "w"}],
        [{"allow": True, "type": "c", "major": number, "access": "rw"} for number in range(200)],
    ],
)
def test_the_kernel_takes(rules: list[dict[str, object]]) -> None:
    """Its verifier refuses instructions that are never reached, for one."""
    os.close(devicefilter.load(_rules(*rules)))
    os.close(devicefilter.load(devicefilter.program([devicerules.Rule(allow=True), *devicerules.from_spec(rules)])))


@pytest.fixture
def folder() -> Iterator[str]:
    tree = cgrouptree.tree()
    if tree.unified is None:
        pytest.skip("no version 2 hierarchy")
    made = os.path.join(tree.unified.path, f"boxship-filter-{os.getpid()}")
    os.mkdir(made)
    yield made
    _remove(made)


@pytest.mark.root
def test_the_kernel_obeys(folder: str) -> None:
    rules = devicerules.from_spec([{"allow": False, "type": "c", "major": 1, "minor": 5, "access": "rwm"}])
    rules = [*rules, devicerules.Rule(allow=False, type="c", major=1, minor=5)]
    devicefilter.attach(folder, rules)
    devicefilter.attach(folder, rules)  # replaces the former
    group = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    pid, pidfd = namespaces.clone(0, cgroup=group)
    if pid == 0:
        os._exit(_try("/dev/null") << 1 | _try("/dev/zero"))
    os.close(group)
    assert processes.exit_status(pidfd) == 0b01
    os.close(pidfd)


def _try(path: str) -> int:
    try:
        os.open(path, os.O_RDWR)
    except OSError:
        return 1
    return 0


def _remove(folder: str) -> None:
    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
        for line in file:
            os.kill(int(line), signal.SIGKILL)
    os.rmdir(folder)
