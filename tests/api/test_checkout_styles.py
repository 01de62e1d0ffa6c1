"""snake_case or camelCase, lower case or capitals: each caller reads the style that it wrote or is configured for."""

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined, Unknown
from payment_service.models import idempotency_keys
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.checkouts import PAYMENTS, body_of, detail_of, faults_of, post
from tests.support.database import recover_all, rows
from tests.support.gateways import LedgerGateway

CAMEL = {"orderId": "ORD-1", "amount": 100.0, "currency": "USD", "paymentMethod": "credit_card"}
SNAKE = {"order_id": "ORD-1", "amount": 100.0, "currency": "USD", "payment_method": "credit_card"}


def test_request_in_camel_case_gets_an_answer_in_camel_case(client: FlaskClient, gateway: LedgerGateway) -> None:
    paid = body_of(post(client, "process", **CAMEL, paymentMethodDetails={"brand": "visa"}))
    assert list(paid) == ["success", "transactionId", "paymentIntentId", "status", "error", "paymentId"]
    assert (paid["success"], paid["status"]) == (True, "captured")
    refunded = body_of(post(client, "refund", transactionId=paid["transactionId"], amount=100))
    assert list(refunded) == ["success", "refundId", "amount", "error"]
    held = body_of(post(client, "process", **CAMEL, capture=False))
    captured = body_of(post(client, "capture", transactionId=held["transactionId"], amount=50))
    assert (captured["transactionId"], captured["status"]) == (held["transactionId"], "captured")
    other = body_of(post(client, "process", **CAMEL, capture=False))
    assert body_of(post(client, "void", transactionId=other["transactionId"]))["status"] == "cancelled"
    assert {sent.method for sent in gateway.sent} == {"credit_card"}


def test_one_field_in_camel_case_makes_the_answer_camel_case(client: FlaskClient) -> None:
    mixed = {"order_id": "ORD-1", "amount": 100.0, "paymentMethod": "credit_card"}
    assert "transactionId" in body_of(post(client, "process", **mixed))


def test_error_names_fields_in_the_style_of_the_request(client: FlaskClient) -> None:
    answer = post(client, "process", orderId=7, amount=-1)
    assert faults_of(answer) == [
        ("orderId", "string_type"),
        ("amount", "greater_than"),
        ("paymentMethod", "missing"),
    ]
    assert [fault["msg"] for fault in answer.get_json()["detail"]] == [
        "orderId must be a text",
        "Amount must be positive",
        "paymentMethod is required",
    ]


def test_field_in_both_styles_with_different_values_is_refused(client: FlaskClient) -> None:
    assert body_of(post(client, "process", **CAMEL, order_id="ORD-1"))["success"]
    answer = post(client, "process", **CAMEL, order_id="ORD-2")
    assert detail_of(answer, 422) == [
        {"loc": ["body", "orderId"], "msg": "orderId and order_id differ", "type": "value_error"}
    ]


def test_repeat_in_the_other_style_gets_the_first_answer(client: FlaskClient, gateway: LedgerGateway) -> None:
    first = post(client, "process", "k", **CAMEL)
    again = post(client, "process", "k", **SNAKE)
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert len(gateway.sent) == 1


@pytest.mark.parametrize(("body", "name"), [(CAMEL, "transactionId"), (SNAKE, "transaction_id")])
def test_recovered_payment_is_answered_in_the_style_of_its_request(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, body: dict[str, object], name: str
) -> None:
    gateway.script.append(gateway.lose_answer)
    accepted = body_of(post(client, "process", "k", **body), 202)
    assert (accepted[name], accepted["message"]) == (None, "Payment accepted for processing")
    recover_all(deps)
    assert body_of(post(client, "process", "k", **body))[name].startswith("txn_")


def test_undecided_refund_in_camel_case_is_answered_in_camel_case(client: FlaskClient, gateway: LedgerGateway) -> None:
    paid = body_of(post(client, "process", **CAMEL))
    gateway.script.append(Unknown("time-out"))
    accepted = body_of(post(client, "refund", transactionId=paid["transactionId"], amount=1), 202)
    assert accepted["paymentId"] == paid["paymentId"]
    assert accepted["refundId"].startswith("re_")


def test_statuses_are_in_capitals_when_the_setting_asks_for_them(
    make_app: MakeApp, gateway: LedgerGateway, deps: Dependencies
) -> None:
    client = make_app(checkout_status_case="upper").test_client()
    paid = body_of(post(client, "process", "k", **SNAKE))
    assert paid["status"] == "CAPTURED"
    shown = body_of(client.get(f"{PAYMENTS}/payment/{paid['payment_id']}"))
    assert shown["status"] == "CAPTURED"
    post(client, "refund", transaction_id=paid["transaction_id"], amount=1)
    assert body_of(client.get(f"{PAYMENTS}/order/ORD-1"))["status"] == "PARTIALLY_REFUNDED"
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    assert body_of(post(client, "process", **SNAKE))["status"] == "FAILED"
    assert body_of(post(client, "process", **CAMEL, capture=False))["status"] == "AUTHORIZED"
    gateway.script.append(gateway.lose_answer)
    assert body_of(post(client, "process", "late", **CAMEL), 202)["status"] == "PROCESSING"
    recover_all(deps)
    assert body_of(post(client, "process", "late", **CAMEL))["status"] == "CAPTURED"
    assert "process.camel.upper" in {row["response_format"] for row in rows(deps, idempotency_keys)}
