"""`boxship leases`"""

import time

import click

from boxship.cli import groups, output
from boxship.cli.session import Session
from boxship.terms import labels as words

command = groups.group("leases", "What holds things from collection that nothing else refers to yet.")


@command.command("ls")
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def ls(session: Session, filters: tuple[str, ...], style: str) -> None:
    """List leases."""
    rows = [
        {
            "id": each.id,
            "created": output.when(each.created_at) if style == "json" else output.ago(each.created_at),
            "labels": dict(each.labels) if style == "json" else output.labels(each.labels),
        }
        for each in session.client.leases.list(filters)
    ]
    output.show(session.around, rows, {"id": "ID", "created": "CREATED", "labels": "LABELS"}, style)


@command.command("create")
@click.option("--id", default="", help="Its name; one is made up by default.")
@click.option("--expires", default=24.0, show_default=True, help="Hours until it ends by itself; 0 for never.")
@click.argument("labels", metavar="[KEY=VALUE]...", nargs=-1)
@click.pass_obj
def create(session: Session, id: str, expires: float, labels: tuple[str, ...]) -> None:
    """Make a lease and print its name."""
    wanted = groups.parse_labels(labels)
    if expires:
        end = time.time_ns() + int(expires * 3600 * 1_000_000_000)
        wanted[words.GC_EXPIRE] = output.when(end) or ""
    session.around.print(session.client.leases.create(id, wanted).id)


@command.command("resources")
@click.argument("id")
@output.format_option
@click.pass_obj
def resources(session: Session, id: str, style: str) -> None:
    """List what a lease holds."""
    rows = [{"type": each.type, "id": each.id} for each in session.client.leases.list_resources(id)]
    output.show(session.around, rows, {"type": "TYPE", "id": "ID"}, style)


@command.command("rm")
@click.option("--sync", is_flag=True, help="Wait until what only it held is collected.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def rm(session: Session, sync: bool, ids: tuple[str, ...]) -> int:
    """Remove leases."""
    return groups.each(ids, lambda each: session.client.leases.delete(each, synchronous=sync), session)
