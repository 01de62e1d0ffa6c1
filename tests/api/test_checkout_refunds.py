import re
from decimal import Decimal

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, Pending, SendResult, Unknown
from payment_service.models import payment_refunds, transactions
from payment_service.services.dependencies import Dependencies
from tests.support.callers import with_raw
from tests.support.checkouts import PAYMENTS, body_of, detail_of, faults_of, held, paid, post, process, refund, shown
from tests.support.database import count, recover_all, rows
from tests.support.gateways import LedgerGateway

UNDECIDED = [pytest.param(Pending(), id="pending"), pytest.param(Unknown("time-out"), id="unknown")]


def test_refund_answers_as_the_document_shows(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = paid(client)
    answer = post(client, "refund", transaction_id=transaction, amount=100, reason="Customer request")
    body = body_of(answer)
    assert list(body) == ["success", "refund_id", "amount", "error"]
    assert (body["success"], body["amount"], body["error"]) == (True, 100.0, None)
    assert re.fullmatch("re_[0-9a-f]{16}", body["refund_id"])
    assert gateway.sent[-1].kind is Kind.REFUND
    assert gateway.sent[-1].parent_key == gateway.sent[0].gateway_key
    payment = shown(client, transaction)
    assert (payment["status"], payment["refunded_amount"]) == ("refunded", 100.0)
    assert payment["refunded_at"] == payment["updated_at"]


def test_partial_refunds_are_summed(client: FlaskClient) -> None:
    transaction = paid(client)
    seen = []
    for amount in (30.0, 29.0, 41.0):
        body_of(refund(client, transaction, amount))
        payment = shown(client, transaction)
        seen.append((payment["status"], payment["refunded_amount"]))
    assert seen == [("partially_refunded", 30.0), ("partially_refunded", 59.0), ("refunded", 100.0)]


def test_refund_above_the_rest_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = paid(client)
    assert detail_of(refund(client, transaction, 100.01)) == "Amount exceeds what is left (100.0)"
    body_of(refund(client, transaction, 90))
    too_much = refund(client, transaction, 10.01)
    assert detail_of(too_much) == "Amount exceeds what is left (10.0)"
    assert too_much.get_json()["code"] == "amount_exceeds_available"
    body_of(refund(client, transaction, 10))
    assert detail_of(refund(client, transaction, 0.01)) == "Payment in status refunded cannot be refunded"
    assert sum(sent.amount for sent in gateway.ledger.values() if sent.kind is Kind.REFUND) == Decimal(100)


def test_refund_of_an_unknown_transaction_answers_400(client: FlaskClient) -> None:
    answers = [refund(client, transaction, 1) for transaction in ("txn_0000000000000000", "x", "O" * 255, "txn%00")]
    assert [detail_of(answer) for answer in answers] == ["Payment not found"] * 4
    assert {answer.get_json()["code"] for answer in answers} == {"payment_not_found"}


def test_refund_of_a_payment_without_captured_money_is_refused(client: FlaskClient) -> None:
    transaction = held(client)
    answer = refund(client, transaction, 1)
    assert detail_of(answer) == "Payment in status authorized cannot be refunded"
    assert answer.get_json()["code"] == "illegal_move"
    body_of(post(client, "void", transaction_id=transaction))
    assert detail_of(refund(client, transaction, 1)) == "Payment in status cancelled cannot be refunded"


@pytest.mark.parametrize(
    ("field", "text", "kind"),
    [
        ("transaction_id", None, "missing"),
        ("transaction_id", "7", "string_type"),
        ("transaction_id", '""', "string_length"),
        ("amount", None, "missing"),
        ("amount", "0", "greater_than"),
        ("amount", "-5", "greater_than"),
        ("amount", "true", "decimal_type"),
        ("amount", '"NaN"', "decimal_parsing"),
        ("amount", "1e2", "decimal_parsing"),
        ("amount", "10.001", "decimal_max_places"),
        ("reason", "7", "string_type"),
        ("reason", f'"{"x" * 501}"', "string_length"),
    ],
)
def test_invalid_field_is_named(client: FlaskClient, field: str, text: str | None, kind: str) -> None:
    body: dict[str, object] = {"transaction_id": paid(client), "amount": 5}
    if text is None:
        answer = post(client, "refund", **{name: value for name, value in body.items() if name != field})
    else:
        raw = with_raw(body, field, text)
        answer = client.post(f"{PAYMENTS}/refund", data=raw, content_type="application/json")
    assert faults_of(answer) == [(field, kind)]


def test_reason_of_a_refund_is_stored(client: FlaskClient, deps: Dependencies) -> None:
    transaction = paid(client)
    for amount, reason in enumerate(("Two lines\nof it", "", None), start=1):
        body_of(post(client, "refund", transaction_id=transaction, amount=amount, reason=reason))
    kept = [row["reason"] for row in rows(deps, payment_refunds)]
    assert kept == ["Two lines\nof it", None, None]
    assert "Two lines\nof it" in {row["caller_note"] for row in rows(deps, transactions)}


def test_repeat_under_a_key_refunds_once(client: FlaskClient, gateway: LedgerGateway, deps: Dependencies) -> None:
    transaction = paid(client)
    first, again = refund(client, transaction, 30, "r1"), refund(client, transaction, 30, "r1")
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert detail_of(refund(client, transaction, 31, "r1"), 422).endswith("(different: amount)")
    assert count(deps, payment_refunds) == 1
    body_of(refund(client, transaction, 30, "r2"))
    assert gateway.count(Kind.REFUND) == 2


def test_refusal_is_replayed_under_its_key(client: FlaskClient) -> None:
    transaction = paid(client)
    first = refund(client, transaction, 101, "much")
    again = refund(client, transaction, 101, "much")
    assert detail_of(again) == "Amount exceeds what is left (100.0)"
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")


def test_refund_of_an_unknown_payment_leaves_the_key_free(client: FlaskClient) -> None:
    assert refund(client, "txn_later", 1, "k").status_code == 400
    body_of(refund(client, paid(client), 1, "k"))


def test_refund_under_the_key_of_a_payment_answers_422(client: FlaskClient) -> None:
    transaction = body_of(process(client, "same"))["transaction_id"]
    assert refund(client, transaction, 1, "same").status_code == 422


def test_declined_refund_releases_its_amount(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = paid(client)
    gateway.script.append(Declined("GATEWAY_ERROR", "Issuer unavailable"))
    answer = refund(client, transaction, 100)
    assert detail_of(answer) == "Failed to process refund"
    assert answer.get_json()["code"] == "refund_declined"
    payment = shown(client, transaction)
    assert (payment["status"], payment["refunded_amount"], payment["refunded_at"]) == ("captured", 0.0, None)
    assert payment["error_message"] is None
    body_of(refund(client, transaction, 100))


@pytest.mark.parametrize("outcome", UNDECIDED)
def test_undecided_refund_answers_202_and_reserves_its_amount(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, outcome: SendResult
) -> None:
    transaction = paid(client)
    gateway.script.append(outcome)
    answer = refund(client, transaction, 60, "r")
    body = body_of(answer, 202)
    assert (body["success"], body["status"], body["error"]) == (False, "pending", None)
    assert body["message"] == "Refund accepted for processing"
    assert body["payment_id"] == shown(client, transaction)["id"]
    assert answer.headers["Retry-After"] == "2"
    assert detail_of(refund(client, transaction, 60)) == "Amount exceeds what is left (40.0)"
    gateway.found.append(gateway.approve(gateway.sent[-1]))
    recover_all(deps)
    assert shown(client, transaction)["status"] == "partially_refunded"
    finished = body_of(refund(client, transaction, 60, "r"))
    assert (finished["success"], finished["refund_id"]) == (True, body["refund_id"])
