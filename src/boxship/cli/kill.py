"""`boxship kill`"""

import click

from boxship.cli import groups, offers
from boxship.cli.session import Session


@click.command("kill", epilog="Example: boxship kill -s HUP web")
@click.option(
    "-s", "--signal", default="SIGKILL", show_default=True, shell_complete=offers.signals, help="Its name or number."
)
@click.option("-a", "--all", "everyone", is_flag=True, help="To every process in it.")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True, shell_complete=offers.running)
@click.pass_obj
def command(session: Session, signal: str, everyone: bool, names: tuple[str, ...]) -> int:
    """Send containers a signal."""

    def kill(name: str) -> None:
        session.container(name).kill(int(signal) if signal.isascii() and signal.isdigit() else signal, all=everyone)
        session.around.print(name)

    return groups.each(names, kill, session)
