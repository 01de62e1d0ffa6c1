"""`/payments/{payment_id}/refunds`: create and list refunds in the format of the payment's channel."""

from collections.abc import Mapping

from flask import Blueprint, Response, current_app

from payment_service.domain.errors import NotFound
from payment_service.services import queries
from payment_service.web.access import authorize_channel
from payment_service.web.channel import RefundsOfPayment
from payment_service.web.context import dependencies, principal
from payment_service.web.openapi.decorators import dispatched, integer_param
from payment_service.web.parsing import path_number


def refunds_blueprint(name: str, parts: Mapping[str, RefundsOfPayment], default: str) -> Blueprint:
    """Return the refund routes; `parts` are the channels that know this path, `default` serves all other payments."""
    blueprint = Blueprint(name, __name__)
    path = [integer_param("payment_id", 353)]

    @blueprint.post("/payments/<payment_id>/refunds")
    @dispatched({name: part.create for name, part in parts.items()}, path=path)
    def create(payment_id: str) -> Response:
        """Refund a payment."""
        wanted = path_number(payment_id, "payment_id", NotFound())
        return _enter(parts, default, wanted).create(wanted)

    @blueprint.get("/payments/<payment_id>/refunds")
    @dispatched({name: part.listing for name, part in parts.items()}, path=path)
    def listing(payment_id: str) -> Response:
        """List a payment's refunds."""
        wanted = path_number(payment_id, "payment_id", NotFound())
        return _enter(parts, default, wanted).listing(wanted)

    return blueprint


def _enter(parts: Mapping[str, RefundsOfPayment], default: str, number: int) -> RefundsOfPayment:
    # A single channel reads the payment later, so reading it here would only cost a round trip.
    channel = queries.channel_of(dependencies(), principal(), number) if len(parts) > 1 else None
    chosen = channel if channel is not None and channel in parts else default
    authorize_channel(current_app, chosen)
    return parts[chosen]
