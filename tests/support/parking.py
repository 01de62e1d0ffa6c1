"""A sixth kind of caller, as small as one can be: parking tickets, paid once under the key in the header."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from marshmallow import Schema

from payment_service.domain.errors import NEW_KEY, PaymentDeclined, PaymentNotFound, ServiceError
from payment_service.domain.event_types import event_type
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.money import to_number
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer, Event, Facts, Payment
from payment_service.services import queries
from payment_service.services.commands import ChargePayment, NewPayment, PaymentReferences
from payment_service.services.engine import execute
from payment_service.services.runtime import ChannelReferences
from payment_service.web import fields, shown
from payment_service.web.channel import Channel, SharedPayments
from payment_service.web.context import asked_of, caller, runtime
from payment_service.web.documenting import Key, documented, number
from payment_service.web.fields import load
from payment_service.web.parsing import json_body, path_number, query, required_key
from payment_service.web.responses import answered, as_detail, respond, show

NAME, CURRENCY, PREFIX = "parking", "EUR", "/parking/payments"
blueprint = Blueprint(NAME, __name__)


class NewTicketPayment(Schema):
    """A ticket to be paid."""

    parking_id = fields.PositiveId(required=True, example=7)
    amount = fields.Amount(CURRENCY, required=True, example=2.5)


class TicketFilters(Schema):
    """Which tickets to list."""

    parking_id = fields.PositiveId(texts=True)


class TicketPayment(Schema):
    """A payment of a ticket; `barrier` says whether the car may leave."""

    payment_id = shown.whole(353)
    parking_id = shown.whole(7)
    amount = shown.money(2.5)
    barrier = shown.word("open", ["open", "closed"])


NEW_PAYMENT, FILTERS, PAYMENT = NewTicketPayment(), TicketFilters(), TicketPayment()
DECLINED = PaymentDeclined("Card was declined by issuer", retry=NEW_KEY)


class ParkingPresenter:
    """Every answer is the payment; errors are told in a `detail`."""

    shows_trail = False
    gives_references = False
    event_types: Mapping[Move, str] = {}

    def answer(self, rendering: str, facts: Facts) -> Answer:
        """201 when paid, 402 for a decline, 202 in between."""
        if facts.payment.status is Status.FAILED:
            return self.refusal(DECLINED)
        return answered(201 if facts.payment.status is Status.CAPTURED else 202, _body(facts.payment))

    def refusal(self, error: ServiceError) -> Answer:
        return as_detail(error)

    def event(self, move: Move, facts: Facts) -> Event:
        return Event(event_type(move, facts.payment), _body(facts.payment))

    def receipt(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        return ChannelReferences()


def _body(payment: Payment) -> dict[str, Any]:
    barrier = "open" if payment.status is Status.CAPTURED else "closed"
    named = {"payment_id": payment.payment_id, "parking_id": int(payment.payable_id)}
    return {**named, "amount": to_number(payment.amount), "barrier": barrier}


@documented({201: PAYMENT, 202: PAYMENT}, body=NEW_PAYMENT, key=Key.HEADER, refuses=[DECLINED])
def create(body: Mapping[str, Any]) -> Response:
    """Pay a ticket."""
    key = required_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = asked_of(NAME, f"POST:{PREFIX}", given, "charge", key=key)
    ticket = str(given["parking_id"])
    new = NewPayment(ticket, given["amount"], CURRENCY, "CARD", references=(PaymentReferences(key),))
    return respond(execute(runtime(), asked, ChargePayment(new)))


@documented({200: PAYMENT}, refuses=[PaymentNotFound()])
def show_payment(payment_id: int) -> Response:
    """Show one payment."""
    return show(_body(queries.payment(runtime(), caller(), NAME, "payment_id", payment_id)))


@documented({200: TicketPayment(many=True)}, query=FILTERS)
def list_payments() -> Response:
    """List the newest payments of a ticket."""
    ticket = query(FILTERS).get("parking_id")
    found = queries.newest(runtime(), caller(), NAME, 100, {"payable_id": ticket and str(ticket)})
    return show([_body(each) for each in found])


@blueprint.post("")
@documented({201: PAYMENT, 202: PAYMENT}, body=NEW_PAYMENT, key=Key.HEADER, refuses=[DECLINED])
def pay() -> Response:
    """Pay a ticket at the machine."""
    return create(json_body())


@blueprint.get("/<payment_id>")
@documented({200: PAYMENT}, path=[number("payment_id", 353)], refuses=[PaymentNotFound()])
def show_ticket(payment_id: str) -> Response:
    """Show one payment at the machine."""
    return show_payment(path_number(payment_id, "payment_id"))


CHANNEL = Channel(
    name=NAME,
    presenter=ParkingPresenter(),
    about=__doc__,
    paths=("/parking",),
    blueprints=((blueprint, PREFIX),),
    shared=SharedPayments(
        payable_field="parking_id",
        own_parameters=frozenset({"parking_id"}),
        more_parameters=frozenset(),
        create=create,
        listing=list_payments,
        show=show_payment,
    ),
)
