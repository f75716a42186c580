"""`boxship stats`"""

import time

import click

from boxship.cli import offers, output
from boxship.cli.session import Session
from boxship.core import metrics
from boxship.terms import errors

_EVERY, _ONCE = 1.0, 0.25
"""Seconds between two looks."""
_CLEAR = "\x1b[H\x1b[2J"


@click.command("stats")
@click.option("--no-stream", is_flag=True, help="Once, instead of every second.")
@output.format_option
@click.argument("names", metavar="[CONTAINER]...", nargs=-1, shell_complete=offers.running)
@click.pass_obj
def command(session: Session, no_stream: bool, style: str, names: tuple[str, ...]) -> None:
    """Show what containers use; all that run by default."""
    before: dict[str, metrics.Stats] = _sample(session, names)
    while True:
        time.sleep(_ONCE if no_stream else _EVERY)
        now = _sample(session, names)
        rows = [_row(name, before.get(name), stats, plain=style == "json") for name, stats in now.items()]
        if not no_stream and session.around.stdout.isatty():
            session.around.stdout.write(_CLEAR)
        columns = {
            "name": "NAME",
            "cpu": "CPU %",
            "memory": "MEMORY",
            "limit": "LIMIT",
            "pids": "PIDS",
            "io": "READ / WRITTEN",
        }
        output.show(session.around, rows, columns, style)
        session.around.stdout.flush()
        if no_stream:
            return
        before = now


def _sample(session: Session, names: tuple[str, ...]) -> dict[str, metrics.Stats]:
    chosen = [session.container(name) for name in names] or session.client.containers.list(all=False)
    found = {}
    for container in chosen:
        try:
            found[container.id] = container.stats()
        except errors.NotFound:
            if names:
                raise
    return found


def _row(name: str, before: metrics.Stats | None, now: metrics.Stats, *, plain: bool) -> output.Row:
    passed = now.timestamp - before.timestamp if before else 0
    share = 100 * (now.cpu - before.cpu) / passed if before and passed > 0 else 0.0
    if plain:
        return {
            "name": name,
            "cpu_percent": round(share, 2),
            "memory": now.memory,
            "memory_limit": now.memory_limit,
            "pids": now.pids,
            "pids_limit": now.pids_limit,
            "read": now.read,
            "written": now.written,
        }
    return {
        "name": name,
        "cpu": f"{share:.1f}",
        "memory": output.size(now.memory),
        "limit": output.size(now.memory_limit) if now.memory_limit else "none",
        "pids": now.pids,
        "io": f"{output.size(now.read)} / {output.size(now.written)}",
    }
