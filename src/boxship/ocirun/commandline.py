"""The command line of runc: global options, the table of commands, and what becomes of their failures."""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from boxship.ocirun import errors, flags, logs, store

VERSION = "1.2.1"
DEFAULT_ROOT = "/run/boxship-oci"

_GLOBAL = (
    flags.Flag(name="debug", takes_value=False, help="enable debug logging"),
    flags.Flag(name="log", help="set the log file to write logs to", default="/dev/stderr"),
    flags.Flag(name="log-format", help="set the log format ('text', or 'json')", default="text"),
    flags.Flag(name="root", help="root directory for storage of container state (this should be located in tmpfs)",
               default=DEFAULT_ROOT),
    flags.Flag(name="criu", help="accepted for runc's sake, checkpoints are not supported"),
    flags.Flag(name="systemd-cgroup", takes_value=False, help="accepted for runc's sake, refused when used"),
    flags.Flag(name="rootless", help="accepted for runc's sake", default="auto"),
    flags.Flag(name="help", letter="h", takes_value=False, help="show help"),
    flags.Flag(name="version", letter="v", takes_value=False, help="print the version"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    module: str
    function: str
    usage: str
    summary: str
    arguments: tuple[int, int | None]  # least and most
    options: tuple[flags.Flag, ...] = ()


def _flag(name: str, help: str, letter: str = "") -> flags.Flag:
    return flags.Flag(name=name, letter=letter, help=help)


def _switch(name: str, help: str, letter: str = "") -> flags.Flag:
    return flags.Flag(name=name, letter=letter, takes_value=False, help=help)


_MAKING = (
    _flag("bundle", "path to the root of the bundle directory, defaults to the current directory", "b"),
    _flag("console-socket", "path to an AF_UNIX socket which will receive the master end of the pty"),
    _flag("pidfd-socket", "path to an AF_UNIX socket which will receive a pidfd of the process"),
    _flag("pid-file", "specify the file to write the process id to"),
    _switch("no-pivot", "do not use pivot root to jail process inside rootfs"),
    _switch("no-new-keyring", "do not create a new session keyring for the container"),
    _flag("preserve-fds", "pass N additional file descriptors to the container"),
    _switch("dry-run", "print the plan and do nothing"),
)
_FORMAT = _flag("format", 'select one of: table or json (default: "table")', "f")

COMMANDS: dict[str, Command] = {
    "create": Command(
        module="making", function="create", usage="<container-id>", summary="create a container",
        arguments=(1, 1), options=_MAKING,
    ),
    "run": Command(
        module="making", function="run", usage="<container-id>", summary="create and run a container",
        arguments=(1, 1),
        options=(
            *_MAKING,
            _switch("detach", "detach from the container's process", "d"),
            _switch("keep", "do not delete the container after it exits"),
            _switch("no-subreaper", "disable the use of the subreaper used to reap reparented processes"),
        ),
    ),
    "start": Command(
        module="running", function="start", usage="<container-id>",
        summary="executes the user defined process in a created container", arguments=(1, 1),
    ),
    "state": Command(
        module="showing", function="state", usage="<container-id>", summary="output the state of a container",
        arguments=(1, 1),
    ),
    "list": Command(
        module="showing", function="list_all", usage="", summary="lists containers started with the given root",
        arguments=(0, 0), options=(_FORMAT, _switch("quiet", "display only container IDs", "q")),
    ),
    "kill": Command(
        module="running", function="kill", usage="<container-id> [signal]",
        summary="kill sends the specified signal (default: SIGTERM) to the container's init process",
        arguments=(1, 2), options=(_switch("all", "send the signal to all processes inside the container", "a"),),
    ),
    "delete": Command(
        module="running", function="delete", usage="<container-id>",
        summary="delete any resources held by the container", arguments=(1, 1),
        options=(_switch("force", "forcibly deletes the container if it is still running (uses SIGKILL)", "f"),),
    ),
    "exec": Command(
        module="executing", function="execute", usage="<container-id> <command> [command options]",
        summary="execute new process inside the container", arguments=(1, None),
        options=(
            _flag("console-socket", "path to an AF_UNIX socket which will receive the master end of the pty"),
            _flag("pidfd-socket", "path to an AF_UNIX socket which will receive a pidfd of the process"),
            _flag("cwd", "current working directory in the container"),
            _flag("env", "set environment variables", "e"),
            _switch("tty", "allocate a pseudo-TTY", "t"),
            _flag("user", "UID (format: <uid>[:<gid>])", "u"),
            _flag("additional-gids", "additional gids", "g"),
            _flag("process", "path to the process.json", "p"),
            _switch("detach", "detach from the container's process", "d"),
            _flag("pid-file", "specify the file to write the process id to"),
            _flag("process-label", "set the process label for the process commonly used with selinux"),
            _flag("apparmor", "set the apparmor profile for the process"),
            _switch("no-new-privs", "set the no new privileges value for the process"),
            _flag("cap", "add a capability to the bounding set for the process", "c"),
            _flag("preserve-fds", "pass N additional file descriptors to the container"),
            _flag("cgroup", "run the process in an (existing) sub-cgroup(s), [<controller>:]<cgroup>"),
            _switch("ignore-paused", "allow exec in a paused container"),
        ),
    ),
    "pause": Command(
        module="running", function="pause", usage="<container-id>",
        summary="pause suspends all processes inside the container", arguments=(1, 1),
    ),
    "resume": Command(
        module="running", function="resume", usage="<container-id>",
        summary="resumes all processes that have been previously paused", arguments=(1, 1),
    ),
    "ps": Command(
        module="showing", function="ps", usage="<container-id> [ps options]",
        summary="ps displays the processes running inside a container", arguments=(1, None), options=(_FORMAT,),
    ),
    "events": Command(
        module="showing", function="events", usage="<container-id>",
        summary="display container events such as OOM notifications, cpu, memory, and IO usage statistics",
        arguments=(1, 1),
        options=(
            _flag("interval", "set the stats collection interval (default: 5s)"),
            _switch("stats", "display the container's stats then exit"),
        ),
    ),
    "update": Command(
        module="updating", function="update", usage="<container-id>",
        summary="update container resource constraints", arguments=(1, 1),
        options=(
            _flag("resources", "path to the file containing the resources to update or '-' for standard input", "r"),
            *(
                _flag(name, help)
                for name, help in (
                    ("blkio-weight", "per cgroup weight, range is from 10 to 1000"),
                    ("cpu-period", "CPU CFS period to be used for hardcapping (in usecs)"),
                    ("cpu-quota", "CPU CFS hardcap limit (in usecs)"),
                    ("cpu-burst", "CPU CFS hardcap burst limit (in usecs)"),
                    ("cpu-share", "CPU shares (relative weight vs. other containers)"),
                    ("cpu-rt-period", "CPU realtime period (in usecs)"),
                    ("cpu-rt-runtime", "CPU realtime hardcap limit (in usecs)"),
                    ("cpuset-cpus", "CPU(s) to use"),
                    ("cpuset-mems", "memory node(s) to use"),
                    ("cpu-idle", "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"),
                    ("memory", "memory limit (in bytes)"),
                    ("memory-reservation", "memory reservation or soft_limit (in bytes)"),
                    ("memory-swap", "total memory usage (memory + swap); '-1' for unlimited swap"),
                    ("pids-limit", "maximum number of pids allowed in the container"),
                    ("l3-cache-schema", "not supported"),
                    ("mem-bw-schema", "not supported"),
                )
            ),
        ),
    ),
    "spec": Command(
        module="specifying", function="spec", usage="", summary="create a new specification file", arguments=(0, 0),
        options=(
            _flag("bundle", "path to the root of the bundle directory", "b"),
            _switch("rootless", "generate a configuration for a rootless container"),
        ),
    ),
    "features": Command(
        module="showing", function="features", usage="", summary="show the enabled features", arguments=(0, 0),
    ),
}  # fmt: skip

# how the log starts when a command fails
_PREFIXES = {"create": "runc create failed: ", "run": "runc run failed: ", "exec": "exec failed: "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a command is told."""

    options: flags.Values
    arguments: list[str]
    store: store.Store
    journal: logs.Log
    systemd_cgroup: bool


def run(words: Sequence[str]) -> int:
    """Run the command line; the exit status."""
    try:
        found, rest = flags.parse(_GLOBAL, words)
    except flags.UsageError as failure:
        return _misuse(str(failure), None, logs.Log("", "text"))
    if found.on("version"):
        return _version()
    if found.on("help") or not rest or rest[0] in {"help", "h"}:
        sys.stdout.write(_help())
        return 0
    style = found.text("log-format", "text")
    try:
        journal = logs.Log(found.text("log"), style, debug=found.on("debug"))
    except OSError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    name = rest[0]
    command = COMMANDS.get(name)
    if style not in {"text", "json"}:
        journal.error(f'invalid log-format: "{style}"')
        return 1
    if command is None:
        if name in {"checkpoint", "restore"}:
            journal.error(f"{name} is not supported by boxship-oci")
            return 1
        journal.error(f"No help topic for '{name}'\n")
        return 3
    return _call(name, command, rest[1:], found, journal)


def _call(name: str, command: Command, words: Sequence[str], found: flags.Values, journal: logs.Log) -> int:
    try:
        options, arguments = flags.parse((*command.options, _GLOBAL[-2]), words)
        if options.on("help"):
            sys.stdout.write(_usage(name, command))
            return 0
        _check_count(name, command, arguments)
    except flags.UsageError as failure:
        return _misuse(str(failure), (name, command), journal)
    module = importlib.import_module(f"boxship.ocirun.commands.{command.module}")
    call = Call(
        options=options,
        arguments=arguments,
        store=store.Store(os.path.abspath(found.text("root", DEFAULT_ROOT))),
        journal=journal,
        systemd_cgroup=found.on("systemd-cgroup"),
    )
    try:
        status: int = getattr(module, command.function)(call)
    except flags.UsageError as failure:
        return _misuse(str(failure), (name, command), journal)
    except errors.Fault as fault:
        text = errors.sentence(fault) if name in _PREFIXES else str(fault)
        journal.error(_PREFIXES.get(name, "") + text)
        return 255 if name == "exec" else 1
    except OSError as failure:
        journal.error(_PREFIXES.get(name, "") + str(failure))
        return 255 if name == "exec" else 1
    return status


def _check_count(name: str, command: Command, arguments: Sequence[str]) -> None:
    least, most = command.arguments
    if most == least and len(arguments) != least:
        raise flags.UsageError(f'runc: "{name}" requires exactly {least} argument(s)')
    if len(arguments) < least:
        raise flags.UsageError(f'runc: "{name}" requires a minimum of {least} argument(s)')
    if most is not None and len(arguments) > most:
        raise flags.UsageError(f'runc: "{name}" requires a maximum of {most} argument(s)')


def _misuse(message: str, command: tuple[str, Command] | None, journal: logs.Log) -> int:
    sys.stdout.write("Incorrect Usage.\n\n" + (_usage(*command) if command else _help()))
    sys.stdout.flush()
    journal.error(message)
    return 1


def _version() -> int:
    from boxship import __version__

    lines = [f"boxship-oci version {__version__}", f"spec: {VERSION}"]
    try:
        from boxship.linux import seccomp

        lines.append("libseccomp: " + ".".join(map(str, seccomp.library_version())))
    except OSError:
        lines.append("libseccomp: none")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _help() -> str:
    commands = "\n".join(f"   {name:<12}{command.summary}" for name, command in COMMANDS.items())
    return (
        "NAME:\n   boxship-oci - Open Container Initiative runtime\n\n"
        "USAGE:\n   boxship-oci [global options] command [command options] [arguments...]\n\n"
        f"COMMANDS:\n{commands}\n\nGLOBAL OPTIONS:\n{_options(_GLOBAL)}\n"
    )


def _usage(name: str, command: Command) -> str:
    text = (
        f"NAME:\n   boxship-oci {name} - {command.summary}\n\n"
        f"USAGE:\n   boxship-oci {name} [command options] {command.usage}\n"
    )
    return text + (f"\nOPTIONS:\n{_options(command.options)}\n" if command.options else "")


def _options(options: Sequence[flags.Flag]) -> str:
    width = max(len(flag.usage()) for flag in options) + 2
    return "\n".join(f"   {flag.usage():<{width}}{flag.help}" for flag in options)
