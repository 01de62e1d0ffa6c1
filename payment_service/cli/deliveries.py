"""`flask deliveries list | show | replay`: sent and stuck deliveries, and sending them again."""

import json
from datetime import datetime

import click
from flask.cli import with_appcontext

from payment_service.cli.arguments import NUMBER, Moment, Words
from payment_service.cli.output import ACTOR, JSON, Command, emit, progress
from payment_service.services import deliveries as outbox
from payment_service.web.context import dependencies

STATUSES = click.Choice(["PENDING", "DELIVERED", "DEAD", "UNROUTED"], case_sensitive=False)
COLUMNS = ("delivery_id", "status", "sink", "event_type", "payment_id", "version", "attempts", "due_at", "last_error")
SINCE = click.option("--since", type=Moment(), help="Only deliveries made since this moment.")
SINK = click.option("--sink", type=Words(30), help="Only this sink: order, inventory, notification, rabbitmq, ...")


@click.group
def deliveries() -> None:
    """See what went out, and send it again.

    A delivery is one event on its way to one sink: PENDING until the sink has acknowledged it, then DELIVERED; DEAD
    once it was refused for good or too often; UNROUTED where no queue of the broker takes it.
    """


@deliveries.command("list", cls=Command)
@SINK
@click.option("--status", type=STATUSES, help="Only deliveries in this status.")
@click.option("--dead", is_flag=True, help="The same as --status DEAD.")
@SINCE
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead, for scripts.")
@with_appcontext
def list_(sink: str | None, status: str | None, dead: bool, since: datetime | None, limit: int, as_json: bool) -> None:
    """List deliveries, newest first."""
    wanted = "DEAD" if dead else status and status.upper()
    rows = outbox.listed(dependencies(), limit, sink=sink, status=wanted, since=since)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, default=str))
        return
    lines = [[str(row[name] if row[name] is not None else "-") for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *lines, strict=True)]
    for line in (COLUMNS, *lines):
        click.echo("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


@deliveries.command(cls=Command)
@click.argument("delivery_id", type=NUMBER)
@click.option("--json", "as_json", is_flag=True, help="On one line, for scripts.")
@with_appcontext
def show(delivery_id: int, as_json: bool) -> None:
    """Show one delivery whole, with its event, as JSON.

    Exit code 1 where there is none of this number.
    """
    row = outbox.show(dependencies(), delivery_id)
    if row is None:
        raise click.ClickException(f"there is no delivery {delivery_id}")
    click.echo(json.dumps(row, default=str, indent=None if as_json else 2))


@deliveries.command(cls=Command)
@click.argument("delivery_ids", type=NUMBER, nargs=-1)
@SINK
@click.option("--dead", is_flag=True, help="Every dead delivery that matches.")
@click.option("--unrouted", is_flag=True, help="Every delivery that matches and found no queue.")
@SINCE
@click.option("--even-if-newer", is_flag=True, help="Also deliveries that newer ones of their payment have overtaken.")
@ACTOR
@JSON
@with_appcontext
def replay(
    delivery_ids: tuple[int, ...],
    sink: str | None,
    dead: bool,
    unrouted: bool,
    since: datetime | None,
    even_if_newer: bool,
    actor: str,
    as_json: bool,
) -> None:
    """Send deliveries again.

    Those named, or those that match the options, with their old ids and bytes: receivers drop what they know. What is
    pending already stays as it is, and what newer events of its payment have overtaken: their receiver would take the
    older one for the last word. The relay sends them; this command only makes them due, and writes down who did it.
    """
    if bool(delivery_ids) == bool(dead or unrouted or since) or (delivery_ids and sink) or (dead and unrouted):
        raise click.UsageError("name deliveries, or say --dead, --unrouted or --since (and perhaps --sink)")
    status = "DEAD" if dead else "UNROUTED" if unrouted else None
    ids = delivery_ids or outbox.replayable(dependencies(), sink=sink, status=status, since=since)
    total = 0
    with progress(len(ids), "Replaying deliveries") as advance:
        for asked, replayed in outbox.replay(dependencies(), ids, actor, even_if_newer=even_if_newer):
            total += replayed
            advance(asked)
    left = len(ids) - total
    hint = f", {left} left as they are: pending, or overtaken by newer ones (--even-if-newer)" if left else ""
    emit(as_json, {"due_again": total, "left": left}, f"{total} due again{hint}")
