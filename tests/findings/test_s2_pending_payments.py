"""A payment that its caller does not charge ends. In release 1.0.0 a stranger's one blocked an order permanently."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.cli.loops import expire_until
from payment_service.models import outbox_deliveries, payments, timers, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.expiry import expire
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.bookers import Booker
from tests.support.callers import at_once
from tests.support.database import assert_due, rows
from tests.support.gateways import LedgerGateway
from tests.support.orders import cancel_order, charge_order, create_order, paid
from tests.support.waiting import wait_until


def let_pass(deps: Dependencies, passed: timedelta) -> None:
    """Make every timer due so much earlier."""
    with deps.database.atomic("test") as connection:
        for timer in rows(deps, timers):
            is_this = (timers.c.kind == timer["kind"]) & (timers.c.what == timer["what"])
            connection.execute(update(timers).where(is_this).values(due_at=timer["due_at"] - passed))


def only_payment(deps: Dependencies) -> dict[str, Any]:
    (payment,) = rows(deps, payments)
    return payment


@pytest.mark.parametrize("wrong_by", [timedelta(days=-2), timedelta(days=2)])
def test_s2_wrong_clock_of_a_host_expires_no_payment_early_or_late(
    client: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch, wrong_by: timedelta
) -> None:
    begun = clock.now()
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: begun + wrong_by)
        paid(create_order(client))

    (timer,) = rows(deps, timers)
    assert_due(3600, timer["due_at"], since=begun, within=5)


def test_s2_uncharged_order_is_cancelled_after_an_hour_and_the_order_can_be_paid(
    client: FlaskClient, deps: Dependencies
) -> None:
    begun = clock.now()
    created = paid(create_order(client))
    (timer,) = rows(deps, timers)
    assert_due(3600, timer["due_at"], since=begun, within=1)
    blocked = charge_order(client, "the victim's")
    let_pass(deps, timedelta(hours=1, seconds=1))

    assert expire(deps) == 1

    payment = only_payment(deps)
    assert (payment["status"], payment["failure_code"], payment["gateway_response"]) == (
        "CANCELLED",
        "expired",
        "expired",
    )
    last = rows(deps, transactions)[-1]
    assert (last["event_type"], last["actor"], last["description"]) == (
        "payment.cancelled",
        "expiry",
        "Payment expired",
    )
    assert blocked.status_code != 201
    assert paid(charge_order(client, "again"))["payment_id"] != created["payment_id"]
    assert rows(deps, timers) == []
    assert not list(verify(deps))


def test_s2_expiry_sends_events_to_order_and_inventory_services(make_app: MakeApp) -> None:
    app = make_app(order_service_url="http://127.0.0.1:9", inventory_service_url="http://127.0.0.1:9")
    deps = dependencies_of(app)
    cancelled = paid(create_order(app.test_client(), order_id=1))
    cancel_order(app.test_client(), cancelled["payment_id"])
    by_caller = [(row["sink"], row["event_type"]) for row in rows(deps, outbox_deliveries)]
    paid(create_order(app.test_client(), order_id=2))
    let_pass(deps, timedelta(days=1))
    expire(deps)

    assert [(row["sink"], row["event_type"]) for row in rows(deps, outbox_deliveries)] == by_caller * 2


def test_s2_pending_booking_expires_after_a_day(app: Flask, deps: Dependencies) -> None:
    begun, ada = clock.now(), Booker(app, "ada")
    payment_id = ada.made()
    (timer,) = rows(deps, timers)
    assert_due(86400, timer["due_at"], since=begun, within=1)
    let_pass(deps, timedelta(hours=23))
    assert expire(deps) == 0
    let_pass(deps, timedelta(hours=1))
    expire(deps)

    assert ada.status(payment_id) == "cancelled"
    assert ada.process(payment_id).status_code == 400


def test_s2_payment_that_was_charged_keeps_its_status(client: FlaskClient, app: Flask, deps: Dependencies) -> None:
    ada = Booker(app, "ada")
    payment_id = ada.paid()
    let_pass(deps, timedelta(days=2))

    assert expire(deps) == 1

    assert ada.status(payment_id) == "completed"
    assert rows(deps, timers) == []


@pytest.mark.parametrize("turn", range(5))
def test_s2_charge_and_expiry_at_once_do_only_one_of_them(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, turn: int
) -> None:
    ada = Booker(app, "ada")
    payment_id = ada.made()
    let_pass(deps, timedelta(days=2))

    def either(_client: FlaskClient, number: int) -> Any:
        return ada.process(payment_id) if number else expire(deps)

    at_once(app, 2, either)

    status = ada.status(payment_id)
    assert (status, len(gateway.sent)) in {("completed", 1), ("cancelled", 0)}
    assert not list(verify(deps))


def test_s2_expiry_is_a_setting_for_each_channel(make_app: MakeApp) -> None:
    app = make_app(pending_ttl=(("", 0.0), ("orders", 60.0)))
    deps, begun = dependencies_of(app), clock.now()
    Booker(app, "ada").made()
    paid(create_order(app.test_client()))

    (timer,) = rows(deps, timers)
    assert_due(60, timer["due_at"], since=begun, within=1)


def test_s2_payment_that_cannot_be_cancelled_delays_no_other(
    client: FlaskClient, app: Flask, deps: Dependencies
) -> None:
    paid(create_order(client))
    with deps.database.atomic("test") as connection:
        connection.execute(update(payments).values(channel="gone"))
    ada = Booker(app, "ada")
    payment_id = ada.made()
    let_pass(deps, timedelta(days=2))
    begun = clock.now()

    expire(deps)

    (timer,) = rows(deps, timers)
    assert_due(3600, timer["due_at"], since=begun, within=1)
    assert ada.status(payment_id) == "cancelled"


def test_s2_worker_cancels_expired_payments(client: FlaskClient, deps: Dependencies) -> None:
    paid(create_order(client))
    let_pass(deps, timedelta(days=2))
    stop = threading.Event()
    worker = threading.Thread(target=expire_until, args=(deps, 0.05, stop))
    worker.start()
    try:
        wait_until(lambda: only_payment(deps)["status"] == "CANCELLED", lambda: str(only_payment(deps)))
    finally:
        stop.set()
        worker.join()
