"""One owner at a time may send, and only while the gateway's reply can come within the lease."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.domain.records import StoredResponse
from payment_service.gateways.base import Unknown
from payment_service.services import engine, gateway_calls
from payment_service.services.claim import Claim
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases
from tests.support.gateways import LedgerGateway
from tests.support.postgres import plainly
from tests.support.spread import someone_waits
from tests.support.waiting import at_once, wait_until

CALLERS = 4


def test_one_of_many_repeats_takes_an_abandoned_key_over(
    app: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    def repeat_at_once(key: str) -> int:
        """Repeat a request with an abandoned key by many callers; return how many of them are sent."""
        gateway.script.append(Unknown("lost on its way"))
        pay_trip(app.test_client(), idempotency_key=key)
        expire_leases(deps)
        sent = len(gateway.sent)
        gateway.latency = 0.05
        at_once([lambda: pay_trip(app.test_client(), idempotency_key=key)] * CALLERS)
        gateway.latency = 0.0
        return len(gateway.sent) - sent

    assert [repeat_at_once(f"key-{number}") for number in range(8)] == [1] * 8


@pytest.mark.parametrize("who", ["a request", "the worker"])
def test_owner_that_sleeps_too_long_before_sending_sends_nothing(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    if who == "the worker":
        gateway.script.append(Unknown("lost on its way"))
        pay_trip(client)
        expire_leases(deps)
    sent, begun = len(gateway.sent), clock.monotonic
    call_gateway = gateway_calls.call_gateway

    def sleep_and_call(deps: Dependencies, claim: Claim) -> object:
        monkeypatch.setattr(clock, "monotonic", lambda: begun() + deps.limits.lease - 1)
        return call_gateway(deps, claim)

    monkeypatch.setattr(engine, "call_gateway", sleep_and_call)
    outcome = pay_trip(client).status_code if who == "a request" else dict(recover(deps))
    assert outcome in (503, {"undecided": 1})
    assert len(gateway.sent) == sent


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite's one writer waits for no other
def test_time_to_send_starts_before_the_lease(
    client: FlaskClient, deps: Dependencies, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = trip_id_of(pay_trip(client))
    claimed: list[tuple[float, float]] = []
    execute_claim = engine.execute_claim

    def note(deps: Dependencies, claim: Claim) -> StoredResponse:
        claimed.append((claim.send_before, clock.monotonic()))
        return execute_claim(deps, claim)

    monkeypatch.setattr(engine, "execute_claim", note)
    with closing(plainly(database_url)) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("SELECT 1 FROM payments WHERE payment_id = %s FOR UPDATE", (payment,))
        refunding = thread.submit(refund_trip, client, payment, amount=1)
        with closing(plainly(database_url)) as third, third.cursor() as looking:
            third.autocommit = True
            wait_until(lambda: someone_waits(looking))
        clock.sleep(0.3)
        other.rollback()
        assert refunding.result().status_code == 200
    ((send_before, now),) = claimed
    assert send_before - now < deps.limits.lease - deps.limits.gateway_budget - 0.3
