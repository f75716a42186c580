"""`boxship start`"""

import click

from boxship.cli import attached, failures, groups, offers, terminals, values
from boxship.cli.session import Session
from boxship.terms import errors


@click.command("start", epilog="Example: boxship start -a job")
@click.option("-a", "--attach", is_flag=True, help="Stay with it and show its output; the exit code is its own.")
@click.option("-i", "--interactive", is_flag=True, help="Pass standard input on; with -a.")
@values.detach_keys
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def command(session: Session, attach: bool, interactive: bool, detach_keys: bytes, names: tuple[str, ...]) -> int:
    """Start stopped containers."""
    if not attach:
        return groups.each(names, lambda name: _start(session, name), session)
    if len(names) != 1:
        raise click.UsageError("-a stays with one container: name just one")
    return _attached(session, names[0], interactive=interactive, leaving=detach_keys)


def _attached(session: Session, name: str, *, interactive: bool, leaving: bytes) -> int:
    around = session.around
    try:
        container = session.container(name)
        terminal = bool(container.spec()["process"].get("terminal"))
        stdin = terminals.keys(around, terminal=terminal, leaving=leaving) if interactive else None
        status = attached.run(
            session,
            lambda taken: container.start(stdin=stdin, stdout=taken.output, stderr=taken.errors),
            terminal=terminal,
            stdin=stdin,
            told=attached.way_back(name),
        )
    except (errors.Error, OSError) as exc:
        failures.tell(exc, around, debug=session.debug, about=name)
        return failures.code(exc)
    return status or 0


def _start(session: Session, name: str) -> None:
    session.container(name).start(detach=True).close()
    session.around.print(name)
