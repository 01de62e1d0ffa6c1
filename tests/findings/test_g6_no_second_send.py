"""G6: a gateway that does not drop repeats never gets a second send."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, GatewayRequest, NotFound, SendResult, Unknown
from payment_service.models import idempotency_keys, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, recover_all, rows
from tests.support.gateways import LedgerGateway

SILENCE = Unknown("silence")


@pytest.fixture(autouse=True)
def careless(gateway: LedgerGateway) -> None:
    """Let the gateway repeat every operation that it receives twice."""
    gateway.capabilities = replace(gateway.capabilities, idempotent_by_key=False, max_in_flight=30.0)


def let_pass(deps: Dependencies, seconds: float) -> None:
    """Let every lease have ended so many seconds ago."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(leased_until=clock.now() - timedelta(seconds=seconds)))


def reason(deps: Dependencies) -> Any:
    return rows(deps, idempotency_keys)[-1]["review_reason"]


@pytest.mark.parametrize("silence", [1, 31, 4000, 40 * 86400])
def test_g6_silence_of_any_length_brings_no_second_send(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, silence: int
) -> None:
    """Release 1.0.0 sent again after `max_in_flight` seconds."""
    gateway.script.append(SILENCE)
    statuses = [pay_trip(client).status_code]
    for _ in range(3):
        let_pass(deps, silence)
        statuses.append(pay_trip(client).status_code)
        recover_all(deps)
    assert statuses == [202] * 4
    assert len(gateway.sent) == 1
    assert "second send" in reason(deps)


def test_g6_sender_that_slept_after_its_clock_check_is_the_only_one(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 sent a second time while the first sender slept, and both were charged."""

    def sleep_before_it_leaves(asked: GatewayRequest) -> SendResult:
        let_pass(deps, 3600)
        assert [pay_trip(app.test_client()).status_code for _ in range(2)] == [202, 202]
        recover(deps)
        return gateway.approve(asked)

    gateway.script.append(sleep_before_it_leaves)
    pay_trip(client)
    assert len(gateway.sent) == 1
    recover_all(deps)
    assert pay_trip(client).get_json()["status"] == "SUCCESS", "the look-up finds what the sleeper has done"
    assert (reason(deps), gateway.count(Kind.CHARGE)) == (None, 1)
    assert not list(verify(deps))


def test_g6_claimed_and_unsent_operation_needs_a_person(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner may have died before or after it sent. Release 1.0.0 sent it."""
    monkeypatch.setattr("payment_service.services.engine.call_gateway", _die)
    with pytest.raises(SystemExit):
        pay_trip(client)
    monkeypatch.undo()
    expire_leases(deps)
    assert pay_trip(client).status_code == 202
    assert (len(gateway.sent), "second send" in reason(deps)) == (0, True)

    operation = str(rows(deps, idempotency_keys)[0]["operation_id"])
    words = ["decide", operation, "declined", "--why", "never arrived", "--actor", "maria"]
    let_pass(deps, 31)
    assert app.test_cli_runner().invoke(args=words).exit_code == 0
    assert rows(deps, payments)[0]["status"] == "FAILED"


def _die(*_: object) -> None:
    raise SystemExit


def test_g6_refund_is_sent_once(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    """Release 1.0.0 sent the refund again."""
    number = trip_id_of(pay_trip(client))
    gateway.script.append(SILENCE)
    assert refund_trip(client, number, amount=50).status_code == 202
    let_pass(deps, 31)
    assert refund_trip(client, number, amount=50).status_code == 202
    assert len(gateway.sent) == 2, "the charge, and the refund once"
    assert rows(deps, payments)[0]["refund_pending_amount"] == 50


def test_g6_operation_whose_key_the_gateway_forgot_needs_a_person(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 sent it again where the gateway had been silent for `max_in_flight` seconds, or not."""
    gateway.capabilities = replace(gateway.capabilities, idempotent_by_key=True, key_retention=3600.0)
    gateway.script.append(SILENCE)
    pay_trip(client)
    with deps.database.atomic("test") as connection:
        long_ago = clock.now() - timedelta(hours=2)
        connection.execute(update(idempotency_keys).values(created_at=long_ago, leased_until=long_ago))
    assert pay_trip(client).status_code == 202
    assert (len(gateway.sent), "second send" in reason(deps)) == (1, True)


def test_g6_look_up_that_finds_the_operation_ends_it(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """The service asks no person when the gateway answers after all."""
    gateway.script.append(SILENCE)
    pay_trip(client)
    let_pass(deps, 31)
    gateway.found.extend([NotFound(), Approved(rows(deps, payments)[0]["amount"], "INR")])
    pay_trip(client)
    assert "second send" in reason(deps)
    assert pay_trip(client).get_json()["status"] == "SUCCESS"
    assert reason(deps) is None
