import re
from decimal import Decimal

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from payment_service.gateways.simulated import REFUSALS
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.support.callers import with_raw
from tests.support.checkouts import PAYMENTS, body_of, detail_of, faults_of, post, process, shown
from tests.support.database import count, everything
from tests.support.gateways import LedgerGateway

BODY = {"order_id": "ORD-1", "amount": 100.0, "payment_method": "credit_card"}
ANSWER = ["success", "transaction_id", "payment_intent_id", "status", "error"]
NO_AMOUNTS = (
    "true", "null", "[]", "{}", '"NaN"', '"Infinity"', "1e2", '"1e400"', "1e2000000", "-1", "0", "-0", "100.001", '""',
    '" 100"', "1000000000000", '"1_000"',
)  # fmt: skip


def test_payment_answers_as_the_document_shows(client: FlaskClient, gateway: LedgerGateway) -> None:
    answer = process(client, currency="EUR", payment_method="paypal", payment_method_details={"email": "a@b.example"})
    body = body_of(answer)
    assert answer.content_type == "application/json"
    assert list(body) == [*ANSWER, "payment_id"]
    assert (body["success"], body["status"], body["error"]) == (True, "captured", None)
    assert re.fullmatch("txn_[0-9a-f]{16}", body["transaction_id"])
    assert re.fullmatch("pi_[0-9a-f]{24}", body["payment_intent_id"])
    (sent,) = gateway.sent
    assert (sent.kind, sent.amount, sent.currency, sent.method) == (Kind.CHARGE, Decimal(100), "EUR", "paypal")


@pytest.mark.parametrize("method", ["credit_card", "debit_card", "paypal", "stripe"])
def test_payment_accepts_every_documented_method(client: FlaskClient, method: str) -> None:
    body = body_of(process(client, payment_method=method))
    assert shown(client, body["transaction_id"])["payment_method"] == method


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP"])
def test_payment_accepts_every_documented_currency_and_defaults_to_dollars(client: FlaskClient, currency: str) -> None:
    body = body_of(process(client, currency=currency))
    assert shown(client, body["transaction_id"])["currency"] == currency
    without = body_of(process(client, currency=None))
    assert shown(client, without["transaction_id"])["currency"] == "USD"


@pytest.mark.parametrize("refusal", REFUSALS)
def test_declined_payment_answers_with_a_documented_text(
    client: FlaskClient, gateway: LedgerGateway, refusal: Declined
) -> None:
    gateway.script.append(refusal)
    body = body_of(process(client))
    assert body["error"] in {
        "Insufficient funds in account",
        "Card was declined by issuer",
        "Card has expired",
        "Failed to capture payment",
    }
    assert {name: body[name] for name in ANSWER} == {
        "success": False,
        "transaction_id": None,
        "payment_intent_id": None,
        "status": "failed",
        "error": refusal.message,
    }


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("order_id", None, "missing"),
        ("order_id", 7, "string_type"),
        ("order_id", True, "string_type"),
        ("order_id", "", "string_length"),
        ("order_id", "O" * 256, "string_length"),
        ("order_id", "a\nb", "string_unicode"),
        ("amount", None, "missing"),
        ("currency", "INR", "enum"),
        ("currency", 840, "enum"),
        ("currency", "", "enum"),
        ("payment_method", None, "missing"),
        ("payment_method", "cash", "enum"),
        ("payment_method", 1, "enum"),
        ("payment_method_details", "card", "dict_type"),
        ("payment_method_details", ["card"], "dict_type"),
        ("capture", "false", "bool_type"),
        ("capture", 0, "bool_type"),
    ],
)
def test_invalid_field_is_named(client: FlaskClient, deps: Dependencies, field: str, value: object, kind: str) -> None:
    body = {name: given for name, given in {**BODY, field: value}.items() if given is not None}
    answer = post(client, "process", **body)
    assert faults_of(answer) == [(field, kind)]
    assert answer.get_json()["detail"][0]["loc"] == ["body", field]
    assert answer.get_json()["code"] == "validation_error"
    assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": None}
    assert count(deps, payments) == 0


