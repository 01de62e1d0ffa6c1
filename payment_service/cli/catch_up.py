"""`flask catch-up`: stores missed notices from the gateway's own list of events."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

import click
from flask.cli import with_appcontext

from payment_service import clock
from payment_service.cli.arguments import Moment, Words
from payment_service.cli.output import JSON, Command, emit, progress
from payment_service.domain.errors import NotFound
from payment_service.gateways.notices import Notice
from payment_service.services import notices
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies

BATCH = 20
"""Notices stored in one transaction: few, because it locks the keys that they wake."""


@click.command("catch-up", cls=Command)
@click.option("--gateway", type=Words(40), required=True, help="As in the webhook's path: stripe.")
@click.option("--since", type=Moment(), required=True, help="The moment since which notices may be missing.")
@JSON
@with_appcontext
def catch_up(gateway: str, since: datetime, as_json: bool) -> None:
    r"""Fetch the notices that a gateway could not deliver.

    For use after an outage of the webhook. Walks the gateway's list of events, newest first, and stores what is not
    stored yet; the worker handles it as if it had come by itself. It changes no payment, and may be run again at any
    time. Without it a lost notice costs time only, where an operation is open; of what changes later (a refund that
    fails, a dispute) nobody else would tell.

    \b
    Exit code: 0 the whole list was walked
               1 no such gateway is configured, or it has no list of events
               3 the gateway or the database did not answer: what was stored stays, run it again
    """
    deps, now = dependencies(), clock.now()
    if since > now:
        raise click.BadParameter("it is in the future.", param_hint="--since")
    try:
        name, sender = notices.sender(deps, gateway)
    except NotFound as error:
        raise click.ClickException(error.message) from error
    if not sender.capabilities.lists_events:
        raise click.ClickException(f"{name} has no list of events: the worker finds by itself what was missed")
    require_writable(deps)
    seen = stored = 0
    # The bar's length is time: the number of events is unknown, and the newest come first.
    reached, length = now, (now - since).total_seconds()
    with progress(max(1, round(length)), "Fetching notices") as advance:
        for batch in _in_batches(sender.events(since)):
            stored += notices.store(deps, name, batch)
            seen += len(batch)
            advance(round((reached - batch[-1].created_at).total_seconds()))
            reached = batch[-1].created_at
    emit(as_json, {"seen": seen, "stored": stored}, f"{seen} seen, {stored} of them were missing")


def _in_batches(events: Iterable[Notice]) -> Iterator[list[Notice]]:
    rest = iter(events)
    while batch := list(islice(rest, BATCH)):
        yield batch
