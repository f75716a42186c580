"""`boxship exec`"""

import click

from boxship.cli import attached, failures, offers, terminals, values
from boxship.cli.session import Session
from boxship.client._sync import processes
from boxship.terms import errors


@click.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    epilog="Example: boxship exec -it web sh",
)
@click.option("-d", "--detach", is_flag=True, help="Leave it running.")
@click.option("-i", "--interactive", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", "terminal", is_flag=True, help="Give it a terminal.")
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Environment.")
@click.option(
    "--env-file", multiple=True, metavar="FILE", shell_complete=offers.files, help="Environment, one entry a line."
)
@click.option("-w", "--workdir", default="", help="Folder in which the command starts.")
@click.option("-u", "--user", default="", metavar="NAME|UID[:GROUP|GID]", help="Who it runs as.")
@click.option("--privileged", is_flag=True, help="With all capabilities.")
@values.detach_keys
@click.argument("container", shell_complete=offers.running)
@click.argument("arguments", metavar="COMMAND [ARGUMENT]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def command(
    session: Session,
    container: str,
    arguments: tuple[str, ...],
    detach: bool,
    interactive: bool,
    terminal: bool,
    env: tuple[str, ...],
    env_file: tuple[str, ...],
    workdir: str,
    user: str,
    privileged: bool,
    detach_keys: bytes,
) -> int:
    """Run another command in a running container.

    The exit code is the command's; 125 when it could not be run, 126 when the command cannot be executed, 127 when it
    is not there.
    """
    around = session.around
    stdin = terminals.keys(around, terminal=terminal, leaving=detach_keys) if interactive else None

    def start(taken: attached.Outputs | None) -> processes.Process:
        return session.container(container).spawn(
            arguments,
            env=values.environment(env, env_file, around.environment),
            cwd=workdir,
            user=user,
            privileged=privileged,
            terminal=terminal,
            console_size=terminals.size(around) if terminal else None,
            stdin=stdin,
            stdout=taken.output if taken else None,
            stderr=taken.errors if taken else None,
        )

    try:
        if detach:
            start(None).close()
            return 0
        return attached.run(session, start, terminal=terminal, stdin=stdin) or 0
    except (errors.Error, OSError) as exc:
        failures.tell(exc, around, debug=session.debug, about=container)
        return failures.code(exc)
