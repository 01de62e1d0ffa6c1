"""Bills: the hospital's callers. The key is in a header and is the payment's reference; a listed payment is paid."""

from collections.abc import Mapping
from typing import Any

from flask import Response
from marshmallow import Schema

from payment_service.clock import naive_text
from payment_service.domain.deliveries import Event
from payment_service.domain.errors import RETRY_NEW_KEY, PaymentDeclined, PaymentNotFound
from payment_service.domain.lifecycle import Move, Status, event_type
from payment_service.domain.money import to_text
from payment_service.domain.records import PaymentContext, StoredResponse
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
from payment_service.web.openapi.decorators import KeyIn, describe
from payment_service.web.parsing import query
from payment_service.web.payment_terms import AwaitingSchema, PayingSchema
from payment_service.web.responses import accepted, answered, respond, show

NAME = "bills"
CURRENCY = "INR"  # the document names none; its payment methods are Indian ones
PAID = (Status.CAPTURED, Status.PARTIALLY_REFUNDED, Status.REFUNDED)


class NewBillPayment(PayingSchema):
    """`POST /v1/payments` with a bill."""

    bill_id = fields.PositiveId(texts=True, required=True, example=1)
    amount = fields.Amount(CURRENCY, required=True, example=525.0)
    method = fields.Text(50, required=True, example="UPI")


class BillFilters(Schema):
    """`GET /v1/payments` of bills."""

    skip = fields.Whole(0, 2**31, load_default=0)
    limit = fields.Whole(1, 100, load_default=100)
    bill_id = fields.PositiveId(texts=True)


class BillPayment(Schema):
    """A paid bill: exactly the six fields of the document."""

    payment_id = field.integer(1)
    bill_id = field.integer(1, attribute="payable_id")
    amount = field.computed(lambda payment: to_text(payment.amount), "string", "525.00", r"^\d+\.\d{2,3}$")
    method = field.text("UPI")
    reference = field.text("unique-key-123")
    paid_at = field.computed(
        lambda payment: naive_text(payment.completed_at or payment.created_at),
        "string",
        "2025-11-03T11:23:00.145775",
        field.TIMESTAMP,
    )


class PendingBillPayment(BillPayment, AwaitingSchema):
    """The gateway has not decided yet; ask again, or repeat the key."""

    status = field.constant("PENDING", enum=["PENDING"])
    message = field.constant("Payment accepted for processing")


NEW_PAYMENT, FILTERS = NewBillPayment(), BillFilters()
PAYMENT, PENDING, PAYMENTS = BillPayment(), PendingBillPayment(), BillPayment(many=True)


class BillRenderer(BaseRenderer):
    """The renderer of the bills channel."""

    errors = DetailError()

    def answer(self, response_format: str, context: PaymentContext) -> StoredResponse:
        """Return 201 with the paid bill, 202 while the gateway has not decided, 402 for a decline."""
        if context.payment.status is Status.FAILED:
            return self.refusal(PaymentDeclined(context.payment.gateway_response, retry=RETRY_NEW_KEY))
        if context.payment.status not in PAID:
            return accepted(PENDING.dump(context.payment), context.action)
        return answered(201, PAYMENT.dump(context.payment))

    def event(self, move: Move, context: PaymentContext) -> Event:
        """Return the payment as its caller sees it."""
        return Event(event_type(move, context.payment.version), PAYMENT.dump(context.payment))


@describe({201: PAYMENT, 202: PENDING}, body=NEW_PAYMENT, key=KeyIn.HEADER)
def create(body: Mapping[str, Any]) -> Response:
    """Pay a bill."""
    key = required_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = build_request(NAME, "POST:/v1/payments", given, "charge", key=key)
    new = NewPayment(
        payable_id=str(given["bill_id"]),
        amount=given["amount"],
        currency=CURRENCY,
        method=given["method"],
        references=(PaymentReferences(key),),
    )
    return respond(execute(dependencies(), asked, ChargePayment(new)))


@describe({200: PAYMENT, 202: PENDING})
def show_payment(payment_id: int) -> Response:
    """Show one paid bill; 202 while it is undecided, and not found where it was declined: nothing was paid."""
    found = queries.payment(dependencies(), principal(), NAME, "payment_id", payment_id)
    if found.status is Status.FAILED:
        raise PaymentNotFound
    if found.status in PAID:
        return show(PAYMENT.dump(found))
    return respond(CHANNEL.renderer.answer("charge", PaymentContext(found)))


@describe({200: PAYMENTS}, query=FILTERS)
def list_payments() -> Response:
    """List the paid bills, oldest first: a bare array."""
    given = query(FILTERS)
    bill = given.get("bill_id")
    filters = {"payable_id": bill and str(bill), "status": list(PAID)}
    found = queries.oldest(dependencies(), principal(), NAME, given["limit"], given["skip"], filters)
    return show(PAYMENTS.dump(found))


CHANNEL = Channel(
    name=NAME,
    renderer=BillRenderer(),
    about=__doc__,
    payment_path="/v1/payments/{payment_id}",
    shared=SharedPayments(
        payable_field="bill_id",
        own_parameters=frozenset({"skip", "limit", "bill_id"}),
        more_parameters=frozenset(),
        create=create,
        listing=list_payments,
        show=show_payment,
    ),
)
