"""Refund requests, late failures of refunds and disputes of one payment at the same moment: the sums hold."""

from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.domain.errors import DatabaseUnavailable
from payment_service.domain.operations import Kind
from payment_service.models import disputes as dispute_table
from payment_service.models import payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.changing import ChangingGateway
from tests.support.database import rows
from tests.support.waiting import at_once

CROWD = 10


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


def until_seen(deps: Dependencies, **about: Any) -> None:
    """Look again until the row is free and the gateway answers, as the worker does."""
    seen = Seen.UNDECIDED
    while seen is Seen.UNDECIDED:
        with suppress(DatabaseUnavailable):  # a queue longer than the lock's time-out
            seen = look_again(deps, deps.gateways.default, **about)


def test_refunds_reversals_and_disputes_at_once_keep_the_sums(make_app: MakeApp, gateway: ChangingGateway) -> None:
    app = make_app(db_pool_size=5 * CROWD)
    deps, client = dependencies_of(app), app.test_client()
    number = trip_id_of(pay_trip(client, amount=1000))
    for each in range(CROWD):
        refund_trip(client, number, idempotency_key=f"before-{each}", amount=10)
    failing = [gateway.fail_refund(each) for each in range(CROWD)]
    disputed = [gateway.show(f"dp_{each}", "lost", amount="10", currency="INR") for each in range(CROWD)]

    def refund(each: int) -> object:
        return refund_trip(app.test_client(), number, idempotency_key=f"at-once-{each}", amount=90)

    at_once(
        [
            *(partial(refund, each) for each in range(CROWD)),
            *(partial(until_seen, deps, gateway_key=key) for key in failing * 2),
            *(partial(until_seen, deps, reference=reference) for reference in disputed * 2),
        ]
    )

    (payment,) = rows(deps, payments)
    done = sum((row["amount"] for row in rows(deps, payment_refunds) if row["status"] == "REFUNDED"), Decimal(0))
    assert payment["charged_back_amount"] == 10 * len(rows(deps, dispute_table)) == 10 * CROWD
    assert payment["refunded_amount"] == done <= 1000
    assert gateway.count(Kind.REFUND) == len(rows(deps, payment_refunds))
    assert sum(row["status"] == "FAILED" for row in rows(deps, payment_refunds)) == CROWD
    assert list(verify(deps)) == []


def test_refund_during_a_lost_dispute_gets_only_the_rest(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    number = trip_id_of(pay_trip(client, amount=100))
    gateway.show("dp_1", "lost", amount="70", currency="INR")

    def refund(each: int) -> object:
        return refund_trip(client.application.test_client(), number, idempotency_key=f"r{each}", amount=30)

    at_once([partial(until_seen, deps, reference="dp_1"), *(partial(refund, each) for each in range(3))])

    (payment,) = rows(deps, payments)
    assert payment["charged_back_amount"] == 70
    assert payment["refunded_amount"] <= 90  # those that came before the dispute
    assert refund_trip(client, number, idempotency_key="later", amount=31).status_code == 400
    assert list(verify(deps)) == []
