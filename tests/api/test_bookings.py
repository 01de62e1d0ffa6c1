import re
from datetime import UTC, datetime
from typing import Any

import pytest

from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.support.bookers import Booker, error_of, payment_of
from tests.support.callers import with_raw
from tests.support.database import count, everything
from tests.support.gateways import LedgerGateway

BODY = {"booking_id": "BOOK-001", "amount": 150.0}
FIELDS = [
    "payment_id", "user_id", "booking_id", "amount", "currency", "status", "payment_method", "transaction_ref",
    "created_at", "updated_at", "refunded_amount",
]  # fmt: skip
UUID4 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
NO_AMOUNTS = (
    "true", "[]", "{}", '"NaN"', '"Infinity"', "1e2", '"1e2"', "1e2000000", '""', '" 150"', '"1_000"', '"ten"', "-0e1",
)  # fmt: skip


def test_creation_answers_as_the_document_shows(ada: Booker, gateway: LedgerGateway) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    answer = ada.create(currency="USD", payment_method="credit_card")
    payment = payment_of(answer, 201)
    assert list(answer.get_json()) == ["message", "payment"]
    assert answer.get_json()["message"] == "Payment created successfully"
    assert list(payment) == FIELDS
    assert UUID4.fullmatch(payment["payment_id"])
    assert (payment["user_id"], payment["booking_id"], payment["amount"]) == ("ada", "BOOK-001", 150.0)
    assert '"amount":150.0,' in answer.text
    assert (payment["currency"], payment["payment_method"]) == ("USD", "credit_card")
    assert (payment["status"], payment["transaction_ref"], payment["refunded_amount"]) == ("pending", None, 0.0)
    assert MOMENT.fullmatch(payment["created_at"])
    assert payment["updated_at"] == payment["created_at"]
    assert before <= datetime.fromisoformat(payment["created_at"]) <= datetime.now(UTC).replace(tzinfo=None)
    assert not gateway.sent


def test_currency_defaults_to_dollars_and_method_to_null(ada: Booker) -> None:
    payment = payment_of(ada.create(), 201)
    assert (payment["currency"], payment["payment_method"]) == ("USD", None)


@pytest.mark.parametrize("currency", ["EUR", "eur", "JPY", "INR"])
def test_creation_accepts_every_iso_4217_currency(ada: Booker, currency: str) -> None:
    assert payment_of(ada.create(currency=currency, amount=150), 201)["currency"] == currency.upper()


@pytest.mark.parametrize("currency", ["", "XXX", "DOLLAR", "US", 840, True, []])
def test_invalid_currency_is_refused(ada: Booker, currency: object) -> None:
    assert error_of(ada.create(currency=currency)) == "currency must be an ISO 4217 code"


def test_amount_as_numeric_text_is_accepted(ada: Booker) -> None:
    assert payment_of(ada.create(amount="99.50"), 201)["amount"] == 99.5


@pytest.mark.parametrize("text", ["0", "0.0", '"0"', "-1", "-0.01", '"-5"', "-0"])
def test_amount_that_is_not_positive_is_refused(ada: Booker, text: str) -> None:
    answer = ada("POST", "", data=with_raw(BODY, "amount", text), content_type="application/json")
    assert error_of(answer) == "Amount must be positive"


@pytest.mark.parametrize("text", NO_AMOUNTS)
def test_invalid_amount_is_refused(ada: Booker, deps: Dependencies, text: str) -> None:
    answer = ada("POST", "", data=with_raw(BODY, "amount", text), content_type="application/json")
    assert error_of(answer) == "Invalid amount"
    assert answer.get_json()["code"] == "validation_error"
    assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": None}
    assert count(deps, payments) == 0


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_amount_that_is_no_json_number_is_refused(ada: Booker, word: str) -> None:
    answer = ada("POST", "", data=with_raw(BODY, "amount", word), content_type="application/json")
    assert error_of(answer) == f"The body is not JSON: {word} is no number"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"amount": "150.001"}, "Amount must have at most 2 decimals in USD"),
        ({"amount": "150.5", "currency": "JPY"}, "Amount must have at most 0 decimals in JPY"),
        ({"amount": 10**12}, "Amount must have at most 12 digits before the decimal point"),
    ],
)
def test_amount_with_too_many_digits_is_refused(ada: Booker, fields: dict[str, Any], text: str) -> None:
    assert error_of(ada.create(**fields)) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"amount": 5}, "booking_id is required"),
        ({"payment_method": "paypal"}, "booking_id is required"),
        ({"booking_id": None, "amount": 5}, "booking_id is required"),
        ({"booking_id": "B"}, "amount is required"),
        ({"booking_id": "B", "amount": None}, "amount is required"),
        ({"booking_id": "", "amount": -1}, "booking_id must have 1 to 255 characters"),
        ({"booking_id": "B" * 256, "amount": 5}, "booking_id must have 1 to 255 characters"),
        ({"booking_id": ["B"], "amount": 5}, "booking_id must be a text"),
        ({"booking_id": {"id": 1}, "amount": 5}, "booking_id must be a text"),
        ({"booking_id": "B", "amount": 5, "payment_method": "m" * 51}, "payment_method must have 1 to 50 characters"),
        ({"booking_id": "B", "amount": 5, "payment_method": 5}, "payment_method must be a text"),
        ({}, "Request body is required"),
    ],
)
def test_first_fault_is_reported_and_the_booking_comes_first(ada: Booker, body: dict[str, Any], text: str) -> None:
    assert error_of(ada("POST", "", json=body)) == text


