"""The service refunds in full a charge approved after a reported decline; the payment is never CAPTURED."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Unknown
from payment_service.models import idempotency_keys, payments, transactions
from payment_service.services.business_metrics import current
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip
from tests.support.changing import ChangingGateway
from tests.support.database import purge_answers, recover_all, rows
from tests.support.every_event import DECLINED
from tests.support.orders import charge_order


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


def approved_later(deps: Dependencies, gateway: ChangingGateway) -> Seen:
    return look_again(deps, deps.gateways.default, gateway_key=gateway.approve_after_all())


def kept(gateway: ChangingGateway) -> Any:
    """Return the money of all charges that the gateway still holds."""
    taken: dict[str, int] = {Kind.CHARGE: 1, Kind.REFUND: -1}
    return sum((each.amount * taken.get(each.kind, 0) for each in gateway.ledger(None, None)), Decimal(0))


def moves(deps: Dependencies) -> list[str]:
    return [row["move"] for row in rows(deps, transactions)]


def test_late_approval_after_a_decline_is_reversed_and_the_payment_stays_failed(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    gateway.script.append(DECLINED)
    told = pay_trip(client)

    assert approved_later(deps, gateway) is Seen.REVISED

    (payment,) = rows(deps, payments)
    assert (payment["status"], payment["captured_amount"], payment["refund_pending_amount"]) == ("FAILED", 150, 150)
    assert current(deps).totals.open_reversals == 1
    assert list(verify(deps)) == []
    recover_all(deps)
    (payment,) = rows(deps, payments)
    assert (payment["status"], payment["refunded_amount"], payment["failure_code"]) == ("FAILED", 150, "reversed")
    assert moves(deps) == ["charge", "charge_declined", "charged_late", "reversed"]
    assert (kept(gateway), current(deps).totals.open_reversals, current(deps).totals.failed) == (0, 0, 1)
    assert list(verify(deps)) == []
    assert pay_trip(client).data == told.data


def test_repeated_notice_starts_no_second_reversal(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    gateway.script.append(DECLINED)
    pay_trip(client)

    key = gateway.approve_after_all()
    seen = [look_again(deps, deps.gateways.default, gateway_key=key) for _ in range(2)]
    recover_all(deps)

    assert seen == [Seen.REVISED, Seen.UNCHANGED]
    assert gateway.count(Kind.REFUND) == 1
    assert kept(gateway) == 0


def test_hold_that_is_approved_after_its_decline_is_released(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    gateway.script.append(DECLINED)
    checkouts.process(client, "key", capture=False)

    assert approved_later(deps, gateway) is Seen.REVISED
    recover_all(deps)

    assert moves(deps) == ["authorize", "authorize_declined", "authorized_late", "hold_reversed"]
    assert gateway.count(Kind.VOID) == 1
    assert list(verify(deps)) == []


def test_reversal_whose_refund_fails_later_is_tried_again(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    gateway.script.append(DECLINED)
    pay_trip(client)
    approved_later(deps, gateway)
    recover_all(deps)

    assert look_again(deps, deps.gateways.default, gateway_key=gateway.fail_refund()) is Seen.REVISED

    assert current(deps).totals.open_reversals == 1
    assert list(verify(deps)) == []
    recover_all(deps)
    assert moves(deps)[-2:] == ["reversal_failed", "reversed"]
    assert (gateway.count(Kind.REFUND), kept(gateway)) == (2, 0)
    assert [row["status"] for row in rows(deps, payments)] == ["FAILED"]
    assert list(verify(deps)) == []


def test_repeat_after_a_reversal_gets_the_decline_in_every_channel(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    booker = Booker(app, "user-1")
    booking = booker.made()
    calls: list[Callable[[], TestResponse]] = [
        lambda: pay_trip(client, idempotency_key="t"),
        lambda: pay_bill(client, "b"),
        lambda: charge_order(client, "o"),
        lambda: booker.process(booking, "k"),
        lambda: checkouts.process(client, "c"),
    ]
    told, seen = [], []
    for call in calls:
        gateway.script.append(DECLINED)
        told.append(call())
        seen.append(approved_later(deps, gateway))
    recover_all(deps)  # makes the reversals
    recover_all(deps)  # and nothing more
    assert seen == [Seen.REVISED] * len(calls)
    assert [call().data for call in calls] == [answer.data for answer in told]
    assert {row["status"] for row in rows(deps, payments)} == {"FAILED"}
    assert kept(gateway) == 0
    assert list(verify(deps)) == []
    purge_answers(deps)
    assert [call().status_code for call in calls] == [answer.status_code for answer in told]
    assert len(gateway.sent) == 2 * len(calls)


def test_payable_can_be_paid_again_while_the_late_money_is_reversed(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    gateway.script.append(DECLINED)
    charge_order(client, "first")
    late = gateway.sent[-1]
    assert charge_order(client, "second").get_json()["status"] == "COMPLETED"

    gateway.approve(late)
    look_again(deps, deps.gateways.default, gateway_key=late.gateway_key)
    recover_all(deps)

    assert [row["status"] for row in rows(deps, payments)] == ["FAILED", "CAPTURED"]
    assert list(verify(deps)) == []


def test_verify_reports_late_money_without_a_reversal(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    gateway.script.append(DECLINED)
    pay_trip(client)
    approved_later(deps, gateway)
    with deps.database.atomic("test") as connection:
        forgotten = idempotency_keys.c.purpose == "reversal"
        connection.execute(idempotency_keys.update().where(forgotten).values(purpose=None))

    assert "S15" in {each.invariant for each in verify(deps)}


def test_unreachable_gateway_changes_nothing(client: FlaskClient, deps: Dependencies, gateway: ChangingGateway) -> None:
    gateway.script.append(DECLINED)
    pay_trip(client)
    gateway.found.append(Unknown("time-out"))

    assert approved_later(deps, gateway) is Seen.UNDECIDED
    assert moves(deps) == ["charge", "charge_declined"]
