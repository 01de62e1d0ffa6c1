"""`flask after-restore`: the last step before a restored database serves again."""

from datetime import datetime

import click
from flask.cli import with_appcontext

from payment_service.cli.arguments import Moment
from payment_service.cli.output import Command, TemporaryFailure, require_owner
from payment_service.cli.reconcile import describe
from payment_service.services import restore
from payment_service.services.differences import Line
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies

GAP = 1_000_000
LARGEST_GAP = 1_000_000_000


@click.command("after-restore", cls=Command)
@click.option(
    "--gap", type=click.IntRange(0, LARGEST_GAP), default=GAP, show_default=True, help="Numbers to leave out."
)
@click.option("--since", type=Moment(), help="Until when the backup has everything; by default an hour before its end.")
@with_appcontext
def after_restore(gap: int, since: datetime | None) -> None:
    r"""Skip lost numbers, list lost movements.

    Makes a restored database safe to serve from. Leaves out --gap numbers of payments, refunds and all other rows, so
    that no number is given twice: callers hold the numbers of rows that the backup does not have. Then reads the list of
    each gateway since the backup and prints every movement that the tables do not know, with its amount. Run it once,
    before the service and the worker start, see docs/how-to/restore.md; on PostgreSQL connect as payments_owner. To list
    again what is still lost, use --gap 0.

    \b
    Exit code: 0 nothing is lost
               1 movements are lost, or a gateway has no list; or this role may not
               2 the journal is empty: say --since
               3 not finished: the database or a gateway did not answer. Run it again with --gap 0
    """
    deps = dependencies()
    require_writable(deps)
    require_owner(deps)
    try:
        since = since or restore.reaches_until(deps)
    except restore.NothingToGoBy as error:
        raise click.UsageError("the journal is empty: say with --since until when the backup has everything") from error
    for table, number in restore.skip_numbers(deps, gap).items():
        click.echo(f"{table}: the next number is {number + 1}")

    def tell(line: Line) -> None:
        if line.difference is not None:
            click.echo(describe(line))

    results, unlisted = restore.lost(deps, since, tell)
    for name in unlisted:
        click.echo(f"{name}: has no list; what was lost there shows when callers repeat their requests")
    for found in (result.found for result in results):
        click.echo(f"{found.gateway}: {found.movements} movements since {since}, {found.differences} differences")
    cut_short = [f"{result.found.gateway}: {result.cut_short}" for result in results if result.cut_short is not None]
    if cut_short:
        raise TemporaryFailure(f"not finished, run it again with --gap 0: {'; '.join(cut_short)}")
    if unlisted or any(result.found.differences for result in results):
        raise click.ClickException("let the callers repeat their requests, then look again with --gap 0")
