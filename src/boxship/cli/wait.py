"""`boxship wait`"""

import click

from boxship.cli import groups, offers, output
from boxship.cli.session import Session


@click.command("wait")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True, shell_complete=offers.containers)
@output.format_option
@click.pass_obj
def command(session: Session, names: tuple[str, ...], style: str) -> int:
    """Wait until containers end; print their exit statuses."""
    rows: list[output.Row] = []

    def wait(name: str) -> None:
        ended = session.patiently(lambda _: session.container(name).wait())
        rows.append({"name": name, "exit_status": ended.status, "exited": output.when(ended.exited_at)})
        if style != "json":
            session.around.print(str(ended.status))
            session.around.stdout.flush()

    code = groups.each(names, wait, session)
    if style == "json":
        output.show_json(session.around, rows)
    return code
