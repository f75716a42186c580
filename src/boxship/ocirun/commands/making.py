"""create and run."""

import contextlib
import json
import os
import sys
from typing import Any

from boxship.linux import cgrouptree, processes
from boxship.ocirun import container, delete, errors, foreground, plan, start, store
from boxship.ocirun import create as creating
from boxship.ocirun.commandline import Call

_SPEC_LIMIT = 64 << 20


def create(call: Call) -> int:
    """Make a container whose init waits for `start`."""
    spec, bundle = _load(call)
    if call.options.on("dry-run"):
        return _show_plan(call, spec, bundle)
    _check_terminal(spec, call, detached=True)
    box = _make(call, spec, bundle, with_fifo=True)
    _hand_out(call, box)
    return 0


def run(call: Call) -> int:
    """Make a container and start it; the exit status is its own unless it is detached."""
    spec, bundle = _load(call)
    if call.options.on("dry-run"):
        return _show_plan(call, spec, bundle)
    detached = call.options.on("detach")
    _check_terminal(spec, call, detached=detached)
    if not detached and not call.options.on("no-subreaper"):
        processes.set_subreaper()
    box = _make(call, spec, bundle, with_fifo=False)
    try:
        _hand_out(call, box)
        with foreground.session(box.console, interactive=not detached) as session:
            start.start(box, warn=call.journal.warning)
            if detached:
                return 0
            status = session.attend(box.pidfd)
    except BaseException:
        _remove(call, box)
        raise
    if not call.options.on("keep"):
        _remove(call, box)
    return status


def _remove(call: Call, box: container.Container) -> None:
    try:
        delete.delete(box, force=True, warn=call.journal.warning)
    finally:
        call.store.forget(box.id)


def _load(call: Call) -> tuple[dict[str, Any], str]:
    bundle = call.options.text("bundle") or "."
    try:
        os.chdir(bundle)
    except OSError as failure:
        text = os.strerror(failure.errno or 0).lower()
        raise errors.SpecFault(f"chdir {bundle}: {text}", step="bundle", path=bundle) from None
    try:
        with open("config.json", "rb") as file:
            content = file.read(_SPEC_LIMIT)
    except FileNotFoundError:
        raise errors.SpecFault("JSON specification file config.json not found", step="config.json") from None
    try:
        spec = json.loads(content)
    except ValueError as failure:
        raise errors.SpecFault(f"config.json: {failure}", step="config.json") from None
    if not isinstance(spec, dict):
        raise errors.SpecFault("config.json: an object is expected", step="config.json")
    return spec, os.getcwd()


def _show_plan(call: Call, spec: dict[str, Any], bundle: str) -> int:
    made = plan.build(spec, id=call.arguments[0], bundle=bundle, tree=cgrouptree.tree(), warn=call.journal.warning)
    sys.stdout.write("\n".join(made.describe()) + "\n")
    return 0


def _check_terminal(spec: dict[str, Any], call: Call, *, detached: bool) -> None:
    terminal = bool((spec.get("process") or {}).get("terminal"))
    foreground.check_terminal(terminal, call.options.text("console-socket"), detached=detached)


def _make(call: Call, spec: dict[str, Any], bundle: str, *, with_fifo: bool) -> container.Container:
    id = call.arguments[0]
    folder = call.store.reserve(id)
    fifo: int | None = None
    try:
        if with_fifo:
            path = os.path.join(folder, store.FIFO)
            os.mkfifo(path, 0o622)
            fifo = os.open(path, os.O_PATH | os.O_CLOEXEC)
        preserve = _listen(spec) + (call.options.number("preserve-fds") or 0)
        box = creating.create(
            spec,
            id=id,
            bundle=bundle,
            preserve_fds=preserve,
            no_pivot=call.options.on("no-pivot"),
            no_new_keyring=call.options.on("no-new-keyring"),
            systemd_cgroup=call.systemd_cgroup,
            seccomp_cache=call.store.filters,
            fifo=fifo,
            warn=call.journal.warning,
        )
        call.store.save(box)
    except BaseException:
        call.store.forget(id)
        raise
    finally:
        if fifo is not None:
            os.close(fifo)
    return box


def _listen(spec: dict[str, Any]) -> int:
    """Sockets handed over by the way of systemd go on into the container."""
    count = os.environ.get("LISTEN_FDS", "")
    if not count.isdigit() or os.environ.get("LISTEN_PID") not in {None, str(os.getpid())}:
        return 0
    process = spec.setdefault("process", {})
    process["env"] = [*(process.get("env") or ()), f"LISTEN_FDS={count}", "LISTEN_PID=1"]
    return int(count)


def _hand_out(call: Call, box: container.Container) -> None:
    """Pid file, console and pidfd to whoever asked for them; a container that cannot be handed out is removed."""
    try:
        foreground.hand_out(
            box,
            console_socket=call.options.text("console-socket"),
            pidfd_socket=call.options.text("pidfd-socket"),
            pid_file=call.options.text("pid-file"),
        )
    except BaseException:
        with contextlib.suppress(errors.Fault):
            _remove(call, box)
        raise
