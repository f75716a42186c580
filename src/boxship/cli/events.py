"""`boxship events`"""

import json
from typing import Any

import click

from boxship.cli import output
from boxship.cli.session import Session


@click.command("events", epilog="Example: boxship events 'topic~=^/tasks/'")
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def command(session: Session, filters: tuple[str, ...], style: str) -> None:
    """Watch what happens, in all namespaces, until interrupted."""
    from boxship.wire import events

    for envelope in session.client.events(filters):
        event = events.decode(envelope.event)
        fields: Any = event.fields if event else {"type_url": envelope.event.type_url}
        moment = output.when(envelope.timestamp)
        if style == "json":
            line = {"timestamp": moment, "namespace": envelope.namespace, "topic": envelope.topic, "event": fields}
            session.around.print(json.dumps(line, default=_plain))
        else:
            session.around.print(f"{moment} {envelope.namespace} {envelope.topic} {json.dumps(fields, default=_plain)}")
        session.around.stdout.flush()


def _plain(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
