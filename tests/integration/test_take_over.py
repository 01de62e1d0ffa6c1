"""Owners that come back late, and gateways that honour no keys."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, NotFound, SendResult, Unknown
from payment_service.models import idempotency_keys, payments, timers, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, purge_answers, rows
from tests.support.gateways import LedgerGateway

SILENCE = Unknown("the gateway did not answer in time")


def meanwhile(deps: Dependencies, gateway: LedgerGateway, do: Callable[[], object]) -> None:
    """While the gateway has the next request, end its owner's lease and run another action."""

    def answer_late(instruction: GatewayRequest) -> SendResult:
        expire_leases(deps)
        do()
        return gateway.approve(instruction)

    gateway.script.append(answer_late)


def everything(deps: Dependencies) -> list[list[dict[str, Any]]]:
    return [rows(deps, table) for table in (idempotency_keys, payments, transactions, timers)]


@pytest.mark.parametrize("helper", ["a repeat", "the worker"])
def test_owner_that_returns_late_writes_nothing_and_gives_the_stored_answer(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, helper: str
) -> None:
    seen: list[Any] = []

    def go_on() -> None:
        seen.append(pay_trip(app.test_client()).data if helper == "a repeat" else recover(deps))
        seen.append(everything(deps))

    meanwhile(deps, gateway, go_on)
    late = pay_trip(client)

    assert everything(deps) == seen[1]
    assert late.data.decode() == rows(deps, idempotency_keys)[0]["response_data"]
    assert (late.status_code, late.headers["Idempotent-Replayed"]) == (200, "true")
    assert gateway.count(Kind.CHARGE) == 1
    assert not list(verify(deps))


def test_owner_that_returns_while_another_is_undecided_answers_409(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    seen: list[Any] = []

    def doubt() -> None:
        gateway.found.append(SILENCE)
        assert pay_trip(app.test_client()).status_code == 202
        seen.append(everything(deps))

    meanwhile(deps, gateway, doubt)
    late = pay_trip(client)

    assert (late.status_code, late.headers["Retry-After"]) == (409, "1")
    assert everything(deps) == seen[0], "what it knows is not lost: the gateway knows it, too"
    assert pay_trip(client).status_code == 200


def test_late_owner_of_a_refund_releases_no_amount_twice(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    payment_id = trip_id_of(pay_trip(client))
    meanwhile(deps, gateway, lambda: refund_trip(app.test_client(), payment_id, amount=60))
    assert refund_trip(client, payment_id, amount=60).status_code == 200

    (payment,) = rows(deps, payments)
    assert (payment["refunded_amount"], payment["refund_pending_amount"]) == (60, 0)
    assert not list(verify(deps))


def test_owner_that_wakes_after_the_purge_of_its_response_answers_with_the_payment(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    def finish_and_forget() -> None:
        assert pay_trip(app.test_client()).status_code == 200
        purge_answers(deps)

    meanwhile(deps, gateway, finish_and_forget)
    late = pay_trip(client)
    assert (late.status_code, late.headers["Idempotent-Replayed"]) == (200, "true")
    assert late.data == pay_trip(client).data
    assert (gateway.count(Kind.CHARGE), len(rows(deps, payments))) == (1, 1)


def careless(gateway: LedgerGateway, **promises: Any) -> None:
    """Make the gateway honour no keys; it keeps its other guarantees."""
    gateway.capabilities = replace(gateway.capabilities, idempotent_by_key=False, **promises)


def pass_by(deps: Dependencies, seconds: float) -> None:
    """Let everything that the tables know have happened so many seconds earlier."""
    with deps.database.atomic("test") as connection:
        (key,) = rows(deps, idempotency_keys)
        earlier = {name: key[name] - timedelta(seconds=seconds) for name in ("leased_until", "created_at")}
        connection.execute(update(idempotency_keys).values(earlier))


def test_operation_at_a_gateway_without_keys_is_looked_up_while_it_may_be_under_way(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    careless(gateway, max_in_flight=30.0)
    gateway.script.append(SILENCE)
    statuses = [pay_trip(client).status_code]
    for _ in range(4):
        pass_by(deps, 7)
        statuses.append(pay_trip(client).status_code)
    assert statuses == [202] * 5, "looking does not make it any later"
    assert len(gateway.sent) == 1
    assert rows(deps, idempotency_keys)[0]["review_reason"] is None, "it may still arrive"
    pass_by(deps, 7)
    assert pay_trip(client).status_code == 202
    assert len(gateway.sent) == 1
    assert "second effect" in rows(deps, idempotency_keys)[0]["review_reason"]


@pytest.mark.parametrize("promises", [{}, {"lookup_consistent": False}, {"key_retention": 3600.0}])
def test_operation_without_a_safe_second_send_needs_a_person(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, promises: dict[str, Any]
) -> None:
    careless(gateway, max_in_flight=30.0, **promises)
    gateway.script.append(SILENCE)
    pay_trip(client)
    pass_by(deps, 4000)

    assert pay_trip(client).status_code == 202
    assert len(gateway.sent) == 1
    assert "second effect" in rows(deps, idempotency_keys)[0]["review_reason"]
    gateway.approve(gateway.sent[0])
    assert pay_trip(client).status_code == 200, "evidence still ends it"
    assert rows(deps, idempotency_keys)[0]["review_reason"] is None


def test_operation_whose_key_the_gateway_forgot_is_not_sent_again(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.capabilities = replace(gateway.capabilities, key_retention=3600.0)
    gateway.script.append(SILENCE)
    pay_trip(client)
    pass_by(deps, 4000)

    assert pay_trip(client).status_code == 202
    assert len(gateway.sent) == 1


def test_look_up_that_finds_nothing_decides_nothing(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([SILENCE, SILENCE])
    gateway.found.append(NotFound())
    assert [pay_trip(client).status_code for _ in range(2)] == [202, 202]
    assert rows(deps, payments)[0]["status"] == "PROCESSING"
