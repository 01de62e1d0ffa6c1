"""The service believes no notice of a gateway, and brings the next look-up forward."""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.cli.loops import handle_notices_until, recover_until
from payment_service.gateways.base import GatewayRequest, Pending, SendResult, Unknown
from payment_service.models import gateway_notices, idempotency_keys, payments
from payment_service.services import notices
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.support.database import expire_leases, rows
from tests.support.notifying import (
    NotifyingGateway,
    decide_at_the_bank,
    deliver,
    event_about,
    leave_pending,
    let_notices_age,
    pay,
    put_off,
    snapshot,
    status,
)
from tests.support.waiting import wait_until


def test_notice_makes_the_look_up_due_without_a_call_of_the_gateway(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    assert (dict(recover(deps)), status(deps)) == ({}, "PROCESSING"), "nobody looks before the timer"
    decide_at_the_bank(bank, gateway_key)
    bank.lookups.clear()

    assert deliver(client, event_about(gateway_key)).status_code == 200
    assert (bank.lookups, status(deps)) == ([], "PROCESSING")
    assert [notice["due_at"] for notice in rows(deps, gateway_notices)] == [None], "it has done all that it can"
    assert dict(recover(deps)) == {"finished": 1}
    assert (status(deps), len(bank.taken())) == ("CAPTURED", 1)
    assert list(verify(deps)) == []


def test_pending_operation_is_decided_within_a_round_of_the_worker(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    stop = threading.Event()
    workers = [
        threading.Thread(target=until, args=(deps, 0.2, stop)) for until in (recover_until, handle_notices_until)
    ]
    for worker in workers:
        worker.start()
    try:
        decide_at_the_bank(bank, gateway_key)
        began = clock.monotonic()
        deliver(client, event_about(gateway_key))
        wait_until(lambda: status(deps) == "CAPTURED", patience=10)
        assert clock.monotonic() - began < 5, "a round of 0.2 seconds, on a busy machine; the timer is a day away"
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_notice_of_a_success_is_not_believed_against_the_gateway(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    bank.lookups.clear()
    deliver(client, event_about(gateway_key, "payment_intent.succeeded"))
    recover(deps)
    notices.handle_due(deps)
    assert [asked.gateway_key for asked in bank.lookups] == [gateway_key], "it was looked up, once"
    assert (status(deps), bank.taken()) == ("REQUIRES_ACTION", [])

    decide_at_the_bank(bank, gateway_key, successfully=False)
    deliver(client, event_about(gateway_key, "payment_intent.succeeded"))
    recover(deps)
    assert (status(deps), bank.taken()) == ("FAILED", [])
    assert list(verify(deps)) == []


def test_notice_of_a_decline_is_not_believed_against_the_gateway(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    decide_at_the_bank(bank, gateway_key)
    deliver(client, event_about(gateway_key, "payment_intent.canceled"))
    recover(deps)
    assert status(deps) == "CAPTURED"


def test_late_repeated_notices_in_any_order_change_nothing(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    decide_at_the_bank(bank, gateway_key)
    types = ["requires_action", "processing", "payment_failed", "succeeded", "canceled"]
    events = [event_about(gateway_key, f"payment_intent.{each}", created=1_764_000_000) for each in types] * 2
    deliver(client, events[0])
    recover(deps)
    settled = snapshot(deps)

    random.Random(7).shuffle(events)
    assert [deliver(client, event).status_code for event in events] == [200] * len(events)
    for _ in range(3):
        notices.handle_due(deps)
        recover(deps)
        let_notices_age(deps, timedelta(hours=1))
    assert snapshot(deps) == settled
    assert [notice["due_at"] for notice in rows(deps, gateway_notices)] == [None] * len(types)
    assert list(verify(deps)) == []


def test_notice_during_a_charge_waits_for_the_end_of_its_owner(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    """The owner may have looked before the gateway decided: the notice wakes the worker once the key has no owner."""
    other = client.application.test_client()

    def hear_meanwhile(asked: GatewayRequest) -> SendResult:
        deliver(other, event_about(asked.gateway_key))
        notices.handle_due(deps)
        bank.intents[asked.reference or ""].state = "acts"
        return Pending(asked.reference)

    bank.before_confirm.append(hear_meanwhile)
    pay(client)
    put_off(deps)
    (notice,) = rows(deps, gateway_notices)
    assert (notice["attempts"], notice["due_at"] is None) == (1, False)

    let_notices_age(deps, timedelta(seconds=10))
    decide_at_the_bank(bank, notice["gateway_key"])
    assert dict(notices.handle_due(deps)) == {"woke": 1}
    assert dict(recover(deps)) == {"finished": 1}
    assert status(deps) == "CAPTURED"


def test_notice_during_a_look_up_is_not_lost(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery has read "not yet"; the notice comes; then recovery puts the next look off for minutes."""
    gateway_key = leave_pending(client, bank, deps)
    other, lookup = client.application.test_client(), bank.lookup

    def decided_a_moment_later(asked: GatewayRequest) -> Any:
        found = lookup(asked)
        monkeypatch.setattr(bank, "lookup", lookup)
        decide_at_the_bank(bank, gateway_key)
        deliver(other, event_about(gateway_key))
        return found

    monkeypatch.setattr(bank, "lookup", decided_a_moment_later)
    expire_leases(deps)
    assert dict(recover(deps)) == {"undecided": 1}
    put_off(deps)
    let_notices_age(deps, timedelta(seconds=10))
    assert dict(notices.handle_due(deps)) == {"woke": 1}
    assert dict(recover(deps)) == {"finished": 1}


def test_notice_with_a_known_state_calls_no_gateway(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    pay(client)
    key = rows(deps, idempotency_keys)[0]["gateway_key"]
    deliver(client, event_about(key))
    assert dict(notices.handle_due(deps)) == {"known": 1}
    assert bank.lookups == []


def test_notice_about_a_finished_charge_is_looked_up(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    pay(client)
    key = rows(deps, idempotency_keys)[0]["gateway_key"]
    settled = snapshot(deps)
    deliver(client, event_about(key, "payment_intent.canceled"))
    assert dict(notices.handle_due(deps)) == {"revised": 1}
    assert [asked.gateway_key for asked in bank.lookups] == [key]
    assert (snapshot(deps), dict(notices.handle_due(deps))) == (settled, {})


def test_notice_that_differs_from_the_look_up_is_tried_again(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(client)
    key = rows(deps, idempotency_keys)[0]["gateway_key"]
    deliver(client, event_about(key, "payment_intent.canceled"))
    with monkeypatch.context() as patch:
        patch.setattr(bank, "lookup", lambda _: Unknown("silence"))
        assert dict(notices.handle_due(deps)) == {"again": 1}
    decide_at_the_bank(bank, key, successfully=False)
    let_notices_age(deps, timedelta(seconds=10))
    assert dict(notices.handle_due(deps)) == {"again": 1}
    assert status(deps) == "CAPTURED"


def test_payment_of_another_gateway_is_not_looked_up_here(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    pay(client)
    key = rows(deps, idempotency_keys)[0]["gateway_key"]
    with deps.database.atomic("test") as connection:
        connection.execute(update(payments).values(gateway="stripe/live"))
    deliver(client, event_about(key, "payment_intent.canceled"))
    assert dict(notices.handle_due(deps)) == {"again": 1}
    assert bank.lookups == []
