"""boxshipd: the engine as a daemon, with containerd's command line."""

import argparse
import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import boxship
from boxship.daemon import builtins, config, listeners, locks, logs, notify, settings
from boxship.wiring import graph, sections

_log = logging.getLogger("boxshipd")
_GRACE = 5.0  # seconds for calls that are being answered when we are told to go
_GATHERING = 0.5  # seconds for clients to come back, before shims tell what happened while there was no daemon


def main(arguments: Sequence[str] | None = None) -> int:
    """The process. Returns its exit status."""
    options = _parse(arguments)
    try:
        return int(options.run(options))
    except (config.Refused, locks.Held, listeners.Refused, sections.BadValue, graph.Loop, Failed) as exc:
        print(f"boxshipd: {exc}", file=sys.stderr)  # noqa: T201 - before and beside the log
        return 1
    except OSError as exc:
        print(f"boxshipd: {exc.filename or 'boxshipd'}: {exc.strerror}", file=sys.stderr)  # noqa: T201 - as above
        return 1


class Failed(Exception):
    """The daemon cannot run; the message says why."""


def serve(options: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Containers go on without us."""
    loaded = _load(options)
    told = loaded.settings
    logs.start(told.debug.level, told.debug.format)
    for warning in loaded.warnings:
        _log.warning("%s", warning)
    os.umask(0o077)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    stopping = _stop_signals()
    with _running(told) as engine:
        engine.listen_to_shims()
        engine.listen_to_clients()
        _settle()
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
    from boxship.daemon import engine

    _prepare(told)
    try:
        made = engine.Engine(told)
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
    for key, value in (
        ("cgroup.path", told.cgroup.path),
        ("metrics.address", told.metrics.address),
        ("debug.address", told.debug.address),
    ):
        if value:
            _log.warning("%s is set to %s, which is not supported yet", key, value)
    for name in told.proxy_plugins:
        _log.warning("proxy_plugins.%s is not supported yet, the plugin will not be there", name)
    ours = {part.uri for part in builtins.BUILTINS}
    for uri in told.plugins:
        if uri not in ours:
            _log.warning("settings of %s are ignored: there is no such plugin here", uri)


def _stop_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _settle() -> None:
    """What has been made until now stays: the collector need not look at it again, and forks share it."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # not in every C library
        ctypes.CDLL(None).malloc_trim(0)


def show_default(_options: argparse.Namespace) -> int:
    return _show(settings.Settings())


def show(options: argparse.Namespace) -> int:
    return _show(_load(options).settings)


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


def _load(options: argparse.Namespace) -> config.Loaded:
    said: dict[str, Any] = {}
    for key in ("root", "state"):
        if getattr(options, key):
            said[key] = os.path.abspath(getattr(options, key))
    if options.address:
        said["grpc"] = {"address": options.address}
    if options.log_level:
        said["debug"] = {"level": options.log_level}
    return config.load(options.config, builtins.uri_of, said)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="boxshipd", description="The container runtime daemon of boxship.")
    parser.add_argument("-c", "--config", metavar="PATH", help=f"configuration file (default {config.DEFAULT_PATH})")
    parser.add_argument("-l", "--log-level", metavar="LEVEL", help="trace, debug, info, warn, error, fatal or panic")
    parser.add_argument("-a", "--address", metavar="PATH", help="unix socket that clients connect to")
    parser.add_argument("--root", metavar="PATH", help="folder for what lasts")
    parser.add_argument("--state", metavar="PATH", help="folder for what is gone after a reboot")
    parser.add_argument("-v", "--version", action="version", version=f"boxshipd {boxship.__version__}")
    parser.set_defaults(run=serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    group = commands.add_parser("config", help="show the configuration")
    shown = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(shown, "default", "the built-in configuration", show_default)
    _add(shown, "dump", "the configuration as the daemon understands it", show)
    return parser.parse_args(arguments)


def _add(commands: Any, name: str, words: str, run: Callable[[argparse.Namespace], int]) -> None:
    commands.add_parser(name, help=words, description=f"Print {words}.").set_defaults(run=run)


if __name__ == "__main__":
    sys.exit(main())
