"""`boxship daemon`"""

import os
import signal
import time

import click

from boxship.cli import groups, output, starter, world
from boxship.cli.session import Session
from boxship.terms import errors

command = groups.group("daemon", "Run, start or stop the daemon. Containers go on without it.")

_LOG = "/var/log/boxship/boxshipd.log"


@command.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(session: Session, arguments: tuple[str, ...]) -> int:
    """Run the daemon here, with the arguments of boxshipd."""
    from boxship.daemon import main

    where = () if session.is_default else ("--address", session.address.removeprefix("unix://"))
    return main.main([*where, *arguments])


@command.command("start")
@click.option("--log", default=_LOG, show_default=True, help="Where it writes its log.")
@click.pass_obj
def start(session: Session, log: str) -> None:
    """Start the daemon in the background."""
    address = _socket(session)
    if starter.listens(address):
        session.around.print(f"a daemon listens on {address} already")
        return
    pid = starter.start(address, log=log, environment=session.around.environment)
    session.around.print(f"daemon {pid} listens on {address}")


@command.command("stop")
@click.pass_obj
def stop(session: Session) -> None:
    """Stop the daemon, and wait until it is gone."""
    address = _socket(session)
    if not starter.listens(address):
        session.around.print(f"no daemon listens on {address}")
        return
    pid = session.client.introspection.server().pid
    if pid <= 0:
        raise errors.FailedPrecondition(f"the daemon on {address} does not tell its pid: stop it where you started it")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + starter.PATIENCE
    while _lives(pid):
        if time.monotonic() > deadline:
            raise errors.DeadlineExceeded(f"daemon {pid} did not stop within {starter.PATIENCE:.0f} s")
        time.sleep(0.02)
    session.around.print(f"daemon {pid} stopped")


@command.command("status")
@output.format_option
@click.pass_obj
def status(session: Session, style: str) -> int:
    """Say whether the daemon runs; exit code 0 if so, 3 if not."""
    address = _socket(session)
    if style == "json":
        pid = starter.listener(address)
        output.show_json(session.around, {"socket": address, "running": pid is not None, "pid": pid or None})
        return 0 if pid is not None else 3
    if starter.listens(address):
        session.around.print(f"a daemon listens on {address}")
        return 0
    hint = "" if address == world.DEFAULT_ADDRESS else "; is the address right?"
    session.around.print(f"no daemon listens on {address}{hint}")
    return 3


def _socket(session: Session) -> str:
    """Raises InvalidArgument for an address on another machine."""
    address = session.address.removeprefix("unix://")
    if "://" in address:
        raise errors.InvalidArgument(
            f"{address} is no socket of this machine: start and stop that daemon where it runs"
        )
    return os.path.abspath(address)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
