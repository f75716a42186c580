"""Device rules of version 2: a small BPF program attached to the group (BPF_PROG_TYPE_CGROUP_DEVICE).

The kernel hands it {access_type, major, minor}: the type in the low half of the first word, the access in the high
half. The rules are tried from the last to the first; the first that matches decides; none means no.
"""

import ctypes
import os
import struct

from boxship.linux import calls, devicerules

BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_DETACH = 9
BPF_PROG_QUERY = 16
BPF_PROG_GET_FD_BY_ID = 13
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

_LOAD_WORD = 0x61
_AND = 0x54
_SHIFT_RIGHT = 0x74
_MOVE = 0xBC
_MOVE_CONSTANT = 0xB7
_JUMP_NOT_EQUAL = 0x55
_JUMP_NOT_EQUAL_REGISTER = 0x5D
_EXIT = 0x95


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, constant: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | target, offset, constant)


def program(rules: list[devicerules.Rule]) -> bytes:
    """The instructions for `rules`: registers 2 type, 3 access, 4 major, 5 minor; 1 at the end means allowed."""
    parts = [
        _instruction(_LOAD_WORD, 2, 1, 0),
        _instruction(_AND, 2, constant=0xFFFF),
        _instruction(_LOAD_WORD, 3, 1, 0),
        _instruction(_SHIFT_RIGHT, 3, constant=16),
        _instruction(_LOAD_WORD, 4, 1, 4),
        _instruction(_LOAD_WORD, 5, 1, 8),
    ]
    for rule in reversed(rules):
        parts += _block(rule)
        if rule.is_about_everything:
            return b"".join(parts)  # nothing before it can matter, and the kernel refuses what is never reached
    return b"".join([*parts, *_answer(0)])


def _answer(value: int) -> list[bytes]:
    return [_instruction(_MOVE_CONSTANT, 0, constant=value), _instruction(_EXIT)]


def _block(rule: devicerules.Rule) -> list[bytes]:
    """Instructions that leave with the rule's answer, or fall out of the end when it does not match."""
    tests: list[tuple[int, int, int, int]] = []  # code, target, source, constant
    if rule.type in _TYPES:
        tests.append((_JUMP_NOT_EQUAL, 2, 0, _TYPES[rule.type]))
    access = sum(_ACCESS[letter] for letter in set(rule.access))
    head: list[bytes] = []
    if access != 7:
        # allowed: every wanted access is in the rule; denied: one of them is
        head = [_instruction(_MOVE, 1, 3), _instruction(_AND, 1, constant=access)]
        if rule.allow:
            tests.append((_JUMP_NOT_EQUAL_REGISTER, 1, 3, 0))
        else:
            tests.append((0x15, 1, 0, 0))
    if rule.major != devicerules.ANY:
        tests.append((_JUMP_NOT_EQUAL, 4, 0, rule.major))
    if rule.minor != devicerules.ANY:
        tests.append((_JUMP_NOT_EQUAL, 5, 0, rule.minor))
    body: list[bytes] = []
    for index, (code, target, source, constant) in enumerate(tests):
        body.append(_instruction(code, target, source, len(tests) - index - 1 + 2, constant))
    return [*head, *body, *_answer(1 if rule.allow else 0)]


def _bpf(command: int, attribute: bytes) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(attribute, len(attribute))
    result = calls.syscall("bpf", command, buffer, len(attribute), path=f"bpf command {command}")
    return result, buffer.raw


def load(instructions: bytes) -> int:
    """The program as a descriptor; raises OSError."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license_text = ctypes.create_string_buffer(b"Apache")
    attribute = struct.pack(
        "<IIQQIIQI4x",
        BPF_PROG_TYPE_CGROUP_DEVICE,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(license_text),
        0,
        0,
        0,
        0,
    )
    return _bpf(BPF_PROG_LOAD, attribute)[0]


def attach(folder: str, rules: list[devicerules.Rule]) -> None:
    """Let the group use the devices that `rules` name and no others; former filters of ours are taken away."""
    group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        former = _attached(group)
        loaded = load(program(rules))
        try:
            _bpf(BPF_PROG_ATTACH, struct.pack("<IIII", group, loaded, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI))
        finally:
            os.close(loaded)
        for number in former:
            old = _bpf(BPF_PROG_GET_FD_BY_ID, struct.pack("<III", number, 0, 0))[0]
            try:
                _bpf(BPF_PROG_DETACH, struct.pack("<IIII", group, old, BPF_CGROUP_DEVICE, 0))
            finally:
                os.close(old)
    finally:
        os.close(group)


def _attached(group: int) -> list[int]:
    numbers = (ctypes.c_uint32 * 64)()
    attribute = struct.pack("<IIIIQI4x", group, BPF_CGROUP_DEVICE, 0, 0, ctypes.addressof(numbers), len(numbers))
    answer = _bpf(BPF_PROG_QUERY, attribute)[1]
    count = struct.unpack_from("<I", answer, 24)[0]
    return list(numbers[:count])
