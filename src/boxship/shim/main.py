"""The command `containerd-shim-boxship-v1`, as containerd calls it (containerd, docs/runtime-v2).

    containerd-shim-boxship-v1 -namespace NS -address GRPC -publish-binary PROGRAM -id ID [-bundle DIR] [-debug] start
    … delete
    containerd-shim-boxship-v1 -v | -info

`start` runs in the bundle's folder and answers with the shim's address. It says nothing else, on standard error
neither: daemons read both as the answer.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import boxship

_WITH_VALUE = {"namespace", "address", "publish-binary", "id", "bundle", "socket"}
_SWITCHES = {"debug", "v", "info"}
NAME = "containerd-shim-boxship-v1"


class Usage(Exception):
    """The command line makes no sense."""


@dataclass(slots=True, kw_only=True)
class Options:
    """What was asked for. `values` by the names of the flags."""

    values: dict[str, str] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)
    action: str = ""

    def need(self, name: str) -> str:
        """Raises Usage."""
        if not self.values.get(name):
            raise Usage(f"-{name} is needed")
        return self.values[name]


def main(arguments: Sequence[str] | None = None) -> int:
    """The process. Returns its exit status."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        if "v" in options.switches:
            print(f"{NAME}:\n  Version:  {boxship.__version__}\n  Revision: \n")  # noqa: T201 - its answer
        elif "info" in options.switches:
            _answer(_info())
        elif options.action == "start":
            _answer(_start(options))
        elif options.action == "delete":
            _answer(_delete(options))
        else:
            raise Usage(f"{NAME} is called by containerd, with start or delete")
    except Exception as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201 - the daemon tells its client
        return 1
    return 0


def parse(arguments: Sequence[str]) -> Options:
    """Go's way with flags: one dash or two, `-flag value` or `-flag=value`, until the first word that is none.

    Raises:
        Usage: an unknown flag, or one without its value.
    """
    options = Options()
    words = list(arguments)
    while words and words[0].startswith("-") and words[0] != "--":
        name, equals, value = words.pop(0).lstrip("-").partition("=")
        if name in _SWITCHES:
            if value.lower() not in {"false", "0", "f"}:
                options.switches.add(name)
        elif name not in _WITH_VALUE:
            raise Usage(f"flag provided but not defined: -{name}")
        elif equals:
            options.values[name] = value
        elif words:
            options.values[name] = words.pop(0)
        else:
            raise Usage(f"flag needs an argument: -{name}")
    options.action = words[0] if words else ""
    return options


def _start(options: Options) -> bytes:
    from boxship.shim import starting

    wish = starting.read_wish(
        starting.read_stdin(), id=options.need("id"), namespace=options.need("namespace"), bundle=os.getcwd()
    )
    wish.daemon = wish.daemon or options.need("address")
    wish.ttrpc = wish.ttrpc or os.environ.get("TTRPC_ADDRESS", "")
    return starting.start(wish)


def _delete(options: Options) -> bytes:
    from boxship.shim import cleaning

    id = options.need("id")
    # containerd names the folder in -bundle; older ones stand in it, or in one beside it.
    bundle = options.values.get("bundle") or os.path.join(os.path.dirname(os.getcwd()), id)
    return cleaning.clean(bundle, options.need("namespace"), id)


def _info() -> bytes:
    from boxship.shim import information, starting

    return information.describe(boxship.__version__, starting.read_stdin())


def _answer(said: bytes) -> None:
    sys.stdout.buffer.write(said)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
