"""Trips: the ride-hailing callers. The key is in the body, and a decline is an answer whose `status` they read."""

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, request

from payment_service.channels.trips import response_schemas as responses
from payment_service.channels.trips.fares import TripPrice
from payment_service.channels.trips.renderer import TripRenderer, references
from payment_service.channels.trips.response_schemas import STATUS_NAMES
from payment_service.channels.trips.schemas import CURRENCY, FILTERS, NEW_PAYMENT, NEW_REFUND
from payment_service.domain.errors import FieldError, Invalid, UnknownPayment
from payment_service.domain.lifecycle import Status
from payment_service.domain.operations import Kind
from payment_service.services import queries
from payment_service.services.commands import ChargePayment, NewPayment, Request, StartOperation
from payment_service.services.engine import execute
from payment_service.web.channel import Channel, RefundsOfPayment, SharedPayments
from payment_service.web.context import build_request, dependencies, principal
from payment_service.web.fields import load
from payment_service.web.key_header import KEY_HEADER, check_header
from payment_service.web.listing import cursor_after
from payment_service.web.openapi.decorators import KeyIn, describe
from payment_service.web.parsing import json_body, query
from payment_service.web.responses import respond, show

NAME = "trips"


@describe({200: (responses.PAYMENT, responses.DECLINED), 202: responses.PENDING}, body=NEW_PAYMENT, key=KeyIn.BODY)
def create(body: Mapping[str, Any]) -> Response:
    """Charge a trip.

    Without `amount` its fare is charged, which takes a trip service to ask; without one `amount` is required.
    """
    given = load(NEW_PAYMENT, body, "body")
    asked = _request("POST:/payments", given, "charge")
    return respond(execute(dependencies(), asked, ChargePayment(_new_payment(given))))


def _new_payment(given: Mapping[str, Any]) -> NewPayment:
    verified = current_app.config["TRIP_SERVICE_URL"] is not None
    if not verified and "amount" not in given:
        raise Invalid([FieldError(("body", "amount"), "Field required", "missing")])
    return NewPayment(
        payable_id=str(given["trip_id"]),
        amount=_trip_price(given) if verified else given["amount"],
        currency=CURRENCY,
        method=given["method"],
        references=references(given["idempotency_key"]),
        metadata=given.get("metadata"),
        reference_is_unique=True,
    )


def _trip_price(given: Mapping[str, Any]) -> TripPrice:
    config = current_app.config
    return TripPrice(
        trip_id=given["trip_id"],
        amount=given.get("amount"),
        service_url=config["TRIP_SERVICE_URL"],
        base_fare=config["BASE_FARE"],
        rate_per_km=config["RATE_PER_KM"],
    )


def _request(route: str, given: Mapping[str, Any], response_format: str) -> Request:
    if KEY_HEADER in request.headers:
        check_header(given["idempotency_key"])
    return build_request(NAME, route, given, response_format, key=given["idempotency_key"])


@describe(
    {200: responses.REFUND, 202: responses.PENDING_REFUND},
    body=NEW_REFUND,
    key=KeyIn.BODY,
    errors=(queries.PayableMismatch,),
)
def refund(payment_id: int) -> Response:
    """Refund a trip's payment, in whole or in part."""
    given = load(NEW_REFUND, json_body(), "body")
    trip = given.pop("trip_id", None)  # a repeat may add or drop it: it is the same refund
    asked = _request(f"POST:/payments/{payment_id}/refunds", given, "refund")
    paid = queries.payment(dependencies(), principal(), NAME, "payment_id", payment_id, otherwise=UnknownPayment())
    queries.require_payable(paid, trip)
    command = StartOperation(paid.payment_id, Kind.REFUND, given.get("amount"), _reason(given))
    return respond(execute(dependencies(), asked, command))


def _reason(given: Mapping[str, Any]) -> str | None:
    """Return the reason among the metadata, where the document's example has it; any value may be there."""
    reason = given.get("metadata", {}).get("reason")
    return reason if isinstance(reason, str) and reason else None


@describe({200: responses.PAYMENT})
def show_payment(payment_id: int) -> Response:
    """Show one payment."""
    return show(responses.PAYMENT.dump(queries.payment(dependencies(), principal(), NAME, "payment_id", payment_id)))


@describe({200: responses.REFUNDS})
def list_refunds(payment_id: int) -> Response:
    """List a payment's refunds, oldest first."""
    paid = queries.payment(dependencies(), principal(), NAME, "payment_id", payment_id)
    return show(responses.REFUNDS.dump({"refunds": queries.refunds(dependencies(), paid.payment_id)}))


@describe({200: responses.PAYMENTS}, query=FILTERS)
def list_payments() -> Response:
    """List the newest payments, page by page."""
    given = query(FILTERS)
    limit = given.pop("limit")
    page = queries.newest(dependencies(), principal(), NAME, limit + 1, _columns(given))
    more = cursor_after(page[limit - 1].payment_id) if len(page) > limit else None
    return show(responses.PAYMENTS.dump({"payments": page[:limit], "next_cursor": more}))


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    """Return the filters by columns of the tables."""
    trip, name = given.pop("trip_id", None), given.pop("status", None)
    statuses = [status for status in Status if STATUS_NAMES[status] == name] if name else None
    return given | {"payable_id": trip and str(trip), "status": statuses, "before": given.pop("cursor", None)}


CHANNEL = Channel(
    name=NAME,
    renderer=TripRenderer(),
    about=__doc__,
    payment_path="/payments/{payment_id}",
    paths=("/payments",),
    shared=SharedPayments(
        payable_field="trip_id",
        own_parameters=frozenset({"trip_id", "cursor"}),
        more_parameters=frozenset({"status", "method", "from", "to", "limit"}),
        create=create,
        listing=list_payments,
        show=show_payment,
    ),
    refunds=RefundsOfPayment(create=refund, listing=list_refunds),
)
