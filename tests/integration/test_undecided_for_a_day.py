"""A gateway that does not decide: after a day a person must look, and the worker still looks up."""

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.gateways.base import Unknown
from payment_service.models import idempotency_keys, timers
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from tests.support.callers import pay_trip
from tests.support.database import assert_due, expire_leases, rows
from tests.support.gateways import LedgerGateway

SILENCE = Unknown("the gateway did not answer in time")


def only(deps: Dependencies, table: Any) -> dict[str, Any]:
    (row,) = rows(deps, table)
    return row


def look_up(deps: Dependencies, times: int) -> None:
    for _ in range(times):
        expire_leases(deps)
        assert recover(deps)


def test_operation_undecided_for_a_day_needs_a_person_and_is_still_looked_up(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(SILENCE)
    gateway.found.extend([SILENCE] * 12)
    assert pay_trip(client).status_code == 202
    look_up(deps, 1)
    assert only(deps, idempotency_keys)["review_reason"] is None
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(created_at=clock.now() - timedelta(hours=25)))
    begun = clock.now()
    look_up(deps, 11)

    assert only(deps, idempotency_keys)["review_reason"] == "the gateway has not decided for more than a day"
    assert only(deps, idempotency_keys)["operation_status"] == "PENDING"
    assert_due(3600, only(deps, timers)["due_at"], since=begun, within=1)
    gateway.approve(gateway.sent[-1])
    look_up(deps, 1)
    assert pay_trip(client).get_json()["status"] == "SUCCESS"
    assert len(gateway.sent) == 1
