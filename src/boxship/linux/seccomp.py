"""Seccomp: an OCI profile as a BPF program, compiled by libseccomp, kept by the profile's hash, loaded by the kernel.

Source: OCI runtime-spec config-linux.md "Seccomp"; seccomp(2); libseccomp's manual pages.
"""

import ctypes
import errno
import json
import os
import struct

# not hashlib, which maps the whole of OpenSSL into every shim
from _blake2 import blake2b
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from boxship.linux import calls, processes

SET_MODE_FILTER = 1
FLAG_TSYNC = 1
FLAG_LOG = 2
FLAG_SPEC_ALLOW = 4
FLAG_NEW_LISTENER = 8
FLAG_WAIT_KILLABLE_RECV = 32

FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 0,  # the process has one thread
    "SECCOMP_FILTER_FLAG_LOG": FLAG_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": FLAG_SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": FLAG_WAIT_KILLABLE_RECV,
}
# action -> (number, takes an errno)
ACTIONS = {
    "SCMP_ACT_KILL": (0x00000000, False),
    "SCMP_ACT_KILL_THREAD": (0x00000000, False),
    "SCMP_ACT_KILL_PROCESS": (0x80000000, False),
    "SCMP_ACT_TRAP": (0x00030000, False),
    "SCMP_ACT_ERRNO": (0x00050000, True),
    "SCMP_ACT_NOTIFY": (0x7FC00000, False),
    "SCMP_ACT_TRACE": (0x7FF00000, True),
    "SCMP_ACT_LOG": (0x7FFC0000, False),
    "SCMP_ACT_ALLOW": (0x7FFF0000, False),
}
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
# also the numbers that the kernel calls AUDIT_ARCH_…
ARCHITECTURES = {
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_ARM": 0x40000028,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_MIPS": 0x00000008,
    "SCMP_ARCH_MIPS64": 0x80000008,
    "SCMP_ARCH_MIPS64N32": 0xA0000008,
    "SCMP_ARCH_MIPSEL": 0x40000008,
    "SCMP_ARCH_MIPSEL64": 0xC0000008,
    "SCMP_ARCH_MIPSEL64N32": 0xE0000008,
    "SCMP_ARCH_PPC": 0x00000014,
    "SCMP_ARCH_PPC64": 0x80000015,
    "SCMP_ARCH_PPC64LE": 0xC0000015,
    "SCMP_ARCH_S390": 0x00000016,
    "SCMP_ARCH_S390X": 0x80000016,
    "SCMP_ARCH_RISCV64": 0xC00000F3,
}
NATIVE = ARCHITECTURES["SCMP_ARCH_AARCH64" if calls.MACHINE == "aarch64" else "SCMP_ARCH_X86_64"]
_X32 = ARCHITECTURES["SCMP_ARCH_X32"]

