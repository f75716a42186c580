"""`boxship containers`"""

import click

from boxship.cli import groups, offers, output
from boxship.cli.session import Session
from boxship.core import containers

command = groups.group("containers", "Records of containers: what shall run.")


@command.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def ls(session: Session, quiet: bool, filters: tuple[str, ...], style: str) -> None:
    """List records."""
    found = [each.record for each in session.client.containers.list(all=True, filters=filters)]
    if quiet:
        for each in found:
            session.around.print(each.id)
        return
    rows = [_row(each) for each in found]
    columns = {"id": "ID", "image": "IMAGE", "runtime": "RUNTIME", "snapshotter": "SNAPSHOTTER"}
    output.show(session.around, rows, columns, style)


def _row(record: containers.Container) -> output.Row:
    return {
        "id": record.id,
        "image": record.image,
        "runtime": record.runtime.name,
        "snapshotter": record.snapshotter,
        "snapshot_key": record.snapshot_key,
        "labels": dict(record.labels),
        "created": output.when(record.created_at),
    }


@command.command("info")
@output.json_option
@click.option("--spec", is_flag=True, help="Only the runtime spec.")
@click.argument("id", shell_complete=offers.containers)
@click.pass_obj
def info(session: Session, spec: bool, id: str) -> None:
    """Show a record, as JSON."""
    found = session.client.containers.get(id)
    output.show_json(session.around, found.spec() if spec else {**_row(found.record), "spec": found.spec()})


@command.command("label")
@click.argument("id", shell_complete=offers.containers)
@click.argument("labels", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.pass_obj
def label(session: Session, id: str, labels: tuple[str, ...]) -> None:
    """Set labels; an empty value removes one."""
    session.client.containers.label(id, groups.parse_labels(labels))


@command.command("rm")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def rm(session: Session, ids: tuple[str, ...]) -> int:
    """Remove containers that do not run."""
    return groups.each(ids, lambda each: session.client.containers.get(each).remove(), session)
