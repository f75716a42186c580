"""What a caller may wish for a container, and the runtime spec that follows from it and the image."""

import json
import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from boxship.core import mounts, specs
from boxship.terms import errors, identifiers, oci, platforms
from boxship.terms.typed import TypedBytes

RUNTIME = "io.containerd.runc.v2"
PROFILE_LIMIT = 1 << 20
"""Bytes of a seccomp profile."""
LEAST_MEMORY = 6 << 20
LEAST_CPUS = 0.01
LONGEST_HOSTNAME = 64
"""Of sethostname(2)."""
_NETWORKS = ("none", "host")
_HOST_FILES = ("/etc/hosts", "/etc/resolv.conf")


class Options(TypedDict, total=False):
    """The keyword arguments of `containers.create` and `containers.run`; all may be left out.

    Attributes:
        name: the container's id; without one 12 hex digits are made up.
        env: on top of the image's; a mapping (None unsets), or `NAME=value` entries (`NAME` alone unsets).
        cwd: an absolute path inside; the image's working folder without it.
        user: as in an image: `name`, `uid`, `name:group`, ...
        hostname: the container's id without it.
        mounts: values (see `mount_of`), or texts like `/here:/there:ro`.
        memory: bytes, 6 MiB at least. cpus: number of processors, 0.01 at least. pids_limit: processes; 0 in any of
            them, or -1 processes, means no limit.
        read_only: the root file system cannot be written.
        network: "none" (a network namespace of its own, with loopback only) or "host".
        entrypoint: instead of the image's; its command is then not used either. Empty: none.
        cap_add, cap_drop: names of capabilities, or ALL.
        security_opt: `no-new-privileges[=BOOL]`, `seccomp=unconfined`, `seccomp=PATH`.
        privileged: all capabilities and devices, nothing masked, no seccomp.
        platform: of the image: `linux/arm64`.
        pull: "missing" (the default), "always" or "never".
        labels: on top of the image's.
        terminal: the process gets one. console_size: its columns and rows.
        runtime: `io.containerd.runc.v2` without it. runtime_options: what its shim understands.
        snapshotter: the daemon's default one without it.
        log: where a detached container writes, "" for nowhere; below the daemon's root without it.
    """

    name: str
    env: Mapping[str, str | None] | Sequence[str]
    cwd: str
    user: str
    hostname: str
    mounts: Sequence[mounts.Mount | str]
    memory: int | None
    cpus: float | None
    pids_limit: int | None
    read_only: bool
    network: str
    entrypoint: Sequence[str] | None
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    security_opt: Sequence[str]
    privileged: bool
    platform: str | platforms.Platform | None
    pull: str
    labels: Mapping[str, str]
    terminal: bool
    console_size: tuple[int, int] | None
    runtime: str
    runtime_options: TypedBytes | None
    snapshotter: str
    log: str | None


def spec(
    namespace: str,
    id: str,
    config: oci.ImageConfig,
    args: Sequence[str] | None,
    wished: Options,
    user: specs.User | None,
) -> specs.Spec:
    """The runtime spec of a container. Raises InvalidArgument for a wish that cannot be; see also `check`."""
    check(wished)
    made = specs.default(namespace, id)
    specs.set_process(
        made,
        command(config, None if args is None else words(args, "the command"), wished.get("entrypoint")),
        env=[*config.env, *entries(wished.get("env", ()))],
        cwd=wished.get("cwd") or _inside(config.working_dir),
        user=user,
        terminal=wished.get("terminal", False),
    )
    _size(made["process"], wished.get("console_size"))
    specs.set_hostname(made, _hostname(wished.get("hostname", ""), id))
    _share(made, wished.get("network", "none"))
    specs.add_mounts(made, [volume(each) if isinstance(each, str) else each for each in wished.get("mounts", ())])
    _limit(made, wished)
    if wished.get("read_only"):
        specs.set_read_only(made)
    _secure(made, wished)
    return made


def change_for_exec(
    made: specs.Spec,
    args: Sequence[str],
    *,
    env: Sequence[str],
    cwd: str,
    terminal: bool,
    privileged: bool,
    console_size: tuple[int, int] | None = None,
) -> None:
    """Turn the process of a container's spec into another one that runs beside it."""
    process = made["process"]
    process["terminal"] = False
    process.pop("consoleSize", None)
    specs.set_process(made, words(args, "the command"), env=env, cwd=cwd, terminal=terminal)
    _size(process, console_size)
    if privileged:
        specs.change_capabilities(made, add=["ALL"], all=_grantable())
        process["noNewPrivileges"] = False


def command(config: oci.ImageConfig, args: Sequence[str] | None, entrypoint: Sequence[str] | None) -> list[str]:
    """What runs: the entrypoint, and behind it the arguments or else, with the image's entrypoint, the image's command."""
    if entrypoint is None:
        return [*config.entrypoint, *(args or config.cmd)]
    return [*entrypoint, *(args or ())]


