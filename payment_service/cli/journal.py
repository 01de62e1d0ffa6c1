"""`flask journal seal | export | check | public-key | rekey`: the journal's chain, and extracts for auditors."""

from datetime import datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from payment_service.cli.arguments import NUMBER, Moment
from payment_service.cli.output import JSON, Command, emit, require_owner
from payment_service.services import journal_export, rekeying, seals
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies

FILE = click.Path(dir_okay=False, path_type=Path)
READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group
def journal() -> None:
    """Seal the journal, and give extracts of it to auditors."""


@journal.command(cls=Command)
@click.option(
    "--detach-before",
    type=Moment(),
    help="Say in the seal that months of the journal before this moment are taken out of the database.",
)
@JSON
@with_appcontext
def seal(detach_before: datetime | None, as_json: bool) -> None:
    """Seal the rows made since the last seal, and print its hash.

    The worker does so once a day. A seal lists which rows there are, so that `verify` misses one that is removed later.
    Keep its hash where this database's administrators cannot change it, and give it to `verify --seal`.
    """
    require_writable(dependencies())
    made = seals.seal(dependencies()) if detach_before is None else seals.detach(dependencies(), detach_before)
    if made is None:
        emit(as_json, {"seal": None, "rows": 0}, "nothing to seal")
        return
    document = {"seal": made.row_hash, "number": made.seal_id, "rows": made.rows}
    emit(as_json, document, f"seal {made.seal_id} {made.row_hash}")


@journal.command(cls=Command)
@click.option("--since", type=Moment(), help="Only rows made at this moment or later.")
@click.option("--until", type=Moment(), help="Only rows made before this moment.")
@click.option("--payment", "payment_id", type=NUMBER, help="Only rows of this payment.")
@click.option(
    "--output", type=FILE, required=True, help="The extract's file; its signature gets the same name and .sig."
)
@with_appcontext
def export(since: datetime | None, until: datetime | None, payment_id: int | None, output: Path) -> None:
    r"""Write an extract of the journal, signed with JOURNAL_SIGNING_KEY.

    One JSON object a line, oldest first. Only rows that are what their hashes say are exported. Safe beside traffic.

    \b
    Exit code: 0 the extract and its signature are written
               1 a row is not what its hash says, or there is no JOURNAL_SIGNING_KEY
               3 the database did not answer
    """
    try:
        extract = journal_export.export(
            dependencies(), _signing_key(), output, since=since, until=until, payment_id=payment_id
        )
    except (journal_export.NotExported, OSError) as error:
        output.unlink(missing_ok=True)
        raise click.ClickException(str(error)) from error
    click.echo(f"{extract.rows} rows of {extract.payments} payments")


@journal.command(cls=Command)
@click.argument("file", type=READABLE)
@click.option("--public-key", type=READABLE, required=True, help="The public key as PEM, see public-key.")
@click.option("--signature", type=READABLE, help="The signature's file, where it is not FILE.sig.")
def check(file: Path, public_key: Path, signature: Path | None) -> None:
    """Check an extract without a database: the signature, and that no row is missing between two of a payment.

    Exit code 1 where it is not what was signed.
    """
    try:
        extract = journal_export.check(file, signature or journal_export.signature_of(file), public_key.read_bytes())
    except (journal_export.NotGenuine, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"genuine: {extract.rows} rows of {extract.payments} payments")


@journal.command("public-key", cls=Command)
@with_appcontext
def public_key() -> None:
    """Print the public key that belongs to JOURNAL_SIGNING_KEY, for auditors."""
    click.echo(journal_export.public_key(_signing_key()), nl=False)


@journal.command(cls=Command)
@with_appcontext
def rekey() -> None:
    r"""Give every row a hash by the first key of JOURNAL_KEY. Stop the service and its worker first.

    For a database that has worked without JOURNAL_KEY, or whose old key must go. Verifies the chain by the keys there
    are, writes all hashes anew, and replaces the seals by new ones.

    \b
    Exit code: 0 done
               1 the chain has violations, there is no JOURNAL_KEY, or this role may not: nothing was changed
               3 the database did not answer
    """
    require_writable(dependencies())
    if not current_app.config["JOURNAL_KEY"]:
        raise click.ClickException("JOURNAL_KEY is not set")
    require_owner(dependencies())
    found = rekeying.rekey(dependencies())
    for violation in found.violations:
        click.echo(str(violation))
    if found.violations:
        raise click.ClickException("the chain has violations: nothing was changed")
    click.echo(f"{found.payments} payments chained anew")


def _signing_key() -> str:
    pem: str | None = current_app.config["JOURNAL_SIGNING_KEY"]
    if pem is None:
        raise click.ClickException("JOURNAL_SIGNING_KEY is not set")
    return pem
