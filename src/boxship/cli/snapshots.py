"""`boxship snapshots`"""

import shlex
from collections.abc import Sequence

import click

from boxship.cli import groups, output
from boxship.cli.session import Session
from boxship.core import mounts, snapshots

command = groups.group("snapshots", "File systems that build on each other: what images are unpacked into.")

_OF = click.option("--snapshotter", default="overlayfs", show_default=True, help="Whose snapshots.")


@command.command("ls")
@_OF
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def ls(session: Session, snapshotter: str, filters: tuple[str, ...], style: str) -> None:
    """List snapshots."""
    rows = [_row(each, plain=style == "json") for each in session.client.snapshots(snapshotter).walk(filters)]
    columns = {"name": "KEY", "parent": "PARENT", "kind": "KIND", "created": "CREATED"}
    output.show(session.around, rows, columns, style)


def _row(info: snapshots.Info, *, plain: bool) -> output.Row:
    return {
        "name": info.name,
        "parent": info.parent,
        "kind": info.kind.value.lower(),
        "created": output.when(info.created_at) if plain else output.ago(info.created_at),
        "labels": dict(info.labels),
    }


@command.command("info")
@_OF
@output.json_option
@click.argument("key")
@click.pass_obj
def info(session: Session, snapshotter: str, key: str) -> None:
    """Show all about a snapshot, as JSON."""
    output.show_json(session.around, _row(session.client.snapshots(snapshotter).stat(key), plain=True))


@command.command("usage")
@_OF
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@output.format_option
@click.pass_obj
def usage(session: Session, snapshotter: str, keys: tuple[str, ...], style: str) -> None:
    """Show what snapshots take on disk, without their parents."""
    found = session.client.snapshots(snapshotter)
    rows = []
    for key in keys or [each.name for each in found.walk()]:
        used = found.usage(key)
        size = used.size if style == "json" else output.size(used.size)
        rows.append({"key": key, "size": size, "inodes": used.inodes})
    output.show(session.around, rows, {"key": "KEY", "size": "SIZE", "inodes": "INODES"}, style)


@command.command("prepare")
@_OF
@click.argument("key")
@click.argument("parent", default="")
@click.pass_obj
def prepare(session: Session, snapshotter: str, key: str, parent: str) -> None:
    """Make a snapshot that can be written."""
    session.client.snapshots(snapshotter).prepare(key, parent)


@command.command("view")
@_OF
@click.argument("key")
@click.argument("parent", default="")
@click.pass_obj
def view(session: Session, snapshotter: str, key: str, parent: str) -> None:
    """Make a snapshot that can be read."""
    session.client.snapshots(snapshotter).view(key, parent)


@command.command("commit")
@_OF
@click.argument("name")
@click.argument("key")
@click.pass_obj
def commit(session: Session, snapshotter: str, name: str, key: str) -> None:
    """Freeze a snapshot under a name."""
    session.client.snapshots(snapshotter).commit(name, key)


@command.command("mounts")
@_OF
@click.argument("target")
@click.argument("key")
@click.pass_obj
def show_mounts(session: Session, snapshotter: str, target: str, key: str) -> None:
    """Print the commands that mount a snapshot."""
    for line in _commands(session.client.snapshots(snapshotter).mounts(key), target):
        session.around.print(line)


def _commands(items: Sequence[mounts.Mount], target: str) -> list[str]:
    lines = []
    for item in items:
        words = ["mount", "-t", item.type, item.source, target]
        if item.options:
            words += ["-o", ",".join(item.options)]
        lines.append(shlex.join(words))
    return lines


@command.command("rm")
@_OF
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.pass_obj
def rm(session: Session, snapshotter: str, keys: tuple[str, ...]) -> int:
    """Remove snapshots."""
    return groups.each(keys, session.client.snapshots(snapshotter).remove, session)