@pytest.mark.parametrize("text", NO_AMOUNTS)
def test_invalid_amount_is_refused(client: FlaskClient, deps: Dependencies, text: str) -> None:
    raw = with_raw(BODY, "amount", text)
    answer = client.post(f"{PAYMENTS}/process", data=raw, content_type="application/json")
    assert [field for field, _ in faults_of(answer)] == ["amount"]
    assert count(deps, payments) == 0


def test_faults_are_listed_in_the_order_of_the_document(client: FlaskClient) -> None:
    fields = [field for field, _ in faults_of(post(client, "process", currency="X", amount=-1))]
    assert fields == ["order_id", "amount", "currency", "payment_method"]


@pytest.mark.parametrize("text", ['"99.50"', "99.5", "99.50"])
def test_amount_as_numeric_text_is_accepted(client: FlaskClient, text: str) -> None:
    raw = with_raw(BODY, "amount", text)
    answer = client.post(f"{PAYMENTS}/process", data=raw, content_type="application/json")
    assert shown(client, body_of(answer)["transaction_id"])["amount"] == 99.5


@pytest.mark.parametrize("body", ["[]", '"x"', "7", "null", "{", ""])
def test_body_that_is_no_object_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post(f"{PAYMENTS}/process", data=body, content_type="application/json")
    assert detail_of(answer, 422)[0]["loc"][0] == "body"


@pytest.mark.parametrize("place", ["order_id", "payment_method_details", "note"])
def test_card_number_in_any_field_is_refused(client: FlaskClient, deps: Dependencies, place: str) -> None:
    number = "4242-4242-4242-4242"
    answer = post(client, "process", **BODY | {place: {"number": number} if place.endswith("details") else number})
    assert body_of(answer, 422)["code"] == "card_data_not_accepted"
    assert "4242" not in everything(deps) + answer.get_data(as_text=True)


def test_payment_details_are_accepted_and_never_stored(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    details = {"cvv": "cvv-of-987", "holder": "Grace Hopper", "token": "tok" * 1000, "more": {"n": [1, 2.5]}}
    first = process(client, "details", payment_method_details=details)
    assert body_of(first)["success"]
    kept = everything(deps) + repr(gateway.sent)
    assert [secret for secret in ("cvv", "Hopper", "toktok") if secret in kept] == []
    again = process(client, "details", payment_method_details={"cvv": "111"})
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")


def test_empty_or_null_details_are_accepted(client: FlaskClient) -> None:
    body_of(process(client, payment_method_details={}))
    body_of(post(client, "process", **BODY, payment_method_details=None, capture=None, currency=None))


def test_unknown_field_is_ignored(client: FlaskClient) -> None:
    body = body_of(process(client, status="refunded", transaction_id="txn_mine", captured_amount=0))
    assert (body["status"], body["transaction_id"] != "txn_mine") == ("captured", True)


def test_repeat_under_a_key_gets_the_same_bytes(client: FlaskClient, gateway: LedgerGateway) -> None:
    first, again = process(client, "k"), process(client, "k")
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = process(client, "k", amount=101, order_id="ORD-2")
    assert detail_of(other, 422) == ("This idempotency key was used for another request (different: amount, order_id)")
    assert other.get_json()["payment"]["public_id"] == first.get_json()["payment_id"]
    assert len(gateway.sent) == 1


def test_decline_is_final_for_its_key_and_not_for_its_order(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(REFUSALS[0])
    first = process(client, "k")
    assert process(client, "k").data == first.data
    assert body_of(process(client, "k2"))["status"] == "captured"


def test_wrong_path_or_method_answers_in_the_documented_shape(client: FlaskClient) -> None:
    assert detail_of(client.get(f"{PAYMENTS}/nothing"), 404) == "Not found"
    wrong = client.get(f"{PAYMENTS}/process")
    assert (detail_of(wrong, 405), wrong.headers["Allow"]) == ("Method Not Allowed", "OPTIONS, POST")
    typed = client.post(f"{PAYMENTS}/process", data="a=1", content_type="application/x-www-form-urlencoded")
    assert detail_of(typed, 415) == "The body must be application/json without a content encoding."
    named = client.get(f"{PAYMENTS}/order/x", headers={"X-Correlation-ID": "order-service-7"})
    assert named.headers["X-Correlation-ID"] == named.headers["X-Request-ID"] == "order-service-7"
