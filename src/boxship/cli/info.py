"""`boxship info`"""

import os

import click

from boxship.cli import output
from boxship.cli.session import Session


@click.command("info")
@output.format_option
@click.pass_obj
def command(session: Session, style: str) -> None:
    """Show the daemon and this machine."""
    found = session.client.info()
    system = os.uname()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    rows = {
        "daemon": found.version.version,
        "pid": found.server.pid,
        "uuid": found.server.uuid,
        "socket": session.address,
        "root": found.root,
        "namespace": session.namespace,
        "containers": found.containers,
        "running": found.running,
        "images": found.images,
        "snapshotter": found.snapshotter,
        "snapshotters": list(found.snapshotters),
        "kernel": system.release,
        "architecture": system.machine,
        "processors": os.cpu_count(),
        "memory": memory if style == "json" else output.size(memory),
        "failed": {f"{part.type}.{part.id}": part.error for part in found.failed},
    }
    if style == "json":
        output.show_json(session.around, rows)
        return
    for key, value in rows.items():
        for line in _lines(value):
            session.around.print(f"{key + ':':14}{line}")


def _lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {reason}" for name, reason in value.items()] or ["none"]
    return [", ".join(map(str, value)) if isinstance(value, list) else str(value)]
