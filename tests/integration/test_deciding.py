"""A person decides with `flask decide` what the gateway cannot decide."""

import json
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.gateways.base import Approved, GatewayRequest, SendResult, Unknown
from payment_service.models import idempotency_keys, payments, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway

WORDS = ("--why", "Ticket 7 of the bank", "--actor", "maria")


def more_than_asked(instruction: GatewayRequest) -> SendResult:
    return Approved(instruction.amount + 1, instruction.currency)


@pytest.fixture(autouse=True)
def prompt(gateway: LedgerGateway) -> None:
    """Let nothing be in progress at the gateway once its answer was awaited."""
    gateway.capabilities = replace(gateway.capabilities, max_in_flight=0.0)


@pytest.fixture
def in_doubt(client: FlaskClient, gateway: LedgerGateway) -> str:
    """Return a charge of which the bank says that it moved another amount; its operation's id."""
    gateway.script.append(more_than_asked)
    assert pay_trip(client).status_code == 202
    return undecided(client.application.extensions["payment_service"])


def undecided(deps: Dependencies) -> str:
    (found,) = [row for row in rows(deps, idempotency_keys) if row["operation_status"] == "PENDING"]
    return str(found["operation_id"])


def decide(app: Flask, *words: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["decide", *words])
    return result.exit_code, result.output


def test_operation_approved_by_an_operator_ends_like_any_other(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, in_doubt: str
) -> None:
    sent = len(gateway.sent)
    code, said = decide(app, in_doubt, "approved", *WORDS, "--json")

    assert (code, json.loads(said)["status"]) == (0, 200)
    (payment,), (key,) = (rows(deps, table) for table in (payments, idempotency_keys))
    assert (payment["status"], payment["captured_amount"]) == ("CAPTURED", payment["amount"])
    assert (key["operation_status"], key["review_reason"]) == ("SUCCEEDED", "maria: Ticket 7 of the bank")
    journal = rows(deps, transactions)
    assert [row["version"] for row in journal] == [1, None, 2], "an attempt in doubt is no change of the payment"
    assert (journal[-1]["version"], journal[-1]["actor"]) == (payment["version"], "maria")
    repeat = pay_trip(client)
    assert (repeat.status_code, repeat.text) == (200, key["response_data"])
    assert len(gateway.sent) == sent


def test_operation_declined_by_an_operator_hides_the_internal_reason(
    app: Flask, client: FlaskClient, deps: Dependencies, in_doubt: str
) -> None:
    assert decide(app, in_doubt, "declined", *WORDS)[0] == 0

    (payment,) = rows(deps, payments)
    assert (payment["status"], payment["captured_amount"]) == ("FAILED", Decimal(0))
    assert "Ticket 7" not in pay_trip(client).text + client.get(f"/payments/{payment['payment_id']}").text


def test_refund_declined_by_an_operator_releases_its_amount(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    paid = pay_trip(client, amount=150.0)
    gateway.script.append(more_than_asked)
    refund_trip(client, trip_id_of(paid), amount=50.0)
    assert rows(deps, payments)[0]["refund_pending_amount"] == 50
    assert decide(app, undecided(deps), "declined", *WORDS)[0] == 0

    (payment,) = rows(deps, payments)
    assert (payment["refund_pending_amount"], payment["refunded_amount"], payment["status"]) == (0, 0, "CAPTURED")
    assert list(verify(deps)) == []


def test_operator_decides_only_open_operations_and_only_once(app: Flask, in_doubt: str) -> None:
    assert decide(app, str(uuid4()), "approved", *WORDS)[0] == 1
    assert decide(app, in_doubt, "approved", *WORDS)[0] == 0
    code, said = decide(app, in_doubt, "declined", *WORDS)
    assert (code, "decided already" in said) == (1, True)


def test_operator_cannot_decide_while_an_owner_works(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    tried: list[tuple[int, str]] = []

    def meanwhile(_instruction: GatewayRequest) -> SendResult:
        tried.append(decide(app, undecided(deps), "declined", *WORDS))
        return Unknown("silence")

    gateway.script.append(meanwhile)
    pay_trip(client)
    assert tried[0][0] == 3
    assert rows(deps, idempotency_keys)[0]["operation_status"] == "PENDING"


def test_owner_that_returns_after_the_decision_writes_nothing(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    def late(instruction: GatewayRequest) -> SendResult:
        expire_leases(deps)
        assert decide(app, undecided(deps), "approved", *WORDS)[0] == 0
        return Unknown("silence")

    gateway.script.append(late)
    assert pay_trip(client).status_code == 200
    assert rows(deps, payments)[0]["status"] == "CAPTURED"


def test_verify_reports_an_approval_that_the_bank_does_not_know(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(Unknown("silence"))
    pay_trip(client)
    assert decide(app, undecided(deps), "approved", *WORDS)[0] == 0
    assert [violation.invariant for violation in verify(deps)] == ["S3"]
