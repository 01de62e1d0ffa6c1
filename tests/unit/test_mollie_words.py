"""Literal examples of Mollie's objects and errors give the expected gateway results."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from payment_service.domain.operations import Action, Kind
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    NotFound,
    NotSent,
    Pending,
    Registered,
    Unknown,
)
from payment_service.gateways.minor import UnfitAmount, as_text
from payment_service.gateways.mollie import MollieGateway, words
from payment_service.gateways.mollie.api import MollieReply
from payment_service.gateways.notices import Forged
from tests.support.instructions import instruct

TR = "tr_7UhSN1zuXS"
MOLLIE = MollieGateway("test_dHar4XY7LxsDOtmnkVtjNVWXLSlXsM")
CHARGE = replace(instruct(amount="10.00", currency="EUR"), reference=TR)
HOLD = replace(instruct(Kind.AUTHORIZE, "10.00", currency="EUR"), reference=TR)
VOID = replace(instruct(Kind.VOID, "10.00", currency="EUR"), parent_reference=TR)
REFUND = replace(instruct(Kind.REFUND, "5.95", currency="EUR"), parent_reference=TR)
CAPTURE = replace(instruct(Kind.CAPTURE, "5.95", currency="EUR"), parent_reference=TR)
CHECKOUT = "https://www.mollie.com/checkout/select-method/7UhSN1zuXS"


def payment(status: str, **changes: Any) -> dict[str, Any]:
    amount = {"currency": "EUR", "value": "10.00"}
    body = {"resource": "payment", "id": TR, "mode": "test", "amount": amount, "status": status}
    return body | {"_links": {"checkout": {"href": CHECKOUT, "type": "text/html"}}} | changes


def part(status: str, resource: str = "refund", **changes: Any) -> dict[str, Any]:
    amount = {"currency": "EUR", "value": "5.95"}
    body = {"resource": resource, "id": "re_4qqhO89gsT", "mode": "test", "amount": amount, "status": status}
    return body | {"paymentId": TR} | changes


def error(status: int, **changes: Any) -> MollieReply:
    body = {"status": status, "title": "Unprocessable Entity", "detail": "The amount is too high", "field": "amount"}
    return MollieReply(status, body | changes)


TEN = Approved(Decimal("10.00"), "EUR", TR)


@pytest.mark.parametrize(
    ("request_", "shown", "expected"),
    [
        (CHARGE, payment("open"), ActionRequired(TR, Action("redirect", url=CHECKOUT))),
        (CHARGE, payment("open", _links={}), Pending(TR)),
        (CHARGE, payment("pending"), Pending(TR)),
        (CHARGE, payment("paid"), TEN),
        (CHARGE, payment("paid", amount={"currency": "JPY", "value": "500"}), Approved(Decimal(500), "JPY", TR)),
        (CHARGE, payment("authorized"), Contradiction("Mollie holds money that was to be charged")),
        (CHARGE, payment("expired"), Declined("PAYMENT_EXPIRED", "The customer did not pay in time", TR)),
        (CHARGE, payment("canceled"), Declined("CANCELED", "The payment was cancelled", TR)),
        (CHARGE, payment("failed"), Declined("PAYMENT_FAILED", "The payment failed", TR)),
        (
            CHARGE,
            payment("failed", details={"failureReason": "insufficient_funds", "failureMessage": "Not enough\nmoney"}),
            Declined("INSUFFICIENT_FUNDS", "Not enough money", TR),
        ),
        (HOLD, payment("authorized"), TEN),
        (
            HOLD,
            payment("authorized", captureBefore="2026-12-07T10:00:00+00:00"),
            replace(TEN, capture_before=datetime(2026, 12, 7, 10, tzinfo=UTC)),
        ),
        (HOLD, payment("authorized", captureBefore="soon"), TEN),
        (HOLD, payment("paid"), TEN),
        (VOID, payment("authorized"), NotFound()),
        (VOID, payment("canceled"), TEN),
        (VOID, payment("expired"), TEN),
        (VOID, payment("paid"), Declined("ALREADY_CAPTURED", "The hold was captured")),
    ],
)
def test_status_of_a_payment_has_its_outcome(request_: Any, shown: dict[str, Any], expected: Any) -> None:
    assert words.of_payment(request_, shown, live=False) == expected


@pytest.mark.parametrize(
    "shown",
    [
        payment("paid", mode="live"),
        payment("paid", id="tr_another"),
        payment("paid", resource="order"),
        payment("paid", amount={"currency": "EUR", "value": 10.0}),
        payment("paid", amount={"currency": "eur", "value": "10.00"}),
        payment("paid", amount=None),
        payment("settled"),
        {},
    ],
)
def test_unreadable_answer_is_unknown(shown: dict[str, Any]) -> None:
    assert type(words.of_payment(CHARGE, shown, live=False)) is Unknown


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", Pending("re_4qqhO89gsT")),
        ("pending", Pending("re_4qqhO89gsT")),
        ("processing", Pending("re_4qqhO89gsT")),
        ("refunded", Approved(Decimal("5.95"), "EUR", "re_4qqhO89gsT")),
        ("failed", Declined("REFUND_FAILED", "The refund failed", "re_4qqhO89gsT")),
        ("canceled", Declined("REFUND_CANCELED", "The refund was canceled", "re_4qqhO89gsT")),
        ("succeeded", Unknown("Mollie shows a state that nobody asked for")),
    ],
)
def test_refund_succeeds_only_with_status_refunded(status: str, expected: Any) -> None:
    assert words.of_part(REFUND, part(status), live=False) == expected


def test_capture_succeeds_with_status_succeeded() -> None:
    assert isinstance(words.of_part(CAPTURE, part("succeeded", "capture"), live=False), Approved)
    assert isinstance(words.of_part(CAPTURE, part("pending", "capture"), live=False), Pending)
    assert type(words.of_part(CAPTURE, part("refunded", "capture"), live=False)) is Unknown
    assert type(words.of_part(CAPTURE, part("succeeded"), live=False)) is Unknown, "a refund is no capture"


def test_part_of_another_payment_is_ignored() -> None:
    assert type(words.of_part(REFUND, part("refunded", paymentId="tr_another"), live=False)) is Unknown


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(401), NotSent),
        (error(403), NotSent),
        (error(429), NotSent),
        (error(404), Contradiction),
        (error(410), Contradiction),
        (error(409), Unknown),
        (error(500), Unknown),
        (error(503), Unknown),
        (error(302), Unknown),
        (MollieReply(422, {"status": 400, "title": "Bad Request"}), Unknown),
        (MollieReply(404, {"message": "no Route matched"}), Unknown),
        (error(422), type(None)),
        (error(400), type(None)),
        (MollieReply(201, {}), type(None)),
    ],
)
def test_error_of_mollie_is_classified_by_its_status(reply: MollieReply, expected: type) -> None:
    assert type(words.undecided(reply)) is expected


def test_registration_that_is_refused_is_declined_with_the_field() -> None:
    assert words.registered(error(422), live=False) == Declined("INVALID_AMOUNT", "The amount is too high")
    assert words.registered(MollieReply(201, payment("open")), live=False) == Registered(TR)
    assert type(words.registered(MollieReply(201, payment("open")), live=True)) is Unknown
    assert type(words.registered(error(404), live=False)) is Unknown


def test_page_of_a_list_names_the_next_one_or_none() -> None:
    body: dict[str, Any] = {"_embedded": {"refunds": [part("refunded")]}, "_links": {"next": None}}
    assert words.page(MollieReply(200, body), "refunds") == words.Page((part("refunded"),), None)
    body["_links"]["next"] = {"href": "https://elsewhere.example/v2/refunds?from=re_2&limit=1"}
    assert words.page(MollieReply(200, body), "refunds") == words.Page((part("refunded"),), "re_2")
    body["_links"]["next"] = {"href": "https://api.mollie.com/v2/refunds"}
    assert type(words.page(MollieReply(200, body), "refunds")) is Unknown
    assert type(words.page(MollieReply(200, {"count": 0}), "refunds")) is Unknown


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("10", "EUR", "10.00"),
        ("10.5", "USD", "10.50"),
        ("500.00", "JPY", "500"),
        ("5", "ISK", "5"),
        ("1.2", "KWD", "1.200"),
    ],
)
def test_amount_is_sent_as_text_with_the_decimals_of_the_currency(amount: str, currency: str, text: str) -> None:
    assert as_text(Decimal(amount), currency) == text


def test_amount_with_too_many_decimals_or_an_unknown_currency_is_unfit() -> None:
    with pytest.raises(UnfitAmount):
        as_text(Decimal("10.001"), "EUR")
    with pytest.raises(UnfitAmount):
        as_text(Decimal(10), "EURO")


def test_hint_with_an_id_and_a_key_is_read() -> None:
    told = MOLLIE.read_notice({}, f"id={TR}".encode(), {"key": "v1-1"})
    assert not isinstance(told, Forged)
    (notice,) = told
    assert (notice.reference, notice.gateway_keys, notice.is_hint) == (TR, ("v1-1",), True)


@pytest.mark.parametrize(
    ("body", "query"),
    [(b"", {"key": "v1-1"}), (f"id={TR}".encode(), {}), (b"id=ord_1", {"key": "v1-1"}), (b"\xff" * 9, {})],
)
def test_hint_without_an_id_or_a_key_is_forged(body: bytes, query: dict[str, str]) -> None:
    assert isinstance(MOLLIE.read_notice({}, body, query), Forged)
