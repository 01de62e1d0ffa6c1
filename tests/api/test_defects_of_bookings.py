"""The faults of the bookings callers' first payment service, one by one: none of them may come back."""

from collections import Counter
from decimal import Decimal

import pytest
from flask import Flask

from payment_service.config import ConfigurationError, Settings
from payment_service.domain.operations import Kind
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.bookers import Booker, error_of, payment_of
from tests.support.callers import at_once, with_raw
from tests.support.database import count, events, recover_all, rows
from tests.support.failing import armed
from tests.support.gateways import LedgerGateway
from tests.support.ports import free_port
from tests.support.scraped import scraped

BODY = {"booking_id": "BOOK-001", "amount": 150.0}


def test_defect_1_caller_cannot_complete_a_payment_without_paying(
    ada: Booker, bob: Booker, gateway: LedgerGateway
) -> None:
    payment_id = ada.made()
    statuses = ("completed", "failed", "cancelled", "refunded")
    errors = [error_of(bob.patch(payment_id, status=status), 403) for status in statuses]
    assert errors == ["Unauthorized"] * 4
    assert error_of(ada.patch(payment_id, status="completed"))
    assert ada.status(payment_id) == "pending"
    assert not gateway.sent


def test_defect_1_refunded_payment_is_never_charged_again(ada: Booker, gateway: LedgerGateway) -> None:
    payment_id = ada.paid()
    ada.refund(payment_id)
    assert error_of(ada.patch(payment_id, status="pending")) == "Cannot change status from refunded to pending"
    assert error_of(ada.process(payment_id)) == "Payment already refunded"
    assert gateway.count(Kind.CHARGE) == 1


def test_defect_2_repeat_of_a_creation_makes_no_second_payment(ada: Booker, app: Flask, deps: Dependencies) -> None:
    answers = at_once(app, 8, lambda _client, _number: ada.create("retry"))
    assert len({payment_of(answer, 201)["payment_id"] for answer in answers}) == 1
    assert count(deps, payments) == 1


@pytest.mark.parametrize("key", [None, "client-key"])
def test_defect_3_process_requests_at_once_charge_once(
    make_app: MakeApp, gateway: LedgerGateway, key: str | None
) -> None:
    app = make_app(rabbitmq_enabled=True)
    ada = Booker(app, "ada")
    gateway.latency = 0.1
    payment_id = ada.made()
    answers = at_once(app, 8, lambda _client, _number: ada.process(payment_id, key))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == ({200: 8} if key else {200: 1, 400: 7})
    assert {answer.get_json()["error"] for answer in answers if answer.status_code == 400} <= {
        "Payment already completed"
    }
    assert len(gateway.sent) == 1
    assert len([kind for kind, _ in events(dependencies_of(app)) if kind == "payment.completed"]) == 1
    told = next(answer for answer in answers if answer.status_code == 200)
    assert payment_of(ada.show(payment_id)) == payment_of(told)


def test_defect_3_owner_and_service_at_once_charge_once(
    ada: Booker, desk: Booker, app: Flask, gateway: LedgerGateway
) -> None:
    gateway.latency = 0.1
    payment_id = ada.made()
    asking = [
        lambda: ada.process(payment_id),
        lambda: desk.process(payment_id),
        lambda: desk.patch(payment_id, status="completed"),
        lambda: ada.process(payment_id, "own-key"),
    ]
    answers = at_once(app, 4, lambda _client, number: asking[number]())
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert len(gateway.sent) == 1
    assert ada.status(payment_id) == "completed"


def test_defect_3_refunds_at_once_refund_once(ada: Booker, app: Flask, gateway: LedgerGateway) -> None:
    gateway.latency = 0.1
    payment_id = ada.paid()
    answers = at_once(app, 8, lambda _client, _number: ada.refund(payment_id))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 7}
    assert gateway.count(Kind.REFUND) == 1
    assert payment_of(ada.show(payment_id))["refunded_amount"] == 150.0


@pytest.mark.parametrize("point", ["claim.after_commit", "gateway.answered", "finish.before_commit"])
def test_defect_4_crash_between_the_commits_is_recovered(
    ada: Booker, gateway: LedgerGateway, deps: Dependencies, point: str
) -> None:
    payment_id = ada.made()
    with armed(f"{point}=raise"):
        assert error_of(ada.process(payment_id), 500) == "Internal server error"
    assert ada.status(payment_id) == "processing"
    recover_all(deps)
    assert ada.status(payment_id) == "completed"
    assert gateway.count(Kind.CHARGE) == 1


@pytest.mark.parametrize("text", ['"NaN"', "NaN", "true", "Infinity", '"Infinity"', "1e400", "9" * 100])
def test_defect_5_invalid_amount_is_never_stored(ada: Booker, deps: Dependencies, text: str) -> None:
    error_of(ada("POST", "", data=with_raw(BODY, "amount", text), content_type="application/json"))
    assert count(deps, payments) == 0


def test_defect_5_amount_is_exact_and_its_currency_is_known(ada: Booker, deps: Dependencies) -> None:
    assert error_of(ada.create(currency="MOON")) == "currency must be an ISO 4217 code"
    ada.made(amount="0.1")
    ada.made(amount="999999999999.99")
    assert [row["amount"] for row in rows(deps, payments)] == [Decimal("0.10"), Decimal("999999999999.99")]


@pytest.mark.parametrize("secret", ["jwt-secret-key", "dev-secret-key", ""])
def test_defect_6_production_refuses_the_public_secrets(secret: str) -> None:
    named = {"ENVIRONMENT": "production", "JWT_SECRET_KEY": secret, "SECRET_KEY": secret}
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env(named)
    assert any(fault.startswith("JWT_SECRET_KEY") for fault in refused.value.faults)
    assert any(fault.startswith("SECRET_KEY") for fault in refused.value.faults)


def test_defect_7_broker_that_is_down_changes_no_answer(make_app: MakeApp) -> None:
    app = make_app(rabbitmq_enabled=True, rabbitmq_host="127.0.0.1", rabbitmq_port=free_port())
    carl = Booker(app, "carl")
    payment_id = carl.paid()
    assert payment_of(carl.refund(payment_id))["status"] == "refunded"
    kinds = {kind for kind, _ in events(dependencies_of(app))}
    assert {"payment.created", "payment.completed", "payment.refunded"} <= kinds


@pytest.mark.parametrize("body", ["[]", '["booking_id"]', '"booking_id amount"', "7", "null", "true", "{", ""])
def test_defect_8_body_that_is_no_object_answers_400(ada: Booker, deps: Dependencies, body: str) -> None:
    payment_id = ada.made()
    answers = [
        ada(method, path, data=body, content_type="application/json")
        for method, path in (("POST", ""), ("PATCH", f"/{payment_id}/status"))
    ]
    assert [error_of(answer) for answer in answers if not error_of(answer)] == []
    assert [answer.get_json()["code"] for answer in answers] == ["validation_error"] * 2
    assert count(deps, payments) == 1


def test_defect_9_every_worker_serves_the_same_metrics(make_app: MakeApp) -> None:
    """Each worker reported only its own quarter."""
    apps = [make_app(), make_app()]
    for app in apps:
        Booker(app, "dora").paid()
    assert [scraped(app.test_client())("payments_created_total") for app in apps] == [2, 2]
