"""What boxshipd does when it is told to: run, or show its configuration."""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from boxship.daemon import builtins, config, listeners, locks, logs, memory, notify, settings
from boxship.wiring import graph, sections

_log = logging.getLogger("boxshipd")
_GRACE = 5.0  # seconds for calls that are being answered when we are told to go
_GATHERING = 0.5  # seconds for clients to come back, before shims tell what happened while there was no daemon


class Failed(Exception):
    """The daemon cannot run; the message says why."""


def run(told: Mapping[str, str]) -> int:
    """Do what the command line says (`main.plain` has its keys). Returns the exit status of the process."""
    try:
        return _COMMANDS[told.get("command", "")](told)
    except (config.Refused, locks.Held, listeners.Refused, sections.BadValue, graph.Loop, Failed) as exc:
        print(f"boxshipd: {exc}", file=sys.stderr)  # noqa: T201 - before and beside the log
    except OSError as exc:
        print(f"boxshipd: {exc.filename or 'boxshipd'}: {exc.strerror}", file=sys.stderr)  # noqa: T201 - as above
    return 1


def serve(line: Mapping[str, str]) -> int:
    """Run until SIGTERM or SIGINT. Containers go on without us."""
    loaded = _load(line)
    told = loaded.settings
    logs.start(told.debug.level, told.debug.format)
    for warning in loaded.warnings:
        _log.warning("%s", warning)
    os.umask(0o077)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    stopping = _stop_signals()
    memory.economize()
    with _running(told) as engine:
        engine.listen_to_shims()
        engine.listen_to_clients()
        memory.settle()
        _log.info("boxshipd successfully booted, serving on %s", told.grpc.address)
        notify.tell("READY=1")
        stopping.wait(_GATHERING)
        engine.answer_shims()
        stopping.wait()
        notify.tell("STOPPING=1")
        _log.info("stopping; containers go on")
    return 0


@contextlib.contextmanager
def _running(told: settings.Settings) -> Any:
    from boxship.daemon import engine, processes

    processes.take_descriptors()
    _prepare(told)
    try:
        made = engine.Engine(told, rested=memory.give_back)
    except engine.Incomplete as exc:
        raise Failed(str(exc)) from exc
    try:
        yield made
    finally:
        made.close(_GRACE)


def _prepare(told: settings.Settings) -> None:
    """What a daemon does to itself before it has threads."""
    if told.oom_score:
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(told.oom_score))
        except OSError as exc:
            _log.warning("cannot set the OOM score to %d: %s", told.oom_score, exc.strerror)
    ours = {part.uri for part in builtins.BUILTINS}
    for uri in told.plugins:
        if uri not in ours:
            _log.warning("settings of %s are ignored: there is no such plugin here", uri)


def _stop_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def show_default(_line: Mapping[str, str]) -> int:
    return _show(settings.Settings())


def show(line: Mapping[str, str]) -> int:
    return _show(_load(line).settings)


def _show(told: settings.Settings) -> int:
    """The settings with those of every part that can be imported."""
    parts = {}
    for builtin in builtins.BUILTINS:
        with contextlib.suppress(ImportError, AttributeError):
            registration = builtin.load()
            if registration.config is not None:
                parts[builtin.uri] = sections.read(registration.config, told.plugins.get(builtin.uri, {}), builtin.uri)
    sys.stdout.write(config.document(told, parts))
    return 0


def _load(line: Mapping[str, str]) -> config.Loaded:
    said: dict[str, Any] = {key: os.path.abspath(line[key]) for key in ("root", "state") if line.get(key)}
    if line.get("address"):
        said["grpc"] = {"address": line["address"]}
    if line.get("log_level"):
        said["debug"] = {"level": line["log_level"]}
    return config.load(line.get("config"), builtins.uri_of, said)


_COMMANDS: Mapping[str, Callable[[Mapping[str, str]], int]] = {"": serve, "default": show_default, "dump": show}