def test_missing_body_answers_400(ada: Booker) -> None:
    assert error_of(ada("POST", "")) == "Request body is required"


@pytest.mark.parametrize(
    ("text", "shown"), [('"BOOK-7"', "BOOK-7"), ("7", "7"), ("7.50", "7.50"), ("true", "true"), ("false", "false")]
)
def test_scalar_booking_id_is_shown_as_text(ada: Booker, text: str, shown: str) -> None:
    answer = ada("POST", "", data=with_raw(BODY, "booking_id", text), content_type="application/json")
    assert payment_of(answer, 201)["booking_id"] == shown
    (listed,) = ada("GET", f"/booking/{shown}").get_json()["payments"]
    assert listed["booking_id"] == shown


def test_other_media_type_answers_415(ada: Booker) -> None:
    answer = ada("POST", "", data="booking_id=1", content_type="application/x-www-form-urlencoded")
    assert error_of(answer, 415) == "The body must be application/json without a content encoding."


@pytest.mark.parametrize("field", ["booking_id", "payment_method", "note"])
def test_card_number_in_any_field_is_refused(ada: Booker, deps: Dependencies, field: str) -> None:
    answer = ada("POST", "", json={**BODY, field: "4111 1111 1111 1111"})
    assert error_of(answer).startswith("Card numbers are not accepted")
    assert answer.get_json()["code"] == "card_data_not_accepted"
    assert "4111" not in everything(deps)


def test_unknown_field_is_ignored(ada: Booker) -> None:
    given: dict[str, Any] = {
        "status": "completed",
        "user_id": "bob",
        "payment_id": 7,
        "transaction_ref": "TXN-1",
        "refunded_amount": 9,
    }
    payment = payment_of(ada.create(**given), 201)
    assert (payment["status"], payment["user_id"], payment["transaction_ref"]) == ("pending", "ada", None)
    assert (payment["refunded_amount"], payment["payment_id"] != 7) == (0.0, True)


def test_look_up_shows_the_payment(ada: Booker) -> None:
    made = payment_of(ada.create(), 201)
    answer = ada.show(made["payment_id"])
    assert payment_of(answer) == made
    assert list(answer.get_json()) == ["payment"]
    assert payment_of(ada.show(made["payment_id"].upper())) == made


@pytest.mark.parametrize(
    "payment_id", ["7", "00000000-0000-4000-8000-000000000000", "x" * 36, "%00", "booking", "{0}", "..", "\u0661"]
)
def test_unknown_payment_answers_404_on_every_path(ada: Booker, payment_id: str) -> None:
    answers = [ada.show(payment_id), ada.process(payment_id), ada.refund(payment_id)]
    answers.append(ada.patch(payment_id, status="failed"))
    assert [error_of(answer, 404) for answer in answers] == ["Payment not found"] * 4


def test_unknown_path_answers_404_without_a_redirect(ada: Booker) -> None:
    paths = ("/x/y", "//x", f"/{ada.made()}//process", "/x/process/")
    assert {error_of(ada("POST", path), 404) for path in paths} <= {"Not found", "Payment not found"}


def test_wrong_method_answers_405_with_the_allowed_ones(ada: Booker) -> None:
    answer = ada("DELETE", f"/{ada.made()}")
    assert error_of(answer, 405) == "Method Not Allowed"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
