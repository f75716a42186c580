"""`boxship events`"""

import json
from typing import Any

import click

from boxship.cli import output, terminals
from boxship.cli.session import Session
from boxship.core import events


@click.command("events", epilog="Example: boxship events 'topic~=\"^/tasks/\"'")
@click.argument("filters", nargs=-1)
@output.format_option
@click.pass_obj
def command(session: Session, filters: tuple[str, ...], style: str) -> None:
    """Watch what happens, in all namespaces, until interrupted."""
    with terminals.leaving(session.around):
        for envelope in session.client.events(filters):
            session.around.print(_line(envelope, style))
            session.around.stdout.flush()


def _line(envelope: events.Envelope, style: str) -> str:
    from boxship.wire import events as wire

    event = wire.decode(envelope.event)
    fields: Any = event.fields if event else {"type_url": envelope.event.type_url}
    moment = output.when(envelope.timestamp)
    if style == "json":
        line = {"timestamp": moment, "namespace": envelope.namespace, "topic": envelope.topic, "event": fields}
        return json.dumps(line, default=_plain)
    return f"{moment} {envelope.namespace} {envelope.topic} {json.dumps(fields, default=_plain)}"


def _plain(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
