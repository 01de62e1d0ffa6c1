"""Orders: the e-commerce callers. One live payment for each order, shown with its audit trail."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from payment_service.channels.orders.answers import OrderPayment, OrderPayments, PendingOrderPayment
from payment_service.channels.orders.schemas import FILTERS, NEW_PAYMENT, NEW_REFUND, STATUS_CHANGE
from payment_service.channels.orders.words import (
    WORDS,
    OrderPresenter,
    StatusNotSettable,
    no_payment,
    payment_body,
    references,
)
from payment_service.domain.errors import RefundDeclined
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer, Payment
from payment_service.services import queries
from payment_service.services.commands import (
    ChangeStatus,
    ChargePayment,
    CreatePayment,
    NewPayment,
    StartOperation,
)
from payment_service.services.engine import execute
from payment_service.services.transitions import AmountTooLarge, PayableAlreadyPaid
from payment_service.web.channel import Channel, SharedPayments
from payment_service.web.context import asked_of, caller, runtime
from payment_service.web.documenting import Key, documented, number, text
from payment_service.web.fields import load
from payment_service.web.parsing import header_key, json_body, path_number, path_text, query, required_key
from payment_service.web.responses import respond, show

NAME = "orders"
blueprint = Blueprint(NAME, __name__)

PAYMENT_ID, ORDER_ID = number("payment_id", 353), number("order_id", 3001)
UNKNOWN, PAID_ALREADY = no_payment("353"), PayableAlreadyPaid(payable_id="3001")


@blueprint.post("/payments/charge")
@documented({201: OrderPayment(), 202: PendingOrderPayment()}, body=NEW_PAYMENT, key=Key.HEADER, refuses=[PAID_ALREADY])
def charge() -> Response:
    """Charge an order, once for each key."""
    body = json_body()
    key = required_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = asked_of(NAME, "POST:/v1/payments/charge", given, "charge", key=key)
    return respond(execute(runtime(), asked, ChargePayment(_new_payment(given))))


@documented({201: OrderPayment()}, body=NEW_PAYMENT, key=Key.OPTIONAL_HEADER, refuses=[PAID_ALREADY])
def create(body: Mapping[str, Any]) -> Response:
    """Make an order's payment without charging it."""
    key = header_key(body)
    given = load(NEW_PAYMENT, body, "body")
    asked = asked_of(NAME, "POST:/v1/payments", given, "create", key=key)
    return respond(execute(runtime(), asked, CreatePayment(_new_payment(given))))


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


@documented({200: OrderPayment()}, refuses=[UNKNOWN])
def show_payment(payment_id: int) -> Response:
    """Show one payment with its audit trail."""
    return _show(_find(payment_id))


@blueprint.get("/payments/order/<order_id>")
@documented({200: OrderPayment()}, path=[ORDER_ID], refuses=[no_payment("for order 3001")])
def show_payment_of_order(order_id: str) -> Response:
    """Show the newest payment of an order."""
    number = path_number(order_id, "order_id")
    found = queries.newest(runtime(), caller(), NAME, 1, {"payable_id": str(number)})
    if not found:
        raise no_payment(f"for order {number}")
    return _show(found[0])


@blueprint.get("/payments/transaction/<transaction_id>")
@documented(
    {200: OrderPayment()},
    path=[text("transaction_id", "TXN1234567890")],
    refuses=[no_payment("with transaction TXN1234567890")],
)
def show_payment_of_transaction(transaction_id: str) -> Response:
    """Show the payment with this transaction id."""
    wanted = path_text(transaction_id, "transaction_id")
    otherwise = no_payment(f"with transaction {wanted}")
    return _show(queries.payment(runtime(), caller(), NAME, "transaction_id", wanted, otherwise))


def _find(payment_id: int) -> Payment:
    return queries.payment(runtime(), caller(), NAME, "payment_id", payment_id, no_payment(str(payment_id)))


def _show(found: Payment) -> Response:
    return show(payment_body(found, queries.with_trail(runtime(), found).trail))


