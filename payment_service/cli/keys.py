"""`flask purge | verify`: looking after keys, and after the truth."""

import json
import sys
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from payment_service.cli.output import JSON, Command, emit, progress
from payment_service.services import business_metrics, retention, verification
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies


@click.command(cls=Command)
@click.option(
    "--batch",
    default=retention.BATCH,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Keys looked at in one transaction.",
)
@JSON
@with_appcontext
def purge(batch: int, as_json: bool) -> None:
    """Empty cached answers that have ended.

    An answer is kept for IDEMPOTENCY_KEY_TTL seconds. The key itself stays for ever, with what it made: a later repeat
    gets the payment as it is then, never a second charge. Keys that made nothing are deleted, keys whose outcome is
    not known are left alone. Safe beside traffic; run it once a day.
    """
    require_writable(dependencies())
    total = 0
    with progress(retention.purgeable(dependencies()), "Purging cached answers") as advance:
        for deleted in retention.purge(dependencies(), batch):
            total += deleted
            advance(deleted)
    emit(as_json, {"purged": total}, f"{total} purged")


@click.command(cls=Command)
@JSON
@with_appcontext
def verify(as_json: bool) -> None:
    r"""Check that no money is lost or doubled.

    Reads every payment with its refunds, operations and history, and the gateway's ledger where the gateway lists it,
    and recomputes from them what must be true. Prints a line for each row that breaks a rule. It changes and locks
    nothing: safe beside traffic.

    \b
    Exit code: 0 nothing is wrong
               1 there are violations
               3 the database or the gateway did not answer
    """
    found = []
    payments = business_metrics.current(dependencies(), folding=False).totals.created
    with progress(payments, "Verifying payments") as advance:
        for violation in verification.verify(dependencies(), seen=lambda: advance(1)):
            found.append(violation)
            if not as_json:
                click.echo(str(violation))
    if as_json:
        click.echo(json.dumps({"violations": [asdict(each) for each in found]}))
    else:
        click.echo("no violations" if not found else f"{len(found)} violations", err=bool(found))
    sys.exit(1 if found else 0)
