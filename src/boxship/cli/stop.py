"""`boxship stop`"""

import click

from boxship.cli import groups, offers
from boxship.cli.session import Session


@click.command("stop")
@click.option(
    "-t",
    "--time",
    "seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Seconds to wait before force.",
)
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True, shell_complete=offers.running)
@click.pass_obj
def command(session: Session, seconds: float, names: tuple[str, ...]) -> int:
    """Stop containers: first with the image's stop signal, then by force."""

    def stop(name: str) -> None:
        session.container(name).stop(seconds)
        session.around.print(name)

    return groups.each(names, stop, session)
