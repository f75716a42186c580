"""`boxship ps`"""

import click

from boxship.cli import offers, output, values
from boxship.cli.session import Session
from boxship.client import results
from boxship.core import containers, tasks

_RUNNING = frozenset({tasks.Status.RUNNING, tasks.Status.PAUSED, tasks.Status.PAUSING})
_FIELDS = {"name": "id~", "id": "id~", "image": "image~", "ancestor": "image~"}
_STATUSES = {each.name.lower(): each for each in tasks.Status} | {"exited": tasks.Status.STOPPED}


@click.command("ps")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that do not run.")
@click.option("-q", "--quiet", is_flag=True, help="Only names.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="FILTER",
    help="Only those that match: name=, image=, label=KEY[=VALUE], status=, or a filter of containerd.",
)
@output.format_option
@click.pass_obj
def command(session: Session, everything: bool, quiet: bool, filters: tuple[str, ...], style: str) -> None:
    """List containers."""
    states = session.client.containers.states()
    statuses = [_status_named(text.removeprefix("status=")) for text in filters if text.startswith("status=")]
    wanted = values.filters([text for text in filters if not text.startswith("status=")], _FIELDS)
    rows = []
    for each in session.client.containers.list(all=True, filters=wanted):
        state = states.get(each.id, results.State(status=tasks.Status.CREATED))
        if state.status in (statuses or (tasks.Status if everything else _RUNNING)):
            rows.append(_row(each.record, state, plain=style == "json"))
    if quiet:
        for row in rows:
            session.around.print(str(row["name"]))
        return
    columns = {"name": "NAME", "image": "IMAGE", "command": "COMMAND", "created": "CREATED", "status": "STATUS"}
    output.show(session.around, rows, columns, style)


def _status_named(text: str) -> tasks.Status:
    if text not in _STATUSES:
        raise click.UsageError(f"there is no status {text!r}, only {', '.join(_STATUSES)}")
    return _STATUSES[text]


def _row(record: containers.Container, state: results.State, *, plain: bool) -> output.Row:
    row = {
        "name": record.id,
        "image": record.image if plain else offers.image(record.image),
        "command": _command(record, plain=plain),
        "created": output.when(record.created_at) if plain else output.ago(record.created_at),
        "status": state.status.name.lower() if plain else _status(state),
    }
    if plain:
        row |= {"pid": state.pid, "exit_status": state.exit_status, "runtime": record.runtime.name}
        row["labels"] = dict(record.labels)
    return row


def _command(record: containers.Container, *, plain: bool) -> object:
    from boxship.core import specs
    from boxship.terms import errors

    try:
        args = specs.from_bytes(record.spec).get("process", {}).get("args") or []
    except errors.FailedPrecondition:
        args = []
    return args if plain else " ".join(map(str, args))


def _status(state: results.State) -> str:
    if state.status is tasks.Status.STOPPED:
        return f"exited ({state.exit_status}) {output.ago(state.exited_at)}"
    return state.status.name.lower()
