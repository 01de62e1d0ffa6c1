"""`flask purge | verify`: retention of keys, notices and sessions, and verification."""

import json
import sys
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from payment_service.cli.arguments import Words
from payment_service.cli.output import JSON, Command, emit, progress
from payment_service.services import business_metrics, operator_sessions, retention, verification
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies


@click.command(cls=Command)
@click.option(
    "--batch",
    default=retention.BATCH,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Rows looked at in one transaction.",
)
@JSON
@with_appcontext
def purge(batch: int, as_json: bool) -> None:
    """Empty ended answers, delete old notices and sessions.

    An answer is kept for IDEMPOTENCY_KEY_TTL seconds. The key itself stays for ever, with what it made: a later repeat
    gets the payment as it is then, never a second charge. Keys that made nothing are deleted, keys whose outcome is
    not known are left alone. A gateway's notice is kept for 30 days, an operator's session until its
    time is over. Safe beside traffic; run it once a day.
    """
    require_writable(dependencies())
    total = 0
    with progress(retention.purgeable(dependencies()), "Purging cached answers") as advance:
        for deleted in retention.purge(dependencies(), batch):
            total += deleted
            advance(deleted)
    notices = sum(retention.purge_notices(dependencies(), batch))
    sessions = operator_sessions.purge(dependencies())
    others = {"notices": notices, "sessions": sessions}
    words = (f"{total} purged", *(f"{count} {what}" for what, count in others.items() if count))
    emit(as_json, {"purged": total, **others}, ", ".join(words))


@click.command(cls=Command)
@click.option("--seal", "kept", type=Words(100), help="The hash of a seal that you have kept: it must still be there.")
@JSON
@with_appcontext
def verify(kept: str | None, as_json: bool) -> None:
    r"""Check that no money is lost or doubled.

    Compares every row with its hash and with the seals: nobody may have changed one. Reads every payment with its
    refunds, operations and history, and the gateway's ledger where the gateway lists it, and recomputes from them what
    must be true. Prints a line for each row that breaks a rule. It changes and locks nothing: safe beside traffic.

    \b
    Exit code: 0 nothing is wrong
               1 there are violations
               3 the database or the gateway did not answer
    """
    found = []
    payments = business_metrics.current(dependencies(), folding=False).totals.created
    with progress(payments, "Verifying payments") as advance:
        for violation in verification.verify(dependencies(), lambda: advance(1), kept):
            found.append(violation)
            if not as_json:
                click.echo(str(violation))
    if as_json:
        click.echo(json.dumps({"violations": [asdict(each) for each in found]}))
    else:
        click.echo("no violations" if not found else f"{len(found)} violations", err=bool(found))
    sys.exit(1 if found else 0)
