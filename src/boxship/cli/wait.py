"""`boxship wait`"""

import click

from boxship.cli import groups, offers
from boxship.cli.session import Session


@click.command("wait")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def command(session: Session, names: tuple[str, ...]) -> int:
    """Wait until containers end; print their exit statuses."""

    def wait(name: str) -> None:
        ended = session.patiently(lambda client: client.containers.get(name).wait())
        session.around.print(str(ended.status))

    return groups.each(names, wait, session)
