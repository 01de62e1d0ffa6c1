"""Bookings: ticket callers, each with a token of its own. A payment is made first and processed later."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from payment_service.channels.bookings import response_schemas as responses
from payment_service.channels.bookings.renderer import BookingRenderer, IllegalChange
from payment_service.channels.bookings.schemas import NEW_PAYMENT, NEW_STATUS, PAGE
from payment_service.domain.errors import FieldError, Forbidden, Invalid, PaymentNotFound
from payment_service.domain.lifecycle import Move
from payment_service.domain.operations import Kind
from payment_service.domain.principals import TokenScope
from payment_service.domain.records import Payment, StoredResponse
from payment_service.services import queries, users
from payment_service.services.commands import (
    ChangeStatus,
    CreatePayment,
    NewPayment,
    PaymentReferences,
    Request,
    StartOperation,
)
from payment_service.services.engine import execute
from payment_service.web.channel import Channel
from payment_service.web.context import build_request, dependencies, principal
from payment_service.web.fields import load
from payment_service.web.key_header import header_key
from payment_service.web.listing import cursor_after
from payment_service.web.openapi.decorators import KeyIn, describe, text_param, uuid_param
from payment_service.web.parsing import json_body, path_text, path_uuid
from payment_service.web.payment_terms import TERMS, optional_terms
from payment_service.web.responses import respond, show

NAME = "bookings"
PREFIX = "/api/payments"
MOST_OF_A_BOOKING = 1000
"""The document's list of a booking has no pages; no booking has so many payments."""

blueprint = Blueprint(NAME, __name__)

CHANGED = {200: responses.CHANGE, 202: responses.PENDING, 402: responses.DECLINED}
BY_ID = [uuid_param("payment_id", responses.PAYMENT_ID)]


@blueprint.before_request
def remember_user() -> None:
    """Store the user of the token. OPTIONS is skipped: it is no request of its own, and any token may send it."""
    if principal().subject and request.method != "OPTIONS":
        users.remember(dependencies(), principal())


@blueprint.post("")
@describe({201: responses.CHANGE}, body=NEW_PAYMENT, key=KeyIn.OPTIONAL_HEADER)
def create() -> Response:
    """Make a payment that waits to be processed."""
    body = json_body()
    if not body:
        raise Invalid([FieldError(("body",), "Request body is required", "missing")])
    given = load(NEW_PAYMENT, body, "body")
    return respond(
        execute(dependencies(), _request("", "create", given, sent=body), CreatePayment(_new_payment(given)))
    )