_COMPILER = "1"  # part of the cache's key: raise it when `compile_profile` changes what it makes
_PROGRAM_LIMIT = 4096 * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A compiled profile; `flags` are those of seccomp(2), `listener` the socket that gets the notifications."""

    program: bytes
    flags: int = 0
    listener: str = ""


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


_library: ctypes.CDLL | None = None


def _libseccomp() -> ctypes.CDLL:
    global _library
    if _library is None:
        try:
            library = ctypes.CDLL("libseccomp.so.2")
        except OSError as failure:
            raise OSError(
                errno.ENOENT,
                "the specification has a seccomp profile, but libseccomp.so.2 cannot be loaded; install libseccomp2",
            ) from failure
        library.seccomp_init.restype = ctypes.c_void_p
        library.seccomp_init.argtypes = (ctypes.c_uint32,)
        library.seccomp_release.argtypes = (ctypes.c_void_p,)
        library.seccomp_release.restype = None
        library.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        library.seccomp_arch_remove.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
        library.seccomp_syscall_resolve_name_arch.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
        library.seccomp_rule_add_array.argtypes = (
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Compare),
        )  # fmt: skip
        library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
        _library = library
    return _library


class _Version(ctypes.Structure):
    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


def library_version() -> tuple[int, int, int]:
    """Of libseccomp; raises OSError where it is missing."""
    library = _libseccomp()
    library.seccomp_version.restype = ctypes.POINTER(_Version)
    found = library.seccomp_version().contents
    return found.major, found.minor, found.micro


def _action(name: str, errno_return: Any) -> int:
    try:
        number, takes_errno = ACTIONS[name]
    except KeyError:
        raise ValueError(f"string {name} is not a valid action for seccomp") from None
    if not takes_errno:
        return number
    return number | (errno.EPERM if errno_return is None else int(errno_return)) & 0xFFFF


def compile_profile(profile: Mapping[str, Any]) -> bytes:
    """The BPF program of an OCI `linux.seccomp`; raises ValueError for a bad profile, OSError without libseccomp."""
    library = _libseccomp()
    default = _action(profile.get("defaultAction", ""), profile.get("defaultErrnoRet"))
    context = library.seccomp_init(default)
    if not context:
        raise ValueError(f"seccomp default action {profile.get('defaultAction')!r} is not possible")
    try:
        architectures = _add_architectures(library, context, profile.get("architectures") or ())
        seen: set[int] = set()
        for rule in profile.get("syscalls") or ():
            _add_rule(library, context, rule, default, seen)
        program = _export(library, context)
    finally:
        library.seccomp_release(context)
    if default == ACTIONS["SCMP_ACT_ALLOW"][0] or default == (ACTIONS["SCMP_ACT_ERRNO"][0] | errno.ENOSYS):
        return program
    return _unknown_to_enosys(library, architectures, _names(profile)) + program


def _names(profile: Mapping[str, Any]) -> list[str]:
    return [name for rule in profile.get("syscalls") or () for name in rule.get("names") or ()]


def _add_architectures(library: ctypes.CDLL, context: int, names: Any) -> list[int]:
    tokens: list[int] = [NATIVE]
    for name in names:
        token = ARCHITECTURES.get(name)
        if token is None:
            raise ValueError(f"string {name} is not a valid arch for seccomp")
        if token == NATIVE:
            continue
        code = library.seccomp_arch_add(context, token)
        if code not in {0, -errno.EEXIST}:
            # another byte order: the library holds one per filter, and no such process can run here
            continue
        tokens.append(token)
    return tokens


def _add_rule(library: ctypes.CDLL, context: int, rule: Mapping[str, Any], default: int, seen: set[int]) -> None:
    action = _action(rule.get("action", ""), rule.get("errnoRet"))
    if action == default:
        return
    groups = _comparisons(rule.get("args") or ())
    for name in rule.get("names") or ():
        number = library.seccomp_syscall_resolve_name(os.fsencode(name))
        if number == -1:  # a name that this library does not know is passed over, as in runc
            continue
        seen.add(number)
        for group in groups:
            array = (_Compare * len(group))(*group)
            code = library.seccomp_rule_add_array(context, action, number, len(group), array)
            if code < 0 and code != -errno.EEXIST:
                raise ValueError(f"seccomp rule for {name!r}: {os.strerror(-code)}")


def _comparisons(arguments: Any) -> list[list[_Compare]]:
    """Conditions that hold together; two on the same argument are alternatives, as libseccomp takes one at a time."""
    compares: list[_Compare] = []
    for argument in arguments:
        operator = OPERATORS.get(argument.get("op", ""))
        if operator is None:
            raise ValueError(f"string {argument.get('op')} is not a valid operator for seccomp")
        compares.append(
            _Compare(
                int(argument.get("index", 0)), operator, int(argument.get("value", 0)), int(argument.get("valueTwo", 0))
            )
        )
    indexes = {compare.argument for compare in compares}
    if len(indexes) < len(compares):
        return [[compare] for compare in compares]
    return [compares]


def _export(library: ctypes.CDLL, context: int) -> bytes:
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        code = library.seccomp_export_bpf(context, descriptor)
        if code < 0:
            raise ValueError(f"seccomp profile cannot be compiled: {os.strerror(-code)}")
        return os.pread(descriptor, _PROGRAM_LIMIT * 16, 0)
    finally:
        os.close(descriptor)


_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH = 0, 4


def _statement(code: int, constant: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, constant)


def _unknown_to_enosys(library: ctypes.CDLL, architectures: list[int], names: list[str]) -> bytes:
    """Instructions before the filter: calls newer than any in the profile do not exist (ENOSYS), so that programs
    fall back on older ones, which they would not do on EPERM.
    """
    parts: list[bytes] = []
    for token in architectures:
        if token == _X32:
            continue  # shares its number with x86-64; its calls are above 2**30 and go on to the filter
        highest = max(
            (library.seccomp_syscall_resolve_name_arch(token, os.fsencode(name)) for name in names), default=-1
        )
        if highest < 0:
            continue
        parts.append(
            _statement(_JUMP_EQUAL, token, 0, 5)
            + _statement(_LOAD, _OFFSET_NUMBER)
            + _statement(_JUMP_GREATER_EQUAL, 0x40000000, 2, 0)
            + _statement(_JUMP_GREATER, highest, 0, 1)
            + _statement(_RETURN, ACTIONS["SCMP_ACT_ERRNO"][0] | errno.ENOSYS)
            + _statement(_LOAD, _OFFSET_ARCH)
        )
    if not parts:
        return b""
    return _statement(_LOAD, _OFFSET_ARCH) + b"".join(parts)


# --- the cache

_compiled: dict[str, Filter] = {}


def prepare(profile: Mapping[str, Any], *, cache: str | None = None) -> Filter:
    """A profile ready to load: from memory, from the folder `cache` (made 0700, read only if it is ours), or compiled.

    Raises ValueError naming what is wrong with the profile, OSError without libseccomp.
    """
    text = json.dumps(profile, sort_keys=True, separators=(",", ":"))
    key = blake2b(f"{_COMPILER}\n{calls.MACHINE}\n{text}".encode(), digest_size=32).hexdigest()
    found = _compiled.get(key)
    if found is None:
        flags = 0
        for name in profile.get("flags") or ():
            if name not in FLAGS:
                raise ValueError(f"seccomp flag {name!r} is unknown")
            flags |= FLAGS[name]
        program = _cached(cache, key) or _kept(cache, key, compile_profile(profile))
        found = Filter(
            program=program,
            flags=flags,
            listener=profile.get("listenerPath") or "",
        )
        _compiled[key] = found
    return found


def _cached(folder: str | None, key: str) -> bytes | None:
    if folder is None:
        return None
    try:
        descriptor = os.open(os.path.join(folder, key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return None
        content = os.read(descriptor, _PROGRAM_LIMIT * 16)
    finally:
        os.close(descriptor)
    check, program = content[:32], content[32:]
    return program if program and blake2b(program, digest_size=32).digest() == check else None


def _kept(folder: str | None, key: str, program: bytes) -> bytes:
    if folder is not None:
        temporary = os.path.join(folder, f".{key}.{os.getpid()}")
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, blake2b(program, digest_size=32).digest() + program)
            finally:
                os.close(descriptor)
            os.rename(temporary, os.path.join(folder, key))
        except OSError:
            return program  # a cache that cannot be written costs time, nothing else
    return program


# --- loading


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def load(prepared: Filter, *, listen: bool = False) -> int:
    """Put the calling thread under the filter; the listener's descriptor if one was asked for, else 0.

    Needs CAP_SYS_ADMIN or no_new_privs. Raises OSError.
    """
    buffer = ctypes.create_string_buffer(prepared.program, len(prepared.program))
    program = _Program(len(prepared.program) // 8, ctypes.addressof(buffer))
    flags = prepared.flags | (FLAG_NEW_LISTENER if listen else 0)
    if flags == 0:
        return processes.prctl(processes.PR_SET_SECCOMP, 2, ctypes.addressof(program), name="PR_SET_SECCOMP")
    return calls.syscall("seccomp", SET_MODE_FILTER, flags, ctypes.byref(program))
