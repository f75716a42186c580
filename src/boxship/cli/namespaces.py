"""`boxship namespaces`"""

import click

from boxship.cli import groups, output
from boxship.cli.session import Session

command = groups.group("namespaces", "Who keeps what apart: containers and images of one name are unseen by another.")


@command.command("ls")
@output.format_option
@click.pass_obj
def ls(session: Session, style: str) -> None:
    """List namespaces."""
    found = [{"name": each.name, "labels": dict(each.labels)} for each in session.client.namespaces.walk()]
    rows = found if style == "json" else [{**row, "labels": output.labels(row["labels"])} for row in found]  # type: ignore[arg-type]
    output.show(session.around, rows, {"name": "NAME", "labels": "LABELS"}, style)


@command.command("create")
@click.argument("name")
@click.argument("labels", metavar="[KEY=VALUE]...", nargs=-1)
@click.pass_obj
def create(session: Session, name: str, labels: tuple[str, ...]) -> None:
    """Make a namespace, with labels."""
    session.client.namespaces.create(name, groups.parse_labels(labels))


@command.command("label")
@click.argument("name")
@click.argument("labels", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.pass_obj
def label(session: Session, name: str, labels: tuple[str, ...]) -> None:
    """Set labels; an empty value removes one."""
    from boxship.core import namespaces

    wanted = groups.parse_labels(labels)
    session.client.namespaces.update(namespaces.Info(name=name, labels=wanted), groups.label_paths(wanted))


@command.command("rm")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.pass_obj
def rm(session: Session, names: tuple[str, ...]) -> int:
    """Remove empty namespaces."""
    return groups.each(names, session.client.namespaces.delete, session)
