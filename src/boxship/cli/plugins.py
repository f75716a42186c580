"""`boxship plugins`"""

import click

from boxship.cli import groups, output
from boxship.cli.session import Session

command = groups.group("plugins", "Parts of the daemon, and why one is missing.")


@command.command("ls")
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def ls(session: Session, filters: tuple[str, ...], style: str) -> None:
    """List the parts of the daemon."""
    rows = [
        {
            "type": each.type,
            "id": each.id,
            "status": "skipped" if each.skipped else ("error" if each.error else "ok"),
            "reason": each.error,
        }
        for each in session.client.introspection.plugins(filters)
    ]
    columns = {"type": "TYPE", "id": "ID", "status": "STATUS", "reason": "REASON"}
    output.show(session.around, rows, columns, style)
