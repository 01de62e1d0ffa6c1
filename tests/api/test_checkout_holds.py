from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, Pending, SendResult, Unknown
from payment_service.services.dependencies import Dependencies
from tests.support.callers import at_once
from tests.support.checkouts import body_of, detail_of, faults_of, held, paid, post, process, refund, shown
from tests.support.database import recover_all
from tests.support.gateways import LedgerGateway

ANSWER = ["success", "transaction_id", "payment_intent_id", "status", "error", "payment_id"]
DECLINED = Declined("GATEWAY_ERROR", "Failed to capture payment")
UNDECIDED = [pytest.param(Pending(), id="pending"), pytest.param(Unknown("time-out"), id="unknown")]


def test_payment_without_capture_holds_the_money(client: FlaskClient, gateway: LedgerGateway) -> None:
    body = body_of(process(client, capture=False))
    assert list(body) == ANSWER
    assert (body["success"], body["status"], body["error"]) == (True, "authorized", None)
    payment = shown(client, body["transaction_id"])
    assert (payment["status"], payment["captured_amount"]) == ("authorized", 0.0)
    assert payment["authorized_at"] is not None
    assert payment["captured_at"] is None
    assert [sent.kind for sent in gateway.sent] == [Kind.AUTHORIZE]


def test_declined_hold_has_failed(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("EXPIRED_CARD", "Card has expired"))
    body = body_of(process(client, capture=False))
    assert (body["success"], body["status"], body["error"]) == (False, "failed", "Card has expired")
    assert (body["transaction_id"], body["payment_intent_id"]) == (None, None)


@pytest.mark.parametrize(("amount", "taken"), [(None, 100.0), (100, 100.0), ("40.50", 40.5)])
def test_capture_takes_the_held_amount_or_a_part(
    client: FlaskClient, gateway: LedgerGateway, amount: object, taken: float
) -> None:
    transaction = held(client)
    asked = {"transaction_id": transaction} | ({} if amount is None else {"amount": amount})
    body = body_of(post(client, "capture", **asked))
    assert list(body) == ANSWER
    assert (body["success"], body["transaction_id"], body["status"]) == (True, transaction, "captured")
    payment = shown(client, transaction)
    assert (payment["amount"], payment["captured_amount"]) == (100.0, taken)
    assert payment["captured_at"] > payment["authorized_at"]
    assert payment["payment_intent_id"] == body["payment_intent_id"]
    assert (gateway.sent[-1].kind, gateway.sent[-1].amount) == (Kind.CAPTURE, Decimal(str(taken)))
    assert gateway.sent[-1].parent_key == gateway.sent[0].gateway_key


def test_refund_above_the_captured_amount_is_refused(client: FlaskClient) -> None:
    transaction = held(client)
    body_of(post(client, "capture", transaction_id=transaction, amount=40))
    assert detail_of(refund(client, transaction, 41)) == "Amount exceeds what is left (40.0)"
    body_of(refund(client, transaction, 40))
    assert shown(client, transaction)["status"] == "refunded"


