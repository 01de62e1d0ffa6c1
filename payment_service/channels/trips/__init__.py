"""Trips: the ride-hailing callers. The key is in the body, and a decline is an answer whose `status` they read."""

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, request

from payment_service.channels.trips.answers import (
    ChargedTrip,
    PendingTrip,
    PendingTripRefund,
    TripPayment,
    TripPayments,
    TripRefund,
    TripRefunds,
)
from payment_service.channels.trips.fares import TripNotCompleted, TripPrice
from payment_service.channels.trips.schemas import CURRENCY, FILTERS, NEW_PAYMENT, NEW_REFUND
from payment_service.channels.trips.words import (
    WORDS,
    TripPresenter,
    payment_body,
    references,
    refund_body,
)
from payment_service.domain.errors import Fault, Invalid, PaymentNotFound, RefundDeclined, Unavailable, UnknownPayment
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.operations import Kind
from payment_service.services import queries
from payment_service.services.commands import ChargePayment, NewPayment, Request, StartOperation, hash_key
from payment_service.services.engine import execute
from payment_service.services.transitions import AmountTooLarge
from payment_service.web.channel import Channel, RefundsOfPayment, SharedPayments
from payment_service.web.context import asked_of, caller, runtime
from payment_service.web.documenting import Key, documented
from payment_service.web.fields import load
from payment_service.web.listing import cursor_after
from payment_service.web.parsing import idempotency_key, json_body, query
from payment_service.web.responses import respond, show

NAME = "trips"


@documented(
    {200: ChargedTrip(), 202: PendingTrip()},
    body=NEW_PAYMENT,
    key=Key.BODY,
    refuses=[
        TripNotCompleted(),
        Unavailable("The trip service cannot be reached; repeat the request with the same key"),
    ],
)
def create(body: Mapping[str, Any]) -> Response:
    """Charge a trip.

    Without `amount` its fare is charged, which takes a trip service to ask; without one `amount` is required.
    """
    given = load(NEW_PAYMENT, body, "body")
    asked = _asked("POST:/payments", given, "charge")
    return respond(execute(runtime(), asked, ChargePayment(_new_payment(given, asked))))


def _new_payment(given: Mapping[str, Any], asked: Request) -> NewPayment:
    verified = current_app.config["TRIP_SERVICE_URL"] is not None
    if not verified and "amount" not in given:
        raise Invalid([Fault(("body", "amount"), "Field required", "missing")])
    return NewPayment(
        payable_id=str(given["trip_id"]),
        amount=_trip_price(given) if verified else given["amount"],
        currency=CURRENCY,
        method=given["method"],
        references=references(hash_key(asked.key or "")),
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


def _asked(route: str, given: Mapping[str, Any], rendering: str) -> Request:
    key = idempotency_key(request.headers.get("Idempotency-Key"), given["idempotency_key"])
    fields = {name: value for name, value in given.items() if name != "idempotency_key"}
    return asked_of(NAME, route, fields, rendering, key=key)


@documented(
    {200: TripRefund(), 202: PendingTripRefund()},
    body=NEW_REFUND,
    key=Key.BODY,
    refuses=[
        UnknownPayment(),
        AmountTooLarge(),
        IllegalMove(Status.FAILED, Move.REFUND),
        RefundDeclined("Refund declined: Card was declined by issuer"),
    ],
)
def refund(payment_id: int) -> Response:
    """Refund a trip's payment, in whole or in part."""
    given = load(NEW_REFUND, json_body(), "body")
    asked = _asked(f"POST:/payments/{payment_id}/refunds", given, "refund")
    paid = queries.payment(runtime(), caller(), NAME, "payment_id", payment_id, otherwise=UnknownPayment())
    command = StartOperation(paid.payment_id, Kind.REFUND, given.get("amount"), _reason(given))
    return respond(execute(runtime(), asked, command))


def _reason(given: Mapping[str, Any]) -> str | None:
    """The document's example keeps the reason among the metadata, where anything may stand."""
    reason = given.get("metadata", {}).get("reason")
    return reason if isinstance(reason, str) and reason else None


@documented({200: TripPayment()}, refuses=[PaymentNotFound()])
def show_payment(payment_id: int) -> Response:
    """Show one payment."""
    return show(payment_body(queries.payment(runtime(), caller(), NAME, "payment_id", payment_id)))


@documented({200: TripRefunds()}, refuses=[PaymentNotFound()])
def list_refunds(payment_id: int) -> Response:
    """List a payment's refunds, oldest first."""
    paid = queries.payment(runtime(), caller(), NAME, "payment_id", payment_id)
    return show({"refunds": [refund_body(each) for each in queries.refunds(runtime(), paid.payment_id)]})


@documented({200: TripPayments()}, query=FILTERS)
def list_payments() -> Response:
    """List the newest payments, page by page."""
    given = query(FILTERS)
    limit = given.pop("limit")
    page = queries.newest(runtime(), caller(), NAME, limit + 1, _columns(given))
    more = cursor_after(page[limit - 1].payment_id) if len(page) > limit else None
    return show({"payments": [payment_body(each) for each in page[:limit]], "next_cursor": more})


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    """The filters in the words of the tables."""
    trip, word = given.pop("trip_id", None), given.pop("status", None)
    statuses = [status for status in Status if WORDS[status] == word] if word else None
    return given | {"payable_id": trip and str(trip), "status": statuses, "before": given.pop("cursor", None)}


CHANNEL = Channel(
    name=NAME,
    presenter=TripPresenter(),
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
