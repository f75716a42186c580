"""boxshipd: the engine as a daemon, with containerd's command line.

What is imported here stays in memory as long as the daemon runs, so a plain start is read without a parser.
"""

import importlib.util
import sys
import threading
import types
from collections.abc import Mapping, Sequence
from typing import Any

import boxship

_SELDOM = ("calendar", "inspect", "ipaddress", "linecache", "locale", "textwrap", "tokenize", "traceback")
"""Modules that others import and look into seldom: `dataclasses` wants `inspect`, with `ast` and `dis` behind it, to
describe a class that has no docstring; `logging` wants `traceback` and what is behind that for exceptions, protobuf
wants `calendar` for times, `subprocess` wants `locale` for text, `pathlib` wants `ipaddress` by way of URLs. Together
2 MB."""

_VALUES = {
    **dict.fromkeys(("-c", "--config"), "config"),
    **dict.fromkeys(("-l", "--log-level"), "log_level"),
    **dict.fromkeys(("-a", "--address"), "address"),
    "--root": "root",
    "--state": "state",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The process. Returns its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    told: Mapping[str, str] | None = plain(given)
    if told is None:
        told = _parsed(given)
    for name in _SELDOM:
        _defer(name)
    from boxship.daemon import commands

    return commands.run(told)


def plain(arguments: Sequence[str]) -> dict[str, str] | None:
    """What options with values say, by name; None when there is anything else: a command, a flag, a mistake."""
    told, rest = {}, list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name not in _VALUES or not (equals or rest):
            return None
        if not equals:
            value = rest.pop(0)
            if value.startswith("-"):
                return None
        told[_VALUES[name]] = value
    return told


class _Deferred(types.ModuleType):
    """A module that is executed when somebody looks into it. importlib's LazyLoader executes it on any `import`.

    It fills itself from the real one at once, so that no thread sees half of it.
    """

    def __getattr__(self, name: str) -> Any:
        with _executing:
            spec = self.__spec__
            if spec is not None and spec.loader is not None and type(self) is _Deferred:
                real = sys.modules[self.__name__] = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(real)
                self.__dict__.update(real.__dict__)
                self.__class__ = types.ModuleType  # type: ignore[assignment]
        return getattr(self, name)


_executing = threading.RLock()


def _defer(name: str) -> None:
    """Have a module of the standard library executed when somebody looks into it."""
    if name not in sys.modules and (spec := importlib.util.find_spec(name)) is not None:
        module = importlib.util.module_from_spec(spec)
        module.__class__ = _Deferred
        sys.modules[name] = module


def _parsed(arguments: Sequence[str]) -> Mapping[str, str]:
    """The same by a parser, which also helps, and tells mistakes."""
    import argparse

    parser = argparse.ArgumentParser(prog="boxshipd", description="The container runtime daemon of boxship.")
    default = "default /etc/boxship/config.toml"
    parser.add_argument("-c", "--config", metavar="PATH", help=f"configuration file ({default})")
    parser.add_argument("-l", "--log-level", metavar="LEVEL", help="trace, debug, info, warn, error, fatal or panic")
    parser.add_argument("-a", "--address", metavar="PATH", help="unix socket that clients connect to")
    parser.add_argument("--root", metavar="PATH", help="folder for what lasts")
    parser.add_argument("--state", metavar="PATH", help="folder for what is gone after a reboot")
    parser.add_argument("-v", "--version", action="version", version=f"boxshipd {boxship.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    shown = commands.add_parser("config", help="show the configuration").add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="command"
    )
    for name, words in {
        "default": "the built-in configuration",
        "dump": "the configuration as the daemon understands it",
    }.items():
        shown.add_parser(name, help=words, description=f"Print {words}.")
    return {key: value for key, value in vars(parser.parse_args(arguments)).items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())
