"""`flask decide`: a person decides an operation that the gateway cannot decide."""

from uuid import UUID

import click
from flask.cli import with_appcontext

from payment_service.cli.arguments import Words
from payment_service.cli.output import ACTOR, JSON, Command, TemporaryFailure, emit
from payment_service.domain.errors import KeyInUse
from payment_service.services import manual_resolution
from payment_service.web.context import dependencies


@click.command(cls=Command)
@click.argument("operation_id", type=click.UUID)
@click.argument("outcome", type=click.Choice(["approved", "declined"]))
@click.option("--why", type=Words(), required=True, help="What the gateway told you, and who of them: kept for ever.")
@ACTOR
@JSON
@with_appcontext
def decide(operation_id: UUID, outcome: str, why: str, actor: str, as_json: bool) -> None:
    r"""Say what became of an operation that nobody else can decide.

    For those that /ops shows with a reason to look: the gateway moved another amount, or does not know it and must not
    be sent it again, or has not decided for a day. Ask the gateway's people first. approved: the amount that was asked
    for has moved. declined: nothing has, or it was given back; a request may still be on its way to the gateway for a
    while, and nothing is declined before. Its caller, the neighbours and the audit trail are told as if the gateway
    had said so.

    \b
    Exit code: 1 it is decided already, or there is none of this id
               3 somebody is at work on it, or a request may still be on its way (it says for how
                 long), or the database did not answer
    """
    try:
        approved = outcome == "approved"
        answer = manual_resolution.decide(dependencies(), operation_id, approved=approved, why=why, actor=actor)
    except manual_resolution.NotOpen as error:
        raise click.ClickException(str(error)) from error
    except manual_resolution.TooEarly as error:
        raise TemporaryFailure(error.message) from error
    except KeyInUse as error:
        raise TemporaryFailure("somebody is at work on it: try again later") from error
    document = {"operation_id": operation_id, "outcome": outcome, "status": answer.status}
    emit(as_json, document, f"{operation_id} is {outcome}; a repeat of its request is answered with {answer.status}")