def test_void_releases_the_hold(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = held(client)
    body = body_of(post(client, "void", transaction_id=transaction))
    assert list(body) == ANSWER
    assert (body["success"], body["status"], body["error"]) == (True, "cancelled", None)
    payment = shown(client, transaction)
    assert (payment["status"], payment["captured_amount"]) == ("cancelled", 0.0)
    assert gateway.sent[-1].kind is Kind.VOID


@pytest.mark.parametrize(("action", "done"), [("capture", "captured"), ("void", "voided")])
def test_capture_or_void_of_a_payment_that_is_not_held_answers_400(
    client: FlaskClient, gateway: LedgerGateway, action: str, done: str
) -> None:
    captured, voided = paid(client), held(client)
    post(client, "void", transaction_id=voided)
    sent = len(gateway.sent)

    answers = [post(client, action, transaction_id=transaction) for transaction in (captured, voided)]
    assert [detail_of(answer) for answer in answers] == [
        f"Payment in status captured cannot be {done}",
        f"Payment in status cancelled cannot be {done}",
    ]
    assert {answer.get_json()["code"] for answer in answers} == {"illegal_move"}
    assert len(gateway.sent) == sent


def test_capture_above_the_held_amount_is_refused(client: FlaskClient) -> None:
    transaction = held(client)
    assert detail_of(post(client, "capture", transaction_id=transaction, amount=100.01)) == (
        "Amount exceeds what is left (100.0)"
    )
    assert shown(client, transaction)["status"] == "authorized"


@pytest.mark.parametrize("action", ["capture", "void"])
def test_capture_or_void_of_an_unknown_transaction_answers_400(client: FlaskClient, action: str) -> None:
    assert detail_of(post(client, action, transaction_id="txn_0000000000000000")) == "Payment not found"
    assert faults_of(post(client, action)) == [("transaction_id", "missing")]
    assert faults_of(post(client, action, transaction_id=7)) == [("transaction_id", "string_type")]


@pytest.mark.parametrize(("amount", "kind"), [(0, "greater_than"), (-1, "greater_than"), (None, "decimal_type")])
def test_invalid_amount_to_capture_is_refused(client: FlaskClient, amount: object, kind: str) -> None:
    assert faults_of(post(client, "capture", transaction_id=held(client), amount=amount)) == [("amount", kind)]


def test_declined_capture_leaves_the_hold(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = held(client)
    gateway.script.append(DECLINED)
    first = post(client, "capture", "c1", transaction_id=transaction)
    body = body_of(first)
    assert (body["success"], body["status"], body["error"]) == (False, "authorized", "Failed to capture payment")
    payment = shown(client, transaction)
    assert (payment["status"], payment["error_message"]) == ("authorized", "Failed to capture payment")
    assert payment["provider_response"]["code"] == "GATEWAY_ERROR"
    assert body_of(post(client, "capture", "c2", transaction_id=transaction))["status"] == "captured"
    assert shown(client, transaction)["error_message"] is None
    assert post(client, "capture", "c1", transaction_id=transaction).data == first.data


def test_declined_void_leaves_the_hold(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = held(client)
    gateway.script.append(Declined("GATEWAY_ERROR", "Not now"))
    body = body_of(post(client, "void", transaction_id=transaction))
    assert (body["success"], body["status"], body["error"]) == (False, "authorized", "Not now")


@pytest.mark.parametrize("outcome", UNDECIDED)
@pytest.mark.parametrize(("action", "end"), [("capture", "captured"), ("void", "cancelled")])
def test_undecided_capture_or_void_answers_202_and_is_recovered(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, outcome: SendResult, action: str, end: str
) -> None:
    transaction = held(client)
    gateway.script.append(outcome)
    answer = post(client, action, "k", transaction_id=transaction)
    body = body_of(answer, 202)
    assert (body["success"], body["status"], body["error"]) == (False, "processing", None)
    assert (body["transaction_id"], body["message"]) == (transaction, "Payment accepted for processing")
    others = [detail_of(post(client, other, transaction_id=transaction)) for other in ("capture", "void")]
    assert [other for other in others if not other.startswith("Payment in status processing")] == []
    gateway.found.append(gateway.approve(gateway.sent[-1]))
    recover_all(deps)
    assert shown(client, transaction)["status"] == end
    assert body_of(post(client, action, "k", transaction_id=transaction))["status"] == end


@pytest.mark.parametrize("action", ["capture", "void"])
def test_repeat_of_a_capture_or_void_under_its_key_acts_once(
    client: FlaskClient, gateway: LedgerGateway, action: str
) -> None:
    transaction = held(client)
    first, again = (post(client, action, "k", transaction_id=transaction) for _ in range(2))
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert len(gateway.sent) == 2


def test_captures_and_voids_at_once_act_once(app: Flask, client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.latency = 0.05
    transaction = held(client)
    answers = at_once(
        app, 8, lambda caller, number: post(caller, ("capture", "void")[number % 2], transaction_id=transaction)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert gateway.count(Kind.CAPTURE) + gateway.count(Kind.VOID) == 1


def test_charge_under_the_key_of_a_hold_answers_422(client: FlaskClient) -> None:
    body_of(process(client, "k", capture=False))
    assert detail_of(process(client, "k"), 422).endswith("(different: capture)")