def entries(env: Mapping[str, str | None] | Sequence[str]) -> list[str]:
    """An environment as `NAME=value` entries; `NAME` alone unsets. Raises TypeError."""
    if isinstance(env, Mapping):
        return [name if value is None else f"{name}={value}" for name, value in env.items()]
    return words(env, "env")


def words(given: Sequence[str], what: str) -> list[str]:
    """A command or the like. Raises TypeError for one string, which would be taken for a list of letters."""
    if isinstance(given, str | bytes) or not all(isinstance(each, str) for each in given):
        raise TypeError(f"{what} must be a sequence of strings, such as ['echo', 'hi'], not {given!r}")
    return list(given)


_NUMBERS = {"memory": int, "cpus": int | float, "pids_limit": int}


def check(options: Options) -> None:
    """Raises TypeError for an option that there is not, and for a number that is none."""
    if unknown := set(options) - set(Options.__annotations__):
        raise TypeError(f"there is no option {min(unknown)!r}; there are {', '.join(Options.__annotations__)}")
    for name, kind in _NUMBERS.items():
        value = options.get(name)
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} must be a number, not {value!r}")


def matcher(platform: str | platforms.Platform | None) -> platforms.Matcher:
    """What runs where `platform` runs; this machine's without one. Raises InvalidArgument."""
    if isinstance(platform, str):
        platform = platforms.parse(platform)
    return platforms.only(platform or platforms.default())


def volume(text: str) -> mounts.Mount:
    """The bind mount that `SOURCE:TARGET[:ro]` asks for. Raises InvalidArgument."""
    source, *rest = text.split(":")
    if not source.startswith("/") or len(rest) not in {1, 2} or not rest[0].startswith("/"):
        raise errors.InvalidArgument(f"volume {text!r}: it must look like /here:/there or /here:/there:ro")
    if unknown := set(rest[1].split(",") if len(rest) == 2 else ()) - _VOLUME_OPTIONS:
        raise errors.InvalidArgument(
            f"volume {text!r}: {min(unknown)!r} is not understood; {', '.join(sorted(_VOLUME_OPTIONS - {''}))} are"
        )
    wanted = [option for option in (rest[1].split(",") if len(rest) == 2 else []) if option]
    if not {"ro", "rw"} & set(wanted):
        wanted.append("rw")
    return mounts.Mount(type="bind", source=source, target=rest[0], options=("rbind", *wanted))


_VOLUME_OPTIONS = frozenset({
    "", "ro", "rw", "rbind", "bind", "private", "rprivate", "shared", "rshared", "slave", "rslave", "noexec", "nosuid", "nodev",
})  # fmt: skip


def mount_of(text: str) -> mounts.Mount:
    """The mount that `type=bind,src=/a,dst=/b,options=rbind:ro` asks for, as ctr's --mount. Raises InvalidArgument."""
    found: dict[str, str] = {}
    options: list[str] = []
    for field in text.split(","):
        name, equals, value = field.partition("=")
        name = _MOUNT_WORDS.get(name, "")
        if name == "options" and equals:
            options += [option for option in value.split(":") if option]
        elif name == "readonly":
            options += [] if value in {"false", "0"} else ["ro"]
        elif name and equals:
            found[name] = value
        else:
            raise errors.InvalidArgument(
                f"mount {text!r}: {field!r} is not understood; type=, src=, dst=, options= are"
            )
    if "target" not in found:
        raise errors.InvalidArgument(f"mount {text!r}: dst= is missing, the path inside")
    type = found.get("type", "bind")
    if type in _NOT_KEPT:
        raise errors.InvalidArgument(
            f"mount {text!r}: there is no type={type} here; type=bind shows a folder, as -v does"
        )
    if type == "bind" and not {"bind", "rbind"} & set(options):
        options.insert(0, "rbind")
    return mounts.Mount(type=type, source=found.get("source", type), target=found["target"], options=tuple(options))


_NOT_KEPT = frozenset({"volume", "image", "npipe", "cluster"})  # Docker's, and not the kernel's
_MOUNT_WORDS = {
    **dict.fromkeys(("src", "source"), "source"),
    **dict.fromkeys(("dst", "destination", "target"), "target"),
    **dict.fromkeys(("ro", "readonly"), "readonly"),
    "type": "type",
    "options": "options",
}


def _hostname(wished: str, id: str) -> str:
    """The wish, or the id as far as the kernel takes it."""
    if len(wished.encode()) > LONGEST_HOSTNAME:
        raise errors.InvalidArgument(
            f"host name {wished[:LONGEST_HOSTNAME]}…: it may have {LONGEST_HOSTNAME} characters, not {len(wished)}"
        )
    return wished or id[:LONGEST_HOSTNAME].rstrip("-._")


