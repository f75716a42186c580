"""Words of the command line that mean numbers or environments."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from boxship.terms import errors

if TYPE_CHECKING:
    from boxship.core import mounts

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"[!-~]", re.ASCII)
_CONTROL = re.compile(r"ctrl-[a-zA-Z@\[\\\]^_]", re.ASCII)
_SHORT = re.compile(r"[a-z-]+=(?![=~]).*", re.ASCII | re.DOTALL)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LARGEST_ENV_FILE = 1 << 20


class Size(click.ParamType[int]):
    """Bytes: `512m`, `1.5g`, `65536`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value))
        if not found:
            self.fail(f"{value!r} is no size: write bytes, or a number with k, m, g or t, such as 512m", param, ctx)
        return int(float(found[1]) * _FACTORS[found[2].lower()])


class Keys(click.ParamType[bytes]):
    """Keys by which somebody leaves a terminal: `ctrl-p,ctrl-q`, `a`, or nothing."""

    name = "keys"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        return b"".join(self._key(each, param, ctx) for each in str(value).split(",")) if value else b""

    def _key(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if _KEY.fullmatch(text):
            return text.encode()
        if not _CONTROL.fullmatch(text):
            self.fail(f"{text!r} is no key: write a letter, or ctrl- and one of a-z @ [ \\ ] ^ _", param, ctx)
        return bytes([ord(text[-1].upper()) & 0x1F])


SIZE = Size()
KEYS = Keys()


def detach_keys(command: Any) -> Any:
    """The option of all commands that stay at a terminal."""
    return click.option(
        "--detach-keys",
        type=KEYS,
        default="ctrl-p,ctrl-q",
        show_default=True,
        metavar="KEYS",
        help="Keys that leave its terminal, and let it run; '' for none.",
    )(command)


def only_no(_: click.Context, __: click.Parameter, value: str | None) -> None:
    """For an option that is there for those who write it everywhere."""
    if value not in {None, "no"}:
        raise click.BadParameter(
            f"{value!r}: containers are not started again by themselves yet; a service of systemd can"
        )


def environment(given: Sequence[str], files: Sequence[str], own: Mapping[str, str]) -> list[str]:
    """`NAME=value` entries of files and then of options; `NAME` alone takes the caller's value, if there is one."""
    entries = [line for path in files for line in _lines(path)]
    found = []
    for entry in [*entries, *given]:
        name, equals, _ = entry.partition("=")
        if not name:
            raise errors.InvalidArgument(
                f"environment {entry!r}: it must look like NAME=value, or NAME for your own value"
            )
        if equals:
            found.append(entry)
        elif name in own:
            found.append(f"{name}={own[name]}")
    return found


def _lines(path: str) -> list[str]:
    """Entries of a file: one a line, empty lines and those that begin with # left out."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST_ENV_FILE + 1)
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"--env-file {path}: {getattr(exc, 'strerror', None) or 'it is no UTF-8 text'}") from exc
    if len(text) > _LARGEST_ENV_FILE:
        raise click.UsageError(f"--env-file {path}: it is longer than {_LARGEST_ENV_FILE} characters")
    return [line.strip() for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]


def labels(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE`, or `KEY` for an empty value. Raises InvalidArgument."""
    if wrong := [pair for pair in pairs if not pair.partition("=")[0]]:
        raise errors.InvalidArgument(f"label {wrong[0]!r}: it must look like KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def volume(text: str) -> str:
    """`SOURCE:TARGET[:ro]` with a source that counts from the working folder (`./src`) made absolute."""
    source, colon, rest = text.partition(":")
    if source.startswith(".") and colon:
        return f"{os.path.abspath(source)}:{rest}"
    if colon and source and "/" not in source:
        raise errors.InvalidArgument(
            f"volume {text!r}: volumes with a name cannot be kept yet; name a folder, such as ./{source} or /srv/{source}"
        )
    return text


def check_sources(wanted: "Sequence[mounts.Mount]") -> None:
    """A folder that is not there is a slip of the pen: it is not made. Raises InvalidArgument."""
    for mount in wanted:
        if mount.type == "bind" and not os.path.exists(mount.source):
            raise errors.InvalidArgument(f"mount at {mount.target}: this machine has no {mount.source}; make it first")


def filters(given: Sequence[str], short: Mapping[str, str]) -> list[str]:
    """Filters of containerd from what people write: `label=role=web` or `name=web`.

    Args:
        given: what was written; what is no `KEY=VALUE` of `short` is a filter already.
        short: containerd's field by key; it must be equal, or for a `~` at its end contain the value.

    All of the short ones must match, as in Docker; of containerd's one.
    """
    found, native = [], []
    for text in given:
        key, equals, value = text.partition("=")
        if key == "label" and equals and not value.startswith("="):
            name, has_value, wanted = value.partition("=")
            found.append(f"labels.{_quoted(name)}=={_quoted(wanted)}" if has_value else f"labels.{_quoted(name)}")
        elif key in short and equals and not value.startswith(("=", "~")):
            field = short[key]
            found.append(
                f"{field[:-1]}~={_quoted(re.escape(value))}" if field.endswith("~") else f"{field}=={_quoted(value)}"
            )
        elif _SHORT.fullmatch(text):
            raise errors.InvalidArgument(
                f"filter {text!r}: there is no {key!r} but {', '.join(f'{each}=' for each in ('label', *short))}; "
                "a filter of containerd has == or ~="
            )
        else:
            native.append(text)
    both = ",".join(found)
    return [f"{text},{both}" for text in native] if both and native else native or ([both] if both else [])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
