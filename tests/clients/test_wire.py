"""Each client sends well-formed requests, and reads or refuses each form of answer."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.clients.calls import PAID, PAY, PAYMENT, READ, made
from tests.clients.scripted import scripted_service
from tests.clients.under_test import Call, Client, answer

BILL = {
    "payment_id": 1,
    "bill_id": 7,
    "amount": "525.00",
    "method": "UPI",
    "reference": "b",
    "paid_at": "2026-11-20T12:15:59",
}
NOT_SENT = {"TypeError", "ValueError"}


def with_args(call: Call, **args: Any) -> Call:
    """Return a call with other arguments."""
    return replace(call, args={name: value for name, value in {**call.args, **args}.items() if value is not None})


@pytest.mark.parametrize("amount", ["150.00", "0.1", "123456789012.34", "7"])
def test_an_amount_is_a_number_with_its_own_digits(client: Client, amount: str) -> None:
    (sent,) = made(client, with_args(PAY, amount=amount), PAID).tries

    assert f'"amount":{amount}' in str(sent.body)
    assert sent.headers["content-type"] == "application/json"


@pytest.mark.parametrize("amount", [150.1, "NaN", "-Infinity"])
def test_invalid_amount_is_not_sent(client: Client, amount: Any) -> None:
    outcome = made(client, with_args(PAY, amount=amount), PAID)

    assert outcome.raised["error"] in NOT_SENT
    assert outcome.tries == []


def test_amounts_come_back_with_their_digits(client: Client) -> None:
    found = made(client, READ, answer({**PAYMENT, "amount": 123456789012.345, "refunded_amount": "3.10", "more": [1]}))

    assert Decimal(found.answer["amount"]) == Decimal("123456789012.345")
    assert Decimal(found.answer["refunded_amount"]) == Decimal("3.10")


def test_a_bill_that_is_not_decided_is_shown_and_not_asked_for_again(client: Client) -> None:
    pending = answer({**BILL, "status": "PENDING", "message": "m"}, 202)
    found = made(client, Call("bills.get", {"payment_id": 1}), pending)

    assert (found.answer["status"], Decimal(found.answer["amount"])) == ("PENDING", Decimal("525.00"))
    assert len(found.tries) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": True},
        {"amount": "many"},
        {"amount": None},
        {"payment_id": "1"},
        {"payment_id": True},
        {"created_at": 7},
        {"created_at": "yesterday"},
        {"status": None},
    ],
)
def test_an_answer_of_another_shape_is_no_success(client: Client, change: dict[str, Any]) -> None:
    changed = answer({**PAYMENT, **change})
    raised, at_reading = (made(client, call, changed).raised for call in (PAY, READ))

    assert "another shape" in raised["message"]
    assert (raised["error"], raised["key"], raised["code"]) == ("OutcomeUnknown", "a-key", "unreadable_answer")
    assert at_reading["error"] == "PaymentError"


def test_an_answer_without_a_field_is_no_success(client: Client) -> None:
    found = answer({name: value for name, value in PAYMENT.items() if name != "reference"})

    assert "no reference in the answer" in made(client, PAY, found).raised["message"]


@pytest.mark.parametrize("body", ["", "[]", "7", '"text"', "null", "NaN"])
def test_an_answer_that_is_no_object_is_no_success(client: Client, body: str) -> None:
    assert made(client, PAY, answer(body), options={"deadline": 1}).raised["error"] == "OutcomeUnknown"


@pytest.mark.parametrize("key", ["", " blank ", "a,b", 'a"b', "a\\b", "clé", "new\nline", "x" * 256])
def test_a_key_that_a_header_cannot_carry_is_not_sent(client: Client, key: str) -> None:
    args = {"bill_id": 7, "amount": "525", "method": "UPI", "key": key}
    outcome = made(client, Call("bills.pay", args), answer(BILL, 201))

    assert outcome.raised["error"] in NOT_SENT
    assert "a key has" in outcome.raised["message"]
    assert outcome.tries == []


def test_every_character_that_a_key_may_have_is_sent(client: Client) -> None:
    key = "".join(map(chr, range(0x21, 0x7F))).translate({ord(each): None for each in ',"\\'}) + " " + "x"
    args = {"bill_id": 7, "amount": "525", "method": "UPI", "key": key}
    (sent,) = made(client, Call("bills.pay", args), answer(BILL, 201)).tries

    assert sent.key == key


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_an_identifier_that_changes_the_path_is_not_sent(client: Client, identifier: str) -> None:
    outcome = made(client, Call("bookings.get", {"payment_id": identifier}), PAID)

    assert outcome.raised["error"] in NOT_SENT
    assert "not an identifier" in outcome.raised["message"]
    assert outcome.tries == []


def test_an_identifier_is_one_part_of_the_path(client: Client) -> None:
    found = made(client, Call("bookings.get_by_booking", {"booking_id": "a/b?c d"}), answer({"payments": []}))

    assert found.answer == []
    assert found.tries[0].path == "/api/payments/booking/a%2Fb%3Fc%20d"


def test_terms_travel_in_headers(client: Client) -> None:
    terms = {"payment_token": "tok_1", "return_url": "https://shop.example/back"}
    (sent,) = made(client, with_args(PAY, terms=terms), PAID).tries

    assert (sent.headers["payment-token"], sent.headers["payment-return-url"]) == tuple(terms.values())
    assert "terms" not in sent.fields


@pytest.mark.parametrize(
    ("name", "body", "query"),
    [
        ("bills.list", [], "skip=0&limit=100"),
        (
            "orders.list",
            {"total": 0, "page": 1, "page_size": 10, "before": None, "payments": []},
            "page=1&page_size=10",
        ),
    ],
)
def test_a_list_says_which_channel_it_is_of(client: Client, name: str, body: object, query: str) -> None:
    (sent,) = made(client, Call(name), answer(body)).tries

    assert sent.path == f"/v1/payments?{query}"


def test_a_redirect_is_not_followed(client: Client) -> None:
    redirect = {"do": "answer", "status": 307, "headers": {"Location": "/elsewhere"}, "text": ""}
    with scripted_service([redirect]) as service:
        outcome = client(replace(PAY, url=service.url))

    assert (outcome.raised["error"], outcome.raised["status"], len(outcome.tries)) == ("Refused", 307, 1)
    assert service.surplus == 0


def test_a_body_without_fields_is_left_out(client: Client) -> None:
    (processed,) = made(client, Call("bookings.process", {"payment_id": "a"}), answer({})).tries
    (refunded,) = made(client, Call("trips.refund", {"payment_id": 1, "key": "r"}), answer({})).tries

    assert processed.body is None
    assert refunded.fields == {"idempotency_key": "r"}


def test_a_refund_that_failed_is_declined_in_a_change_and_shown_in_a_look_up(client: Client) -> None:
    refund = {
        "payment_id": 1,
        "refund_id": 2,
        "refund_amount": 5,
        "status": "FAILED",
        "timestamp": "2026-11-20T12:15:59",
    }
    declined = made(client, Call("trips.refund", {"payment_id": 1, "key": "r"}), answer(refund)).raised
    listed = made(client, Call("trips.refunds", {"payment_id": 1}), answer({"refunds": [refund]}))

    assert (declined["error"], declined["message"]) == ("Declined", "declined by the gateway")
    assert (declined["code"], declined["key"]) == ("payment_declined", "r")
    assert listed.answer[0]["status"] == "FAILED"
