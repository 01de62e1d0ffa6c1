"""Orders: the e-commerce callers. One live payment for each order, shown with its audit trail."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from payment_service.channels.orders import response_schemas as responses
from payment_service.channels.orders.renderer import (
    OrderRenderer,
    StatusNotSettable,
    no_payment,
    references,
    with_trail,
)
from payment_service.channels.orders.response_schemas import STATUS_NAMES
from payment_service.channels.orders.schemas import FILTERS, NEW_PAYMENT, NEW_REFUND, STATUS_CHANGE
from payment_service.domain.errors import DuplicateRefundSuspected
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.money import rounded_in
from payment_service.domain.operations import Kind
from payment_service.domain.principals import TokenScope
from payment_service.domain.records import Payment, StoredResponse
from payment_service.services import queries
from payment_service.services.commands import ChangeStatus, ChargePayment, CreatePayment, NewPayment, StartOperation
from payment_service.services.engine import execute
from payment_service.web.channel import Channel, SharedPayments
from payment_service.web.context import build_request, dependencies, principal
from payment_service.web.fields import load
from payment_service.web.key_header import header_key, required_key
from payment_service.web.listing import cursor_after
from payment_service.web.openapi.decorators import KeyIn, describe, integer_param, text_param
from payment_service.web.parsing import json_body, path_number, path_text, query
from payment_service.web.responses import respond, show

NAME = "orders"
blueprint = Blueprint(NAME, __name__)

BY_ID = [integer_param("payment_id", 353)]


@blueprint.post("/payments/charge")
@describe({201: responses.PAYMENT, 202: responses.PENDING}, body=NEW_PAYMENT, key=KeyIn.HEADER)
def charge() -> Response:
    """Charge an order, once for each key."""
    body = json_body()
    key = required_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = build_request(NAME, "POST:/v1/payments/charge", given, "charge", key=key)
    return respond(execute(dependencies(), asked, ChargePayment(_new_payment(given))))


@describe({201: responses.PAYMENT}, body=NEW_PAYMENT, key=KeyIn.OPTIONAL_HEADER)
def create(body: Mapping[str, Any]) -> Response:
    """Make an order's payment without charging it."""
    key = header_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = build_request(NAME, "POST:/v1/payments", given, "create", key=key)
    return respond(execute(dependencies(), asked, CreatePayment(_new_payment(given))))


def _new_payment(given: Mapping[str, Any]) -> NewPayment:
    return NewPayment(
        payable_id=str(given["order_id"]),
        amount=given["amount"],
        currency=given["currency"],
        method=given["payment_method"],
        references=references(given.get("reference")),
        customer_id=str(given["user_id"]),
        payable_is_unique=True,
    )


@describe({200: responses.PAYMENT})
def show_payment(payment_id: int) -> Response:
    """Show one payment with its audit trail."""
    return _show(_find(payment_id))


@blueprint.get("/payments/order/<order_id>")
@describe({200: responses.PAYMENT}, path=[integer_param("order_id", 3001)])
def show_payment_of_order(order_id: str) -> Response:
    """Show the newest payment of an order."""
    number = path_number(order_id, "order_id")
    of_order = {"payable_id": str(number)}
    found = queries.newest(dependencies(), principal(), NAME, 1, of_order)
    if not found:
        raise queries.nothing_to_see(dependencies(), NAME, of_order, no_payment(f"for order {number}"))
    return _show(found[0])


@blueprint.get("/payments/transaction/<transaction_id>")
@describe({200: responses.PAYMENT}, path=[text_param("transaction_id", "TXN1234567890")])
def show_payment_of_transaction(transaction_id: str) -> Response:
    """Show the payment with this transaction id."""
    wanted = path_text(transaction_id, "transaction_id")
    otherwise = no_payment(f"with transaction {wanted}")
    return _show(queries.payment(dependencies(), principal(), NAME, "transaction_id", wanted, otherwise))


def _find(payment_id: int) -> Payment:
    return queries.payment(dependencies(), principal(), NAME, "payment_id", payment_id, no_payment(str(payment_id)))


def _show(found: Payment) -> Response:
    return show(with_trail(found, queries.with_trail(dependencies(), found).trail))


