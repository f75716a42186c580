"""exec."""

import json
import os
from typing import Any

from boxship.linux import cgroupfiles, cgroups
from boxship.ocirun import container, errors, flags, foreground
from boxship.ocirun import exec as executing
from boxship.ocirun.commandline import Call

_LIMIT = 16 << 20


def execute(call: Call) -> int:
    """Run a process in a container; the exit status is its own unless it is detached."""
    options = call.options
    wanted: dict[str, Any] | None = None
    if options.given("process"):
        wanted = _read(options.text("process"))
    box = call.store.load(call.arguments[0])
    if container.status(box) == "stopped":
        raise errors.SpecFault("cannot exec in a stopped container", step="exec")
    if wanted is None:
        wanted = _from_options(call, box)
    detached = options.on("detach")
    foreground.check_terminal(bool(wanted.get("terminal")), options.text("console-socket"), detached=detached)
    born = executing.execute(
        box,
        wanted,
        preserve_fds=options.number("preserve-fds") or 0,
        ignore_paused=options.on("ignore-paused"),
        seccomp_cache=call.store.filters,
        cgroup=_group(box, options),
        warn=call.journal.warning,
    )
    foreground.hand_out(
        born,
        console_socket=options.text("console-socket"),
        pidfd_socket=options.text("pidfd-socket"),
        pid_file=options.text("pid-file"),
    )
    if detached:
        return 0
    with foreground.session(born.console, interactive=True) as session:
        return session.attend(born.pidfd)


def _read(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        found = json.loads(file.read(_LIMIT))
    if not isinstance(found, dict):
        raise errors.SpecFault(f"{path}: an object is expected", step="process", path=path)
    return found


def _from_options(call: Call, box: container.Container) -> dict[str, Any]:
    """The container's own process with other arguments, and what the options change."""
    options = call.options
    wanted = dict(box.spec.get("process") or {})
    wanted["args"] = call.arguments[1:]
    if not wanted["args"]:
        raise errors.SpecFault("process args cannot be empty", step="process.args")
    wanted["terminal"] = options.on("tty")
    wanted["env"] = [*(wanted.get("env") or ()), *options.all("env")]
    if options.given("cwd"):
        wanted["cwd"] = options.text("cwd")
    if options.given("apparmor"):
        wanted["apparmorProfile"] = options.text("apparmor")
    if options.given("process-label"):
        wanted["selinuxLabel"] = options.text("process-label")
    if options.on("no-new-privs"):
        wanted["noNewPrivileges"] = True
    wanted["user"] = _user(dict(wanted.get("user") or {}), options)
    if added := options.all("cap"):
        sets = {name: list(names or ()) for name, names in (wanted.get("capabilities") or {}).items()}
        for name in ("bounding", "effective", "permitted"):
            sets[name] = [*sets.get(name, ()), *added]
        wanted["capabilities"] = sets
    return wanted


def _user(user: dict[str, Any], options: flags.Values) -> dict[str, Any]:
    text = options.text("user")
    if text:
        uid, colon, gid = text.partition(":")
        if not uid.isdigit() or (colon and not gid.isdigit()):
            raise errors.SpecFault(f"parsing {text!r} as int for uid failed: invalid syntax", step="user")
        user["uid"] = int(uid)
        if colon:
            user["gid"] = int(gid)
    if groups := options.all("additional-gids"):
        if not all(group.isdigit() for group in groups):
            raise errors.SpecFault(f"additional gids {groups!r} must be numbers", step="user")
        user["additionalGids"] = [*(user.get("additionalGids") or ()), *map(int, groups)]
    return user


def _group(box: container.Container, options: flags.Values) -> cgroups.Cgroup | None:
    """`[controller:]path` below the container's groups; the folders must be there."""
    if not options.given("cgroup"):
        return None
    paths = dict(box.cgroup.paths)
    for text in options.all("cgroup"):
        names, colon, path = text.rpartition(":")
        for name in names.split(",") if colon else list(paths):
            if name not in paths:
                raise errors.SpecFault(f"--cgroup: no controller {name!r} here", step="cgroup")
            inner = os.path.normpath("/" + path).lstrip("/")
            folder = os.path.join(box.cgroup.paths[name], inner) if inner else box.cgroup.paths[name]
            if not cgroupfiles.is_group(folder):
                raise errors.SpecFault(f"--cgroup: {folder} does not exist", step="cgroup", path=folder)
            paths[name] = folder
    return cgroups.find(paths)
