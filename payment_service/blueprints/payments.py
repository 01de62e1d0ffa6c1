"""`/payments` and `/v1/payments`, which the documents of several callers define.

A new payment goes to the channel of the payable field in its body, a list to the channel of its parameters, an id to
the channel of its row. From then on that channel alone serves the request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, current_app, request

from payment_service.domain.errors import FieldError, Invalid, NotFound, PaymentNotFound
from payment_service.services import queries
from payment_service.web.access import authorize_channel, is_allowed
from payment_service.web.channel import SharedPayments
from payment_service.web.context import dependencies, principal
from payment_service.web.openapi.decorators import dispatched, integer_param
from payment_service.web.parsing import json_body, path_number

Parts = Mapping[str, SharedPayments]


def payments_blueprint(name: str, parts: Parts, default: str, *, owned: bool) -> Blueprint:
    """Return the shared payments under one prefix; `parts` are the channels' shares in it, by channel name.

    On an `owned` path its document's channel (`default`) serves bodies without another payable field, and all lists.
    On other paths `default` only lists requests without a parameter that is one channel's own.
    """
    blueprint = Blueprint(name, __name__)
    listed = {name: part.listing for name, part in parts.items() if name == default or not owned}
    elsewhere = NotFound() if owned else None

    @blueprint.post("/payments")
    @dispatched({name: part.create for name, part in parts.items()})
    def create() -> Response:
        """Pay for the trip, bill or order that the body names."""
        body = json_body()
        return _enter(parts, _of_body(parts, body, default if owned else None)).create(body)

    @blueprint.get("/payments")
    @dispatched(listed)
    def listing() -> Response:
        """List payments: those of the callers whose parameters are used."""
        return _enter(parts, default if owned else _of_parameters(parts, default)).listing()

    @blueprint.get("/payments/<payment_id>")
    @dispatched({name: part.show for name, part in parts.items()}, path=[integer_param("payment_id", 353)])
    def show(payment_id: str) -> Response:
        """Show a payment, in the words of the callers who made it."""
        wanted = path_number(payment_id, "payment_id", elsewhere)
        channel = queries.channel_of(dependencies(), principal(), wanted)
        return _enter(parts, channel or _of_nothing(parts, default)).show(wanted)

    return blueprint


def _enter(parts: Parts, channel: str) -> SharedPayments:
    if channel not in parts:
        raise PaymentNotFound
    authorize_channel(current_app, channel)
    return parts[channel]


def _of_nothing(parts: Parts, default: str) -> str:
    """Return the channel that reports a missing payment: the path's own, or one that the token's scopes name."""
    may_answer = (name for name in (default, *parts) if principal().subject and is_allowed(name))
    return next(may_answer, default)


def _of_body(parts: Parts, body: Mapping[str, Any], default: str | None) -> str:
    named = [name for name, part in parts.items() if body.get(part.payable_field) is not None]
    if len(named) == 1:
        return named[0]
    if default is not None and not named:
        return default
    raise _undecided(parts, "value_error" if named else "missing")


def _undecided(parts: Parts, kind: str) -> Invalid:
    fields = [part.payable_field for part in parts.values()]
    return Invalid(
        [FieldError(("body", field), f"Exactly one of {', '.join(fields)} is required", kind) for field in fields]
    )


def _of_parameters(parts: Parts, default: str) -> str:
    given = set(request.args)
    named = [name for name, part in parts.items() if part.own_parameters & given]
    known = given & frozenset().union(*(part.own_parameters | part.more_parameters for part in parts.values()))
    fitting = [name for name in named if known <= parts[name].own_parameters | parts[name].more_parameters]
    if named and not fitting:
        raise _mixed(sorted(known))
    return fitting[0] if fitting else default


def _mixed(names: Sequence[str]) -> Invalid:
    return Invalid([FieldError(("query", name), "Parameters of different callers cannot be mixed") for name in names])
