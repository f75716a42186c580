"""What the low-level groups share: how they are made, and how labels are given."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from boxship.cli import failures
from boxship.cli.session import Session
from boxship.terms import errors

CONTEXT = {"help_option_names": ["-h", "--help"]}


def group(name: str, help: str) -> click.Group:
    return click.Group(name=name, help=help, context_settings=CONTEXT)


def parse_labels(pairs: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` each; an empty value removes. Raises InvalidArgument for anything else."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise errors.InvalidArgument(f"label {pair!r} is not of the form KEY=VALUE")
        found[key] = value
    return found


def label_paths(labels: Iterable[str]) -> list[str]:
    """The field mask that changes just these labels."""
    return [f"labels.{key}" for key in labels]


def each(things: Iterable[str], act: Callable[[str], Any], session: Session) -> int:
    """Do something to each thing, telling what failed and going on; returns the exit code."""
    code = 0
    for thing in things:
        try:
            act(thing)
        except BrokenPipeError:
            raise
        except (errors.Error, OSError) as exc:
            code = failures.tell(exc, session.around, debug=session.debug, about=thing)
    return code