@blueprint.get("")
@describe({200: responses.PAYMENTS_PAGE}, query=PAGE)
def list_payments() -> Response:
    """List the caller's payments, newest first, page by page."""
    given = load(PAGE, request.args.to_dict(), "query")
    page, per_page = given["page"], given["per_page"]
    found = queries.page(dependencies(), principal(), NAME, page, per_page, {"before": given.get("before")})
    pages = -(-found.total // per_page)
    pagination = {
        "page": page,
        "per_page": per_page,
        "total": found.total,
        "pages": pages,
        "has_next": page < pages,
        "has_prev": page > 1,
        "before": found.before and cursor_after(found.before),
    }
    return show(responses.PAYMENTS_PAGE.dump({"payments": found.payments, "pagination": pagination}))


@blueprint.get("/<payment_id>")
@describe({200: responses.ONE_PAYMENT}, path=BY_ID)
def show_payment(payment_id: str) -> Response:
    """Show one payment."""
    return show(responses.ONE_PAYMENT.dump({"payment": _own(payment_id)}))


@blueprint.get("/booking/<text:booking_id>")
@describe({200: responses.PAYMENTS}, path=[text_param("booking_id", "BOOK-001")])
def list_of_booking(booking_id: str) -> Response:
    """List the caller's payments of one booking, newest first."""
    filters = {"payable_id": path_text(booking_id, "booking_id")}
    found = queries.newest(dependencies(), principal(), NAME, MOST_OF_A_BOOKING, filters)
    return show(responses.PAYMENTS.dump({"payments": found}))


@blueprint.post("/<payment_id>/process")
@describe(CHANGED, body=TERMS, path=BY_ID, key=KeyIn.OPTIONAL_HEADER)
def process(payment_id: str) -> Response:
    """Take the payment's money."""
    return respond(_process(_own(payment_id), "process", optional_terms()))


@blueprint.post("/<payment_id>/refund")
@describe(CHANGED, path=BY_ID, key=KeyIn.OPTIONAL_HEADER)
def refund(payment_id: str) -> Response:
    """Give all of it back."""
    return respond(_refund(_own(payment_id), "refund"))


@blueprint.patch("/<payment_id>/status")
@describe(CHANGED, body=NEW_STATUS, path=BY_ID, key=KeyIn.OPTIONAL_HEADER)
def change_status(payment_id: str) -> Response:
    """Move a payment by hand, as far as no money is claimed to have moved."""
    given = load(NEW_STATUS, json_body(), "body")
    found = _own(payment_id)
    if given["status"] not in CHANGES:
        raise IllegalChange(found.status, given["status"])
    return respond(CHANGES[given["status"]](found, given))


def _own(payment_id: str) -> Payment:
    """Return the payment. Unlike other channels, the document distinguishes another user's payment from none."""
    public_id = path_uuid(payment_id, PaymentNotFound())
    return queries.payment(dependencies(), principal(), NAME, "public_id", public_id, theirs=Forbidden())


def _process(
    found: Payment, response_format: str, given: Mapping[str, Any], caller_reference: str | None = None
) -> StoredResponse:
    """Charge a payment. It is charged once: without a client's key, an implied key names the payment.

    The key has its UUID and not its number: a database restored from a backup reuses numbers, and the gateway would
    take the new payment for the old one.
    """
    terms = {name: given[name] for name in TERMS.load_fields if name in given}
    asked = _request(f"/{found.public_id}/process", response_format, terms, implied_key=f"process:{found.public_id}")
    command = StartOperation(found.payment_id, Kind.CHARGE, caller_reference=caller_reference)
    return execute(dependencies(), asked, command)


def _refund(found: Payment, response_format: str, caller_reference: str | None = None) -> StoredResponse:
    """Refund a payment. It is refunded once, but a declined refund may be tried again: that is another operation."""
    declined = sum(each.status == "FAILED" for each in queries.refunds(dependencies(), found.payment_id))
    asked = _request(f"/{found.public_id}/refund", response_format, implied_key=f"refund:{found.public_id}:{declined}")
    command = StartOperation(found.payment_id, Kind.REFUND, caller_reference=caller_reference)
    return execute(dependencies(), asked, command)


def _complete(found: Payment, given: Mapping[str, Any]) -> StoredResponse:
    if not principal().acts_for_all(NAME):
        raise IllegalChange(found.status, given["status"], f"use POST {PREFIX}/{found.public_id}/process")
    return _process(found, "status", given, given.get("transaction_ref"))


def _give_back(found: Payment, given: Mapping[str, Any]) -> StoredResponse:
    if not principal().acts_for_all(NAME):
        raise IllegalChange(found.status, given["status"], f"use POST {PREFIX}/{found.public_id}/refund")
    return _refund(found, "status", given.get("transaction_ref"))


def _fail(found: Payment, given: Mapping[str, Any]) -> StoredResponse:
    """Fail a payment. The caller's own reference goes to the audit trail: `transaction_ref` names money that moved."""
    reference = given.get("transaction_ref")
    asked = _request(f"/{found.public_id}/status", "status", given)
    return execute(dependencies(), asked, ChangeStatus(found.payment_id, Move.FAIL, caller_reference=reference))


def _cancel(found: Payment, given: Mapping[str, Any]) -> StoredResponse:
    asked = _request(f"/{found.public_id}/status", "status", given)
    reference = given.get("transaction_ref")
    return execute(dependencies(), asked, ChangeStatus(found.payment_id, Move.CANCEL, caller_reference=reference))


CHANGES: Mapping[str, Callable[[Payment, Mapping[str, Any]], StoredResponse]] = {
    "completed": _complete,
    "refunded": _give_back,
    "failed": _fail,
    "cancelled": _cancel,
}
"""The statuses that a caller may set; no caller may set pending and processing."""


def _request(
    path: str,
    response_format: str,
    given: Mapping[str, Any] | None = None,
    *,
    implied_key: str | None = None,
    sent: Mapping[str, Any] | None = None,
) -> Request:
    route = f"{'PATCH' if path.endswith('/status') else 'POST'}:{PREFIX}{path}"
    return build_request(NAME, route, given or {}, response_format, key=header_key(sent or {}), implied_key=implied_key)


def _new_payment(given: Mapping[str, Any]) -> NewPayment:
    booking = given["booking_id"]
    return NewPayment(
        payable_id=booking,
        amount=given["amount"],
        currency=given["currency"],
        method=given.get("payment_method", responses.UNSPECIFIED),
        # The document knows no reference besides the booking.
        references=(PaymentReferences(booking),),
    )


SCOPES = {
    "create": TokenScope.CHARGE,
    "list_payments": TokenScope.READ,
    "show_payment": TokenScope.READ,
    "list_of_booking": TokenScope.READ,
    "process": TokenScope.CHARGE,
    "refund": TokenScope.REFUND,
    "change_status": TokenScope.CHARGE,
}
"""The token scope that each view needs."""

CHANNEL = Channel(
    name=NAME,
    renderer=BookingRenderer(),
    about=__doc__,
    payment_path="/api/payments/{public_id}",
    paths=(PREFIX,),
    blueprints=((blueprint, PREFIX, SCOPES),),
    serves_customers=True,
)
