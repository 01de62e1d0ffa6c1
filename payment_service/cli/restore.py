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
from payment_service.services.restore import Lost
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

    Makes a restored database safe to serve from. Leaves out --gap numbers of payments, refunds and all other rows:
    callers hold the numbers of rows that the backup does not have. Reads the list of each gateway since the backup,
    prints every movement that the tables do not know, with its amount, and writes it down: a repeat of its request
    adopts it, at any age. Payments that wait for their callers wait a day more. Run it before the service and the
    worker start, see docs/how-to/restore.md; on PostgreSQL connect as payments_owner. To list again what is lost, use
    --gap 0.

    \b
    Exit code: 0 nothing is lost
               1 movements are lost; or this role may not
               2 the journal is empty: say --since
               3 not finished: the database is not migrated, or it or a gateway did not answer. Run it
                 again, with --gap 0 where numbers were printed
    """
    deps = dependencies()
    require_writable(deps)
    require_owner(deps)
    try:
        since = restore.begin(deps, since, is_repeat=gap == 0)
    except restore.NothingToGoBy as error:
        raise click.UsageError("the journal is empty: say with --since until when the backup has everything") from error
    for table, number in restore.skip_numbers(deps, gap).items():
        click.echo(f"{table}: the next number is {number + 1}")

    def tell(line: Line) -> None:
        if line.difference is not None:
            click.echo(describe(line))

    lost = restore.find_lost(deps, since, tell)
    for name in lost.unlisted:
        click.echo(f"{name}: has no list; the service cannot know what was lost there")
    for found in (result.found for result in lost.results):
        click.echo(f"{found.gateway}: {found.movements} movements since {since}, {found.differences} differences")
    _end(lost)


def _end(lost: Lost) -> None:
    """End with the exit code."""
    cut_short = [f"{result.found.gateway}: {result.cut_short}" for result in lost.results if result.cut_short]
    if cut_short:
        raise TemporaryFailure(f"not finished, run it again with --gap 0: {'; '.join(cut_short)}")
    if any(result.found.differences for result in lost.results):
        raise click.ClickException("let the callers repeat their requests, then look again with --gap 0")
