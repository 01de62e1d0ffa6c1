"""`flask ops revoke`: ends the sessions of an operator."""

import click
from flask.cli import with_appcontext

from payment_service.cli.arguments import Words
from payment_service.cli.output import ACTOR, JSON, Command, emit
from payment_service.services import operator_sessions
from payment_service.web.context import dependencies


@click.group
def ops() -> None:
    """Look after the people who may use the operations pages."""


@ops.command(cls=Command)
@click.option("--subject", type=Words(255), required=True, help="Whose sessions: the `sub` of their tokens.")
@ACTOR
@JSON
@with_appcontext
def revoke(subject: str, actor: str, as_json: bool) -> None:
    """End all sessions of an operator.

    It ends those that began before now, on every instance, with the next request. Tokens of this subject that were
    issued before now begin no new one; a token without the time of its issue still does. Take the permission away at
    the auth service first, or the person signs in anew.
    """
    ended = operator_sessions.revoke(dependencies(), subject, actor)
    emit(as_json, {"subject": subject, "sessions": ended}, f"{ended} of the sessions of {subject} have ended")
