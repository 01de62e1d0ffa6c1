"""Checkout: the order callers over Kafka. Charged at once or held first; an order may be paid in several payments."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app

from payment_service.channels.checkout import response_schemas as responses
from payment_service.channels.checkout.renderer import CheckoutRenderer
from payment_service.channels.checkout.schemas import SCHEMAS, TRANSACTION
from payment_service.channels.checkout.style import Style, in_one_style
from payment_service.domain.errors import DuplicateRefundSuspected, PaymentNotFound, UnknownPayment
from payment_service.domain.lifecycle import Status
from payment_service.domain.operations import Kind
from payment_service.domain.principals import TokenScope
from payment_service.domain.records import Payment
from payment_service.services import queries
from payment_service.services.commands import ChargePayment, NewPayment, PaymentReferences, Request, StartOperation
from payment_service.services.engine import execute
from payment_service.web.channel import Channel
from payment_service.web.context import build_request, dependencies, principal
from payment_service.web.fields import load
from payment_service.web.key_header import header_key
from payment_service.web.openapi.decorators import KeyIn, describe, text_param, uuid_param
from payment_service.web.parsing import json_body, path_text, path_uuid
from payment_service.web.responses import respond, show

NAME = "checkout"
PREFIX = "/api/v1/payments"
CAPTURED = [Status.CAPTURED, Status.PARTIALLY_REFUNDED]

blueprint = Blueprint(NAME, __name__)


@blueprint.post("/process")
@describe({200: responses.RESULT, 202: responses.PENDING}, body=SCHEMAS["process"], key=KeyIn.OPTIONAL_HEADER)
def process() -> Response:
    """Charge an order, or with `"capture": false` only hold the money."""
    given, asked = _read("process")
    kind = Kind.CHARGE if given["capture"] else Kind.AUTHORIZE
    return respond(execute(dependencies(), asked, ChargePayment(_new_payment(given), kind)))


@blueprint.post("/refund")
@describe(
    {200: responses.REFUND, 202: responses.PENDING_REFUND},
    body=SCHEMAS["refund"],
    key=KeyIn.OPTIONAL_HEADER,
    errors=(DuplicateRefundSuspected,),
)
def refund() -> Response:
    """Give (part of) a captured payment back."""
    given, asked = _read("refund")
    paid = _by_transaction(given)
    command = StartOperation(paid.payment_id, Kind.REFUND, given["amount"], given.get("reason") or None)
    return respond(execute(dependencies(), asked, command))


@blueprint.post("/capture")
@describe({200: responses.RESULT, 202: responses.PENDING}, body=SCHEMAS["capture"], key=KeyIn.OPTIONAL_HEADER)
def capture() -> Response:
    """Take (part of) held money; the rest is let go."""
    given, asked = _read("capture")
    command = StartOperation(_by_transaction(given).payment_id, Kind.CAPTURE, given.get("amount"))
    return respond(execute(dependencies(), asked, command))


@blueprint.post("/void")
@describe({200: responses.RESULT, 202: responses.PENDING}, body=SCHEMAS["void"], key=KeyIn.OPTIONAL_HEADER)
def void() -> Response:
    """Let held money go."""
    given, asked = _read("void")
    return respond(execute(dependencies(), asked, StartOperation(_by_transaction(given).payment_id, Kind.VOID)))


@blueprint.get("/payment/<payment_id>")
@describe({200: responses.PAYMENT[0]}, path=[uuid_param("payment_id", responses.PAYMENT_ID)])
def show_payment(payment_id: str) -> Response:
    """Show one payment."""
    return _show(_payment("public_id", path_uuid(payment_id, PaymentNotFound())))


@blueprint.get("/transaction/<transaction_id>")
@describe({200: responses.PAYMENT[0]}, path=[text_param("transaction_id", TRANSACTION)])
def show_transaction(transaction_id: str) -> Response:
    """Show one payment, by the transaction it was told of."""
    return _show(_payment("transaction_id", path_text(transaction_id, "transaction_id")))


@blueprint.get("/order/<text:order_id>")
@describe({200: responses.PAYMENT[0]}, path=[text_param("order_id", "ORD-1001")])
def show_order(order_id: str) -> Response:
    """Show the payment that paid an order; where none did, the newest attempt."""
    of_order = {"payable_id": path_text(order_id, "order_id")}
    for filters in (of_order | {"status": CAPTURED}, of_order):
        if found := queries.newest(dependencies(), principal(), NAME, 1, filters):
            return _show(found[0])
    raise queries.nothing_to_see(dependencies(), NAME, of_order, PaymentNotFound())


def _read(action: str) -> tuple[dict[str, Any], Request]:
    """Return the validated fields of the request, and the request with its caller's style."""
    body = json_body()
    named, camel = in_one_style(body)
    given = load(SCHEMAS[action][camel], named, "body")
    given |= given.pop("payment_method_details", {})
    response_format = _style(camel=camel).response_format(action)
    key = header_key(body)
    # The document's order service reads only `success`, and never repeats a request that had no key.
    is_final = action == "process" and key is None
    route = f"POST:{PREFIX}/{action}"
    return given, build_request(NAME, route, given, response_format, key=key, never_asks_again=is_final)


def _style(*, camel: bool = False) -> Style:
    return Style(camel=camel, upper=current_app.config["CHECKOUT_STATUS_CASE"] == "upper")


def _new_payment(given: Mapping[str, Any]) -> NewPayment:
    order = given["order_id"]
    return NewPayment(
        payable_id=order,
        amount=given["amount"],
        currency=given["currency"],
        method=given["payment_method"],
        # The document knows no reference besides the order.
        references=(PaymentReferences(order),),
    )


def _by_transaction(given: Mapping[str, Any]) -> Payment:
    return queries.payment(
        dependencies(), principal(), NAME, "transaction_id", given["transaction_id"], otherwise=UnknownPayment()
    )


def _payment(by: str, value: object) -> Payment:
    return queries.payment(dependencies(), principal(), NAME, by, value)


def _show(payment: Payment) -> Response:
    return show(_style().dump(responses.PAYMENT, payment))


SCOPES = {
    "process": TokenScope.CHARGE,
    "refund": TokenScope.REFUND,
    "capture": TokenScope.CHARGE,
    "void": TokenScope.CHARGE,
    "show_payment": TokenScope.READ,
    "show_transaction": TokenScope.READ,
    "show_order": TokenScope.READ,
}
"""The token scope that each view needs."""

CHANNEL = Channel(
    name=NAME,
    renderer=CheckoutRenderer(),
    about=__doc__,
    payment_path="/api/v1/payments/payment/{public_id}",
    paths=(PREFIX,),
    blueprints=((blueprint, PREFIX, SCOPES),),
)
