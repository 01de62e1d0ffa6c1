"""The service asks no caller without a key to repeat a request: the repeat would charge twice."""

from typing import NoReturn

import pytest
from flask.testing import FlaskClient

from payment_service.connection import TransactionLost
from payment_service.db import Database
from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, NotSent, SendResult
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.support.checkouts import body_of, detail_of, held, paid, post, process, refund, shown
from tests.support.database import count, recover_all, rows
from tests.support.gateways import LedgerGateway


def test_unsent_refund_without_a_key_answers_202_and_is_recovered(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies
) -> None:
    transaction = paid(client)
    gateway.script.append(NotSent("connection refused"))
    accepted = body_of(refund(client, transaction, 60), 202)
    assert (accepted["success"], accepted["status"], accepted["amount"]) == (False, "pending", 60.0)
    assert detail_of(refund(client, transaction, 60)) == "Amount exceeds what is left (40.0)"
    recover_all(deps)
    assert shown(client, transaction)["refunded_amount"] == 60.0
    assert gateway.count(Kind.REFUND) == 1


@pytest.mark.parametrize(("action", "status"), [("capture", "captured"), ("void", "cancelled")])
def test_unsent_capture_or_void_without_a_key_answers_202_and_is_recovered(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, action: str, status: str
) -> None:
    transaction = held(client)
    gateway.script.append(NotSent("connection refused"))
    assert body_of(post(client, action, transaction_id=transaction), 202)["status"] == "processing"
    recover_all(deps)
    assert shown(client, transaction)["status"] == status


def test_loss_of_the_database_after_a_charge_advises_no_repeat(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_database: Database, _name: str) -> NoReturn:
        raise TransactionLost

    def lose_database(instruction: GatewayRequest) -> SendResult:
        monkeypatch.setattr(Database, "atomic", lost)
        return gateway.approve(instruction)

    gateway.script.append(lose_database)
    answer = process(client)
    monkeypatch.undo()
    assert (answer.status_code, answer.get_json()["code"]) == (503, "outcome_unknown")
    assert answer.get_json()["retry"] == {"safe": False, "key": None, "after": None}
    for _ in ("the charge", "its reversal"):
        recover_all(deps)
    assert [row["status"] for row in rows(deps, payments)] == ["FAILED"]
    gateway.script.append(lose_database)
    assert detail_of(process(client, "key"), 503) == TransactionLost().message
    monkeypatch.undo()
    assert gateway.count(Kind.CHARGE) == 2


def test_loss_of_the_gateway_under_a_key_advises_a_repeat(
    client: FlaskClient, gateway: LedgerGateway, deps: Dependencies
) -> None:
    gateway.script.append(NotSent("connection refused"))
    first = process(client, "key")
    assert detail_of(first, 503).startswith("The payment gateway cannot be reached")
    assert first.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert body_of(process(client, "key"))["status"] == "captured"
    assert count(deps, payments) == 1


def test_two_requests_without_a_key_charge_twice(client: FlaskClient, deps: Dependencies) -> None:
    assert paid(client) != paid(client)
    assert len({row["payable_id"] for row in rows(deps, payments)}) == 1
