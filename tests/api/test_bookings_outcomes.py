import pytest
from flask import Flask
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, NotSent, Pending, SendResult, Unknown
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.bookers import Booker, error_of, payment_of
from tests.support.callers import at_once
from tests.support.database import count, events, expire_leases, recover_all
from tests.support.gateways import LedgerGateway

DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")
DOCUMENTED = ("payment.created", "payment.completed", "payment.failed", "payment.refunded")
UNDECIDED = [pytest.param(Pending(), id="pending"), pytest.param(Unknown("time-out"), id="unknown")]


def test_declined_payment_fails_with_its_reason(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id = ada.made()
    gateway.script.append(DECLINED)
    answer = ada.process(payment_id)
    assert error_of(answer, 402) == "Card was declined by issuer"
    assert answer.get_json()["code"] == "payment_declined"
    assert answer.get_json()["retry"] == {"safe": False, "key": None, "after": None}
    payment = payment_of(ada.show(payment_id))
    assert answer.get_json()["payment"] == payment
    assert (payment["status"], payment["transaction_ref"]) == ("failed", None)
    assert (payment["failure_code"], payment["failure_message"]) == ("CARD_DECLINED", "Card was declined by issuer")
    assert error_of(ada.process(payment_id)) == "Payment already failed"


@pytest.mark.parametrize("outcome", UNDECIDED)
def test_undecided_payment_answers_202_and_a_repeat_finishes_it(
    ada: Booker, gateway: LedgerGateway, outcome: SendResult
) -> None:
    payment_id = ada.made()
    gateway.script.append(outcome)
    answer = ada.process(payment_id)
    assert payment_of(answer, 202)["status"] == "processing"
    assert payment_of(answer, 202)["payment_id"] == payment_id
    assert answer.get_json()["message"] == "Payment accepted for processing"
    assert answer.headers["Retry-After"] == "2"
    assert error_of(ada.refund(payment_id)) == "Only completed payments can be refunded"
    assert error_of(ada.patch(payment_id, status="failed")) == "Cannot change status from processing to failed"
    gateway.found.append(gateway.approve(gateway.sent[0]))
    assert payment_of(ada.process(payment_id))["status"] == "completed"
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("outcome", UNDECIDED)
def test_recovery_worker_finishes_a_payment_without_a_repeat(
    ada: Booker, gateway: LedgerGateway, deps: Dependencies, outcome: SendResult
) -> None:
    payment_id = ada.made()
    gateway.script.append(outcome)
    ada.process(payment_id)
    gateway.found.append(DECLINED)
    recover_all(deps)
    assert ada.status(payment_id) == "failed"


@pytest.mark.parametrize("outcome", UNDECIDED)
def test_undecided_refund_answers_202_and_a_repeat_finishes_it(
    ada: Booker, gateway: LedgerGateway, outcome: SendResult
) -> None:
    payment_id = ada.paid()
    gateway.script.append(outcome)
    answer = ada.refund(payment_id)
    assert payment_of(answer, 202)["status"] == "completed"
    assert answer.get_json()["message"] == "Refund accepted for processing"
    assert answer.get_json()["refund"]["status"] == "pending"
    gateway.found.append(gateway.approve(gateway.sent[-1]))
    assert payment_of(ada.refund(payment_id))["status"] == "refunded"
    assert gateway.count(Kind.REFUND) == 1


def test_declined_refund_may_be_tried_again(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id = ada.paid()
    gateway.script.append(DECLINED)
    answer = ada.refund(payment_id)
    assert error_of(answer, 402) == "Refund declined: Card was declined by issuer"
    assert answer.get_json()["code"] == "refund_declined"
    assert answer.get_json()["refund"]["status"] == "failed"
    assert ada.status(payment_id) == "completed"
    assert payment_of(ada.refund(payment_id))["status"] == "refunded"
    assert gateway.count(Kind.REFUND) == 1


def test_process_without_a_gateway_answers_503_and_a_repeat_charges(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id = ada.made()
    gateway.script.append(NotSent("connection refused"))
    answer = ada.process(payment_id)
    assert error_of(answer, 503).startswith("The payment gateway cannot be reached")
    assert answer.headers["Retry-After"] == "1"
    assert ada.status(payment_id) == "processing"
    assert payment_of(ada.process(payment_id))["status"] == "completed"
    gateway.script.append(NotSent("connection refused"))
    assert ada.refund(payment_id).status_code == 503
    assert payment_of(ada.refund(payment_id))["status"] == "refunded"


def test_repeat_under_a_key_gets_the_same_bytes(ada: Booker, deps: Dependencies) -> None:
    payment_id = payment_of(ada.create("create-1"), 201)["payment_id"]

    def twice(first: TestResponse, second: TestResponse) -> None:
        assert (second.status_code, second.data) == (first.status_code, first.data)
        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"

    twice(ada.process(payment_id, "process-1"), ada.process(payment_id, "process-1"))
    twice(ada.refund(payment_id, "refund-1"), ada.refund(payment_id, "refund-1"))
    replay = ada.create("create-1")
    assert payment_of(replay, 201)["status"] == "pending"
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert count(deps, payments) == 1


def test_refusal_is_replayed_under_its_key(ada: Booker) -> None:
    payment_id = ada.made()
    assert error_of(ada.refund(payment_id, "early")) == "Only completed payments can be refunded"
    ada.process(payment_id)
    again = ada.refund(payment_id, "early")
    assert error_of(again) == "Only completed payments can be refunded"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert payment_of(ada.refund(payment_id, "late"))["status"] == "refunded"


def test_key_of_another_operation_answers_422(ada: Booker) -> None:
    payment_id = payment_of(ada.create("one"), 201)["payment_id"]
    other = ada.create("one", amount=151)
    assert error_of(other, 422) == "This idempotency key was used for another request (different: amount)"
    assert other.get_json()["code"] == "idempotency_key_mismatch"
    assert other.get_json()["fields"] == ["amount"]
    assert other.get_json()["payment"]["public_id"] == payment_id
    assert ada.process(payment_id, "one").status_code == 422
    assert ada.status(payment_id) == "pending"


def test_two_callers_may_use_the_same_key(ada: Booker, bob: Booker) -> None:
    assert payment_of(ada.create("same"), 201)["payment_id"] != payment_of(bob.create("same"), 201)["payment_id"]


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "4111111111111111"])
def test_bad_key_is_refused(ada: Booker, deps: Dependencies, key: str) -> None:
    error_of(ada.create(key))
    assert count(deps, payments) == 0


def test_repeat_of_a_running_request_waits_for_its_answer(ada: Booker, gateway: LedgerGateway, app: Flask) -> None:
    gateway.latency = 0.3
    payment_id = ada.made()
    answers = at_once(app, 2, lambda _client, _number: ada.process(payment_id, "both"))
    assert [payment_of(answer)["status"] for answer in answers] == ["completed"] * 2
    assert len(gateway.sent) == 1


def test_repeat_of_an_abandoned_process_charges_once(ada: Booker, gateway: LedgerGateway, deps: Dependencies) -> None:
    payment_id = ada.made()
    gateway.script.append(gateway.lose_answer)
    ada.process(payment_id)
    expire_leases(deps)
    assert payment_of(ada.process(payment_id))["status"] == "completed"
    assert gateway.count(Kind.CHARGE) == 1


def test_approval_of_another_amount_is_not_accepted(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id = ada.made()
    gateway.script.append(lambda instruction: Approved(instruction.amount + 1, instruction.currency))
    assert payment_of(ada.process(payment_id), 202)["status"] == "processing"


def test_event_shows_the_payment_at_its_time(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(rabbitmq_enabled=True)
    ada = Booker(app, "ada")
    made = payment_of(ada.create(), 201)
    paid = payment_of(ada.process(made["payment_id"]))
    refunded = payment_of(ada.refund(made["payment_id"]))
    gateway.script.append(DECLINED)
    failed = ada.process(ada.made()).get_json()["payment"]
    told = [(kind, data) for kind, data in events(dependencies_of(app)) if kind in DOCUMENTED]
    assert told[:3] == [("payment.created", made), ("payment.completed", paid), ("payment.refunded", refunded)]
    assert told[-1] == ("payment.failed", failed)