@describe({200: responses.PAYMENTS}, query=FILTERS)
def list_payments() -> Response:
    """List the payments, newest first, page by page."""
    given = query(FILTERS)
    page, size = given["page"], given["page_size"]
    found = queries.page(dependencies(), principal(), NAME, page, size, _columns(given))
    before = found.before and cursor_after(found.before)
    body = {"total": found.total, "page": page, "page_size": size, "before": before, "payments": found.payments}
    return show(responses.PAYMENTS.dump(body))


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters by columns of the tables."""
    user, name = given.get("user_id"), given.get("status")
    statuses = [status for status in Status if STATUS_NAMES[status] == name] if name else None
    columns = {"customer_id": user and str(user), "method": given.get("payment_method"), "status": statuses}
    return columns | {"before": given.get("before")}


@blueprint.patch("/payments/<payment_id>/status")
@describe({200: responses.PAYMENT, 202: responses.PENDING}, body=STATUS_CHANGE, path=BY_ID)
def change_status(payment_id: str) -> Response:
    """Move a payment on: complete it by charging it, fail it, or call it off."""
    number = path_number(payment_id, "payment_id")
    given = load(STATUS_CHANGE, json_body(), "body")
    return respond(_change(_find(number), given))


def _change(found: Payment, given: dict[str, Any]) -> StoredResponse:
    number, name, text = found.payment_id, given.pop("status"), given.pop("gateway_response", None)
    asked = build_request(NAME, f"PATCH:/v1/payments/{number}/status", given, "change")
    if name == STATUS_NAMES[Status.CAPTURED]:
        # A payment is charged once, so it is the key: other text in a repeat makes no new charge.
        asked = replace(asked, implied_key=f"process:{found.public_id}")
        return execute(dependencies(), asked, StartOperation(number, Kind.CHARGE, reason=text))
    if name == STATUS_NAMES[Status.FAILED]:
        return execute(dependencies(), asked, ChangeStatus(number, Move.FAIL, text))
    if name == STATUS_NAMES[Status.CANCELLED]:
        return execute(dependencies(), asked, ChangeStatus(number, Move.CANCEL, text))
    raise StatusNotSettable(found.status, name)


@blueprint.post("/payments/<payment_id>/refund")
@describe(
    {200: responses.PAYMENT, 202: responses.PENDING_REFUND},
    body=NEW_REFUND,
    path=BY_ID,
    key=KeyIn.OPTIONAL_HEADER,
    errors=(DuplicateRefundSuspected, queries.PayableMismatch),
)
def refund(payment_id: str) -> Response:
    """Refund a payment, in whole or in part."""
    number = path_number(payment_id, "payment_id")
    body = json_body()
    key = header_key(body)
    given = load(NEW_REFUND, body, "body")
    found = _find(number)
    queries.require_payable(found, given.pop("order_id", None))  # a repeat may add or drop it: it is the same refund
    if "amount" in given:
        given["amount"] = rounded_in(given["amount"], found.currency)
    asked = build_request(NAME, f"POST:/v1/payments/{number}/refund", given, "refund", key=key)
    command = StartOperation(number, Kind.REFUND, given.get("amount"), given["reason"])
    return respond(execute(dependencies(), asked, command))


@blueprint.delete("/payments/<payment_id>")
@describe({200: responses.PAYMENT, 202: responses.PENDING}, path=BY_ID)
def cancel(payment_id: str) -> Response:
    """Call a payment off before any money moved."""
    number = path_number(payment_id, "payment_id")
    _find(number)
    asked = build_request(NAME, f"DELETE:/v1/payments/{number}", {}, "change")
    return respond(execute(dependencies(), asked, ChangeStatus(number, Move.CANCEL)))


SCOPES = {
    "charge": TokenScope.CHARGE,
    "show_payment_of_order": TokenScope.READ,
    "show_payment_of_transaction": TokenScope.READ,
    "change_status": TokenScope.CHARGE,
    "refund": TokenScope.REFUND,
    "cancel": TokenScope.CHARGE,
}
"""The token scope that each view needs."""

CHANNEL = Channel(
    name=NAME,
    renderer=OrderRenderer(),
    about=__doc__,
    payment_path="/v1/payments/{payment_id}",
    paths=("/v1/payments/charge", "/v1/payments/order", "/v1/payments/transaction"),
    blueprints=((blueprint, "/v1", SCOPES),),
    shared=SharedPayments(
        payable_field="order_id",
        own_parameters=frozenset({"page", "page_size", "before", "status", "payment_method", "user_id"}),
        more_parameters=frozenset(),
        create=create,
        listing=list_payments,
        show=show_payment,
    ),
)