@documented({200: OrderPayments()}, query=FILTERS)
def list_payments() -> Response:
    """List the payments, newest first, page by page."""
    given = query(FILTERS)
    page, size = given["page"], given["page_size"]
    found, total = queries.page(runtime(), caller(), NAME, page, size, _columns(given))
    body = {"total": total, "page": page, "page_size": size, "payments": [payment_body(each) for each in found]}
    return show(body)


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """The filters in the words of the tables."""
    user, word = given.get("user_id"), given.get("status")
    statuses = [status for status in Status if WORDS[status] == word] if word else None
    return {"customer_id": user and str(user), "method": given.get("payment_method"), "status": statuses}


@blueprint.patch("/payments/<payment_id>/status")
@documented(
    {200: OrderPayment(), 202: PendingOrderPayment()},
    body=STATUS_CHANGE,
    path=[PAYMENT_ID],
    refuses=[UNKNOWN, StatusNotSettable(Status.CAPTURED, "REFUNDED")],
)
def change_status(payment_id: str) -> Response:
    """Move a payment on: complete it by charging it, fail it, or call it off."""
    number = path_number(payment_id, "payment_id")
    given = load(STATUS_CHANGE, json_body(), "body")
    return respond(_change(_find(number), given["status"], given.get("gateway_response")))


def _change(found: Payment, word: str, said: str | None) -> Answer:
    number = found.payment_id
    asked = asked_of(NAME, f"PATCH:/v1/payments/{number}/status", {}, "change")
    if word == WORDS[Status.CAPTURED]:
        # A charge can happen once: it is its own key, whatever the callers say with it.
        return execute(
            runtime(),
            replace(asked, implied_key=f"process:{found.public_id}"),
            StartOperation(number, Kind.CHARGE, reason=said),
        )
    if word == WORDS[Status.FAILED]:
        return execute(runtime(), asked, ChangeStatus(number, Move.FAIL, said))
    if word == WORDS[Status.CANCELLED]:
        return execute(runtime(), asked, ChangeStatus(number, Move.CANCEL, said))
    raise StatusNotSettable(found.status, word)


@blueprint.post("/payments/<payment_id>/refund")
@documented(
    {200: OrderPayment(), 202: PendingOrderPayment()},
    body=NEW_REFUND,
    path=[PAYMENT_ID],
    key=Key.OPTIONAL_HEADER,
    refuses=[UNKNOWN, IllegalMove(Status.PENDING, Move.REFUND), AmountTooLarge(), RefundDeclined("Refund declined")],
)
def refund(payment_id: str) -> Response:
    """Refund a payment, in whole or in part."""
    number = path_number(payment_id, "payment_id")
    body = json_body()
    key = header_key(body)
    given = load(NEW_REFUND, body, "body")
    asked = asked_of(NAME, f"POST:/v1/payments/{number}/refund", given, "refund", key=key)
    _find(number)
    command = StartOperation(number, Kind.REFUND, given.get("amount"), given["reason"])
    return respond(execute(runtime(), asked, command))


@blueprint.delete("/payments/<payment_id>")
@documented({200: OrderPayment()}, path=[PAYMENT_ID], refuses=[UNKNOWN, IllegalMove(Status.CAPTURED, Move.CANCEL)])
def cancel(payment_id: str) -> Response:
    """Call a payment off before any money moved."""
    number = path_number(payment_id, "payment_id")
    _find(number)
    asked = asked_of(NAME, f"DELETE:/v1/payments/{number}", {}, "change")
    return respond(execute(runtime(), asked, ChangeStatus(number, Move.CANCEL)))


CHANNEL = Channel(
    name=NAME,
    presenter=OrderPresenter(),
    about=__doc__,
    payment_path="/v1/payments/{payment_id}",
    paths=("/v1/payments/charge", "/v1/payments/order", "/v1/payments/transaction"),
    blueprints=((blueprint, "/v1"),),
    shared=SharedPayments(
        payable_field="order_id",
        own_parameters=frozenset({"page", "page_size", "status", "payment_method", "user_id"}),
        more_parameters=frozenset(),
        create=create,
        listing=list_payments,
        show=show_payment,
    ),
)
