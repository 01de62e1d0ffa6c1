"""A sixth kind of caller, as small as one can be: parking tickets, paid once under the key in the header."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from marshmallow import Schema

from payment_service.domain.deliveries import Event
from payment_service.domain.errors import RETRY_NEW_KEY, PaymentDeclined
from payment_service.domain.lifecycle import Move, Status, event_type
from payment_service.domain.principals import TokenScope
from payment_service.domain.records import Payment, PaymentContext, StoredResponse
from payment_service.services import queries
from payment_service.services.commands import ChargePayment, NewPayment, PaymentReferences
from payment_service.services.engine import execute
from payment_service.web import fields
from payment_service.web import response_fields as field
from payment_service.web.channel import BaseRenderer, Channel, SharedPayments
from payment_service.web.context import build_request, dependencies, principal
from payment_service.web.error_schemas import DetailError
from payment_service.web.fields import load
from payment_service.web.key_header import required_key
from payment_service.web.openapi.decorators import KeyIn, describe, integer_param
from payment_service.web.parsing import json_body, path_number, query
from payment_service.web.responses import answered, respond, show

NAME, CURRENCY, PREFIX = "parking", "EUR", "/parking/payments"
blueprint = Blueprint(NAME, __name__)


class NewTicketPayment(Schema):
    """A ticket to be paid."""

    parking_id = fields.PositiveId(required=True, example=7)
    amount = fields.Amount(CURRENCY, required=True, example=2.5)


class TicketFilters(Schema):
    """Which tickets to list."""

    parking_id = fields.PositiveId(texts=True)


def _barrier(payment: Payment) -> str:
    return "open" if payment.status is Status.CAPTURED else "closed"


class TicketPayment(Schema):
    """A payment of a ticket; `barrier` says whether the car may leave."""

    payment_id = field.integer(353)
    parking_id = field.integer(7, attribute="payable_id")
    amount = field.money(2.5)
    barrier = field.computed(_barrier, "string", "open", metadata={"enum": ["open", "closed"]})


NEW_PAYMENT, FILTERS = NewTicketPayment(), TicketFilters()
PAYMENT, PAYMENTS = TicketPayment(), TicketPayment(many=True)
DECLINED = PaymentDeclined("Card was declined by issuer", retry=RETRY_NEW_KEY)


class ParkingRenderer(BaseRenderer):
    """Every response is the payment; errors have a `detail`."""

    errors = DetailError()

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """201 when paid, 402 for a decline, 202 in between."""
        if context.payment.status is Status.FAILED:
            return self.refusal(DECLINED)
        return answered(201 if context.payment.status is Status.CAPTURED else 202, PAYMENT.dump(context.payment))

    def event(self, move: Move, context: PaymentContext) -> Event:
        return Event(event_type(move, context.payment.version), PAYMENT.dump(context.payment))


@describe({201: PAYMENT, 202: PAYMENT}, body=NEW_PAYMENT, key=KeyIn.HEADER)
def create(body: Mapping[str, Any]) -> Response:
    """Pay a ticket."""
    key = required_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = build_request(NAME, f"POST:{PREFIX}", given, "charge", key=key)
    ticket = str(given["parking_id"])
    new = NewPayment(ticket, given["amount"], CURRENCY, "CARD", references=(PaymentReferences(key),))
    return respond(execute(dependencies(), asked, ChargePayment(new)))


@describe({200: PAYMENT})
def show_payment(payment_id: int) -> Response:
    """Show one payment."""
    return show(PAYMENT.dump(queries.payment(dependencies(), principal(), NAME, "payment_id", payment_id)))


@describe({200: PAYMENTS}, query=FILTERS)
def list_payments() -> Response:
    """List the newest payments of a ticket."""
    ticket = query(FILTERS).get("parking_id")
    found = queries.newest(dependencies(), principal(), NAME, 100, {"payable_id": ticket and str(ticket)})
    return show(PAYMENTS.dump(found))


@blueprint.post("")
@describe({201: PAYMENT, 202: PAYMENT}, body=NEW_PAYMENT, key=KeyIn.HEADER)
def pay() -> Response:
    """Pay a ticket at the machine."""
    return create(json_body())


@blueprint.get("/<payment_id>")
@describe({200: PAYMENT}, path=[integer_param("payment_id", 353)])
def show_ticket(payment_id: str) -> Response:
    """Show one payment at the machine."""
    return show_payment(path_number(payment_id, "payment_id"))


SCOPES = {
    "pay": TokenScope.CHARGE,
    "show_ticket": TokenScope.READ,
}
"""The scopes of a token that calls a view."""

CHANNEL = Channel(
    name=NAME,
    renderer=ParkingRenderer(),
    about=__doc__,
    paths=("/parking",),
    blueprints=((blueprint, PREFIX, SCOPES),),
    shared=SharedPayments(
        payable_field="parking_id",
        own_parameters=frozenset({"parking_id"}),
        more_parameters=frozenset(),
        create=create,
        listing=list_payments,
        show=show_payment,
    ),
)
