"""Holds that expire: the service asks the gateway after the due time, and only the gateway's word ends a hold."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.models import payments, timers, transactions
from payment_service.services import holds
from payment_service.services.business_metrics import current
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.support import checkouts
from tests.support.callers import at_once
from tests.support.changing import EXPIRED, ChangingGateway
from tests.support.database import expire_leases, recover_all, rows


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


def status(deps: Dependencies) -> str:
    assert list(verify(deps)) == []
    (row,) = rows(deps, payments)
    return str(row["status"])


def hold_timers(deps: Dependencies) -> list[dict[str, Any]]:
    return [row for row in rows(deps, timers) if row["kind"] == "hold"]


def test_hold_gets_a_timer_for_the_moment_at_which_it_ends(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.held(client)

    (timer,) = hold_timers(deps)
    (payment,) = rows(deps, payments)
    assert timer["due_at"] == payment["hold_expires_at"] > clock.now() + timedelta(days=6)
    assert holds.look_after(deps) == 0
    assert len(gateway.lookups) == 0


def test_lesson_26_hold_that_ended_is_cancelled_and_cannot_be_captured(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    held = checkouts.held(client)
    gateway.expire_hold()
    expire_leases(deps)

    assert holds.look_after(deps) == 1

    assert status(deps) == "CANCELLED"
    assert [row["event_type"] for row in rows(deps, transactions)][-1] == "payment.hold_expired"
    assert checkouts.shown(client, held)["status"] == "cancelled"
    assert checkouts.post(client, "capture", transaction_id=held).status_code == 400
    assert hold_timers(deps) == []


@pytest.mark.parametrize("is_silent", [False, True], ids=["still held", "silent"])
def test_expired_hold_stays_until_the_gateway_confirms_its_end(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway, is_silent: bool
) -> None:
    checkouts.held(client)
    gateway.is_silent = is_silent
    expire_leases(deps)

    assert holds.look_after(deps) == 1

    assert status_without_verify(deps) == "AUTHORIZED"
    assert hold_timers(deps)[0]["due_at"] > clock.now()
    assert holds.look_after(deps) == 0


def status_without_verify(deps: Dependencies) -> str:
    """Return the status without `verify`, which cannot ask a silent gateway."""
    (row,) = rows(deps, payments)
    return str(row["status"])


def test_captured_hold_is_not_looked_up(client: FlaskClient, deps: Dependencies, gateway: ChangingGateway) -> None:
    checkouts.post(client, "capture", transaction_id=checkouts.held(client))
    expire_leases(deps)

    assert holds.look_after(deps) == 1
    assert (hold_timers(deps), gateway.lookups) == ([], [])
    assert status(deps) == "CAPTURED"


def test_notice_of_a_cancelled_hold_ends_it(client: FlaskClient, deps: Dependencies, gateway: ChangingGateway) -> None:
    checkouts.held(client)

    assert look_again(deps, deps.gateways.default, gateway_key=gateway.expire_hold()) is Seen.REVISED
    assert status(deps) == "CANCELLED"


def test_running_capture_keeps_the_hold_from_expiring(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    held = checkouts.held(client)
    key = gateway.expire_hold()
    gateway.script.append(lambda _: declined_meanwhile(deps, key))

    checkouts.post(client, "capture", transaction_id=held)

    assert status_without_verify(deps) == "AUTHORIZED"
    expire_leases(deps)
    holds.look_after(deps)
    assert status(deps) == "CANCELLED"


def declined_meanwhile(deps: Dependencies, key: str) -> Any:
    """A notice of the hold's end comes while its capture is at the gateway, which then declines it."""
    assert look_again(deps, deps.gateways.default, gateway_key=key) is Seen.UNDECIDED
    expire_leases(deps)
    holds.look_after(deps)
    assert status_without_verify(deps) == "PROCESSING"
    return EXPIRED


def test_capture_and_notice_of_an_expired_hold_at_once_end_in_cancelled(
    app: Any, client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    ends = set()
    for number in range(6):
        held = checkouts.held(client, order_id=f"ORD-{number}")
        key = gateway.expire_hold()

        def either(client: FlaskClient, which: int, held: str = held, key: str = key) -> Any:
            if which:
                look_again(deps, deps.gateways.default, gateway_key=key)
                return client.get("/health/live")
            return checkouts.post(client, "capture", transaction_id=held)

        at_once(app, 2, either)
        recover_all(deps)
        expire_leases(deps)
        holds.look_after(deps)
        ends.add(checkouts.shown(client, held)["status"])
    assert ends == {"cancelled"}
    assert list(verify(deps)) == []


def test_metrics_count_holds_that_expire_within_a_day(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.held(client)
    gateway.hold_lasts = timedelta(hours=23)
    soon = checkouts.held(client, order_id="ORD-2")

    assert current(deps).later.holds_expiring == 1
    assert "payment_holds_expiring 1.0" in client.get("/metrics").text
    checkouts.post(client, "void", transaction_id=soon)
    assert current(deps).later.holds_expiring == 0