def name(given: str) -> str:
    """The name itself. Raises InvalidArgument for what cannot be a container's."""
    try:
        return identifiers.validate(given)
    except errors.InvalidArgument:
        raise errors.InvalidArgument(
            f"name {given[:80]!r}: it must be of letters and digits, with single . _ - between them, "
            f"and have {identifiers.MAX_LENGTH} characters at most"
        ) from None


def _size(process: dict[str, Any], wanted: tuple[int, int] | None) -> None:
    if wanted and process.get("terminal"):
        process["consoleSize"] = {"width": wanted[0], "height": wanted[1]}


def _inside(folder: str) -> str:
    """An image's working folder; a relative one counts from the root."""
    return folder if not folder or folder.startswith("/") else f"/{folder}"


def _limit(made: specs.Spec, wished: Options) -> None:
    memory, cpus, pids = (wished.get("memory") or None, wished.get("cpus") or None, wished.get("pids_limit"))
    if memory is not None and memory < LEAST_MEMORY:
        raise errors.InvalidArgument(
            f"memory limit of {memory} bytes: nothing starts with less than {LEAST_MEMORY} (6m)"
        )
    if cpus is not None and cpus < LEAST_CPUS:
        raise errors.InvalidArgument(f"{cpus} processors: it must be {LEAST_CPUS} at least, or 0 for no limit")
    specs.limit(made, memory=memory, cpus=cpus, pids=-1 if pids == 0 else pids)


def _share(made: specs.Spec, network: str) -> None:
    if network not in _NETWORKS:
        raise errors.InvalidArgument(f"network {network!r}: it can be {' or '.join(_NETWORKS)}")
    if network == "host":
        specs.share_namespace(made, "network")
        files = [path for path in _HOST_FILES if os.path.exists(path)]
        specs.add_mounts(
            made, [mounts.Mount(type="bind", source=path, target=path, options=("rbind", "ro")) for path in files]
        )


def _secure(made: specs.Spec, wished: Options) -> None:
    profile, confined = None, True
    if wished.get("privileged"):
        specs.make_privileged(made, _grantable())
        made["linux"]["devices"] = _devices()
        confined = False
    add, drop = wished.get("cap_add", ()), wished.get("cap_drop", ())
    specs.change_capabilities(made, add=add, drop=drop, all=_grantable() if add else ())
    for option in wished.get("security_opt", ()):
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges" and value in {"", "true", "false"}:
            made["process"]["noNewPrivileges"] = value != "false"
        elif name == "seccomp" and value:
            confined = value != "unconfined"
            profile = _profile(value) if confined else None
        else:
            raise errors.InvalidArgument(
                f"security option {option!r}: no-new-privileges[=BOOL], seccomp=unconfined and seccomp=PATH are known"
            )
    if profile is not None:
        made["linux"]["seccomp"] = profile
    elif confined:
        specs.confine(made, os.uname().machine)


def _profile(path: str) -> dict[str, Any]:
    """A seccomp profile in the words of the runtime spec."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(PROFILE_LIMIT + 1)[:PROFILE_LIMIT])
    except (OSError, ValueError) as exc:
        raise errors.InvalidArgument(f"seccomp profile {path}: {exc}") from exc
    if not isinstance(found, dict) or "defaultAction" not in found:
        raise errors.InvalidArgument(f"seccomp profile {path}: it has no defaultAction")
    if "archMap" in found or any("includes" in each or "excludes" in each for each in found.get("syscalls", ())):
        raise errors.InvalidArgument(
            f"seccomp profile {path} is written in Docker's words (archMap, includes, excludes): "
            "write it in those of the OCI runtime spec"
        )
    return found


def _grantable() -> list[str]:
    """All capabilities, but for those that this machine keeps from everybody: the kernel would refuse the container."""
    from boxship.linux import capabilities

    here = capabilities.bounding()
    return [name for name in specs.ALL_CAPABILITIES if here >> capabilities.BITS[name] & 1]


def _devices() -> list[dict[str, Any]]:
    """The devices of this machine, but for terminals, which containers have of their own."""
    found = []
    for folder, below, names in os.walk("/dev"):
        below[:] = [each for each in below if each not in _OWN_FOLDERS]
        for name in names:
            path = os.path.join(folder, name)
            try:
                told = os.lstat(path)
            except OSError:
                continue
            kind = "c" if stat.S_ISCHR(told.st_mode) else "b" if stat.S_ISBLK(told.st_mode) else ""
            if kind and path not in _OWN_DEVICES:
                number = {"type": kind, "major": os.major(told.st_rdev), "minor": os.minor(told.st_rdev)}
                found.append({"path": path, **number, "fileMode": stat.S_IMODE(told.st_mode)})
    return found


_OWN_FOLDERS = frozenset({"pts", "shm", "mqueue", "fd"})
_OWN_DEVICES = frozenset(
    f"/dev/{name}" for name in ("console", "full", "null", "ptmx", "random", "tty", "urandom", "zero")
)
