"""`boxship tasks`"""

import click

from boxship.cli import groups, offers, output
from boxship.cli.session import Session

command = groups.group("tasks", "Running sides of containers.")


@command.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@output.format_option
@click.pass_obj
def ls(session: Session, quiet: bool, style: str) -> None:
    """List tasks."""
    rows = [
        {"id": each.container_id or each.id, "pid": each.pid, "status": each.status.name.lower()}
        for each in session.client.tasks.list()
    ]
    if quiet:
        for row in rows:
            session.around.print(str(row["id"]))
        return
    output.show(session.around, rows, {"id": "TASK", "pid": "PID", "status": "STATUS"}, style)


@command.command("ps")
@click.argument("id", shell_complete=offers.running)
@output.format_option
@click.pass_obj
def ps(session: Session, id: str, style: str) -> None:
    """List the processes of a task."""
    rows = [{"pid": each.pid, "type": each.info.name if each.info else ""} for each in session.client.tasks.pids(id)]
    output.show(session.around, rows, {"pid": "PID", "type": "INFO"}, style)


@command.command("kill")
@click.option(
    "-s", "--signal", default="SIGTERM", show_default=True, shell_complete=offers.signals, help="Its name or number."
)
@click.option("-a", "--all", "everyone", is_flag=True, help="To every process.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def kill(session: Session, signal: str, everyone: bool, ids: tuple[str, ...]) -> int:
    """Send tasks a signal."""
    number = int(signal) if signal.isascii() and signal.isdigit() else signal
    return groups.each(ids, lambda each: session.client.containers.get(each).kill(number, all=everyone), session)


@command.command("pause")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def pause(session: Session, ids: tuple[str, ...]) -> int:
    """Freeze tasks."""
    return groups.each(ids, session.client.tasks.pause, session)


@command.command("resume")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def resume(session: Session, ids: tuple[str, ...]) -> int:
    """Let frozen tasks go on."""
    return groups.each(ids, session.client.tasks.resume, session)


@command.command("rm")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=offers.containers)
@click.pass_obj
def rm(session: Session, ids: tuple[str, ...]) -> int:
    """Forget tasks that have ended, and print their exit statuses."""

    def remove(each: str) -> None:
        session.around.print(str(session.client.tasks.delete(each).status))

    return groups.each(ids, remove, session)
