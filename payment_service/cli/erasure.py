"""`flask forget-subject`: erases personal data of a subject, and keeps the data about money."""

import click
from flask.cli import with_appcontext

from payment_service.cli.arguments import Words
from payment_service.cli.output import ACTOR, JSON, Command, emit, require_owner
from payment_service.services import erasure
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies


@click.command("forget-subject", cls=Command)
@click.argument("subject", type=Words(255))
@click.option("--channel", type=Words(20), help="Only the payments of this channel, and nothing of the user.")
@ACTOR
@JSON
@with_appcontext
def forget_subject(subject: str, channel: str | None, actor: str, as_json: bool) -> None:
    r"""Empty what is personal about a subject.

    SUBJECT is the `sub` of a token, or a customer's id. Empties the email, metadata, reasons, notes, stored responses,
    and bodies of delivered events of every payment that SUBJECT made or is the customer of. Amounts, statuses, ids,
    the history and SUBJECT itself stay, and `verify` finds nothing wrong. The journal says when this was done and by
    whom. A repeat of an old request gets the payment as it is now. On PostgreSQL connect as payments_owner, the role
    that owns the tables. Safe beside traffic.

    \b
    Exit code: 0 done
               1 some payments are left, because an operation is open, an event is not delivered,
                 or a gateway's notice waits there; or this role may not
               3 the database did not answer
    """
    deps = dependencies()
    require_writable(deps)
    if channel is not None and channel not in deps.renderers:
        raise click.BadParameter(f"there is no channel {channel}", param_hint="--channel")
    require_owner(deps)
    forgotten = erasure.forget(deps, subject, channel, actor)
    document = {"payments": forgotten.emptied, "user": forgotten.user, "left": forgotten.left}
    emit(as_json, document, f"{forgotten.emptied} payments emptied" + (", and the user" if forgotten.user else ""))
    if forgotten.left:
        numbers = ", ".join(map(str, forgotten.left))
        raise click.ClickException(f"left, because something is unfinished there: {numbers}. Run it again later")
