"""Refunds that succeed and fail later: only the look-up takes them back, and reported events stay as they are."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind, OperationStatus
from payment_service.gateways.base import Pending, Unknown
from payment_service.models import idempotency_keys, payment_refunds, payments, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.support import checkouts
from tests.support.bookers import Booker, payment_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.changing import ChangingGateway
from tests.support.database import purge_answers, rows
from tests.support.every_event import DECLINED
from tests.support.orders import charge_order, refund_order


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


def stands(deps: Dependencies) -> tuple[str, Any, Any]:
    """Return status, refunded and pending amount of the only payment, after `verify` has found nothing."""
    assert list(verify(deps)) == []
    (row,) = rows(deps, payments)
    return row["status"], row["refunded_amount"], row["refund_pending_amount"]


def name(deps: Dependencies) -> str:
    return deps.gateways.default


def test_lesson_27_refund_that_fails_later_releases_its_amount(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    number = trip_id_of(pay_trip(client))
    refund_trip(client, number, idempotency_key="part", amount=50)
    refund_trip(client, number, idempotency_key="rest", amount=100)
    assert stands(deps) == ("REFUNDED", 150, 0)

    assert look_again(deps, name(deps), gateway_key=gateway.fail_refund(0)) is Seen.REVISED
    assert stands(deps) == ("PARTIALLY_REFUNDED", 100, 0)
    assert look_again(deps, name(deps), gateway_key=gateway.fail_refund(1)) is Seen.REVISED
    assert stands(deps) == ("CAPTURED", 0, 0)

    moves = [(row["move"], row["event_type"]) for row in rows(deps, transactions)][-2:]
    assert moves == [
        ("refund_reversed", "payment.refund_reversed"),
        ("refunds_all_reversed", "payment.refund_reversed"),
    ]
    assert refund_trip(client, number, idempotency_key="again").status_code == 200
    assert stands(deps) == ("REFUNDED", 150, 0)


def test_lesson_29_stored_response_of_a_reversed_refund_stays_and_reads_show_the_truth(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    number = trip_id_of(pay_trip(client))
    told = refund_trip(client, number)

    look_again(deps, name(deps), gateway_key=gateway.fail_refund())

    repeated = refund_trip(client, number)
    assert repeated.data == told.data
    assert repeated.headers["Idempotent-Replayed"] == "true"
    assert client.get(f"/payments/{number}").get_json()["status"] == "SUCCESS"


def test_lesson_31_refund_row_fails_and_its_operation_is_reversed(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    refund_trip(client, trip_id_of(pay_trip(client)))

    look_again(deps, name(deps), gateway_key=gateway.fail_refund())

    assert [row["status"] for row in rows(deps, payment_refunds)] == ["FAILED"]
    *_, refund = rows(deps, idempotency_keys)
    assert refund["operation_status"] == OperationStatus.REVERSED
    assert refund["failure_message"] == "The refund failed: lost_or_stolen_card"


@pytest.mark.parametrize("found", [Pending(), Unknown("time-out")], ids=["pending", "unknown"])
def test_lesson_28_only_a_final_failure_reverses_a_refund(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway, found: Pending | Unknown
) -> None:
    refund_trip(client, trip_id_of(pay_trip(client)))
    (key,) = gateway.keys(Kind.REFUND)
    gateway.found.append(found)

    assert look_again(deps, name(deps), gateway_key=key) is Seen.UNDECIDED
    assert stands(deps) == ("REFUNDED", 150, 0)


def test_failure_reported_twice_is_stored_once(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    refund_trip(client, trip_id_of(pay_trip(client)))
    key = gateway.fail_refund()

    seen = [look_again(deps, name(deps), gateway_key=key) for _ in range(2)]

    assert seen == [Seen.REVISED, Seen.UNCHANGED]
    assert stands(deps) == ("CAPTURED", 0, 0)


def test_notice_of_an_unknown_or_undecided_refund_changes_nothing(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    assert look_again(deps, name(deps), gateway_key="nobody's") is Seen.UNKNOWN
    assert look_again(deps, name(deps)) is Seen.UNKNOWN
    gateway.script.append(Unknown("time-out"))
    pay_trip(client)
    (key,) = rows(deps, idempotency_keys)

    assert look_again(deps, name(deps), gateway_key=key["gateway_key"]) is Seen.OPEN
    assert look_again(deps, "another", gateway_key=key["gateway_key"]) is Seen.UNKNOWN


def test_refund_made_by_the_gateway_after_its_decline_needs_a_person(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    number = trip_id_of(pay_trip(client))
    gateway.script.append(DECLINED)
    refund_trip(client, number)

    assert look_again(deps, name(deps), gateway_key=gateway.approve_after_all()) is Seen.REVIEW

    *_, refund = rows(deps, idempotency_keys)
    assert refund["review_reason"] == "FAILED here, and later approved 150.00 INR at the gateway"
    assert {each.invariant for each in verify(deps)} == {"S3"}


def test_reversed_refund_is_shown_in_the_shape_of_each_channel(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    booker = Booker(app, "user-1")
    booking = booker.paid()
    booker.refund(booking, "r1")
    order = charge_order(client).get_json()["payment_id"]
    refund_order(client, order)
    transaction = checkouts.paid(client)
    checkouts.refund(client, transaction, 40, "r2")

    for number in range(3):
        look_again(deps, name(deps), gateway_key=gateway.fail_refund(number))

    assert payment_of(booker.show(booking))["status"] == "completed"
    assert client.get(f"/v1/payments/{order}").get_json()["status"] == "COMPLETED"
    assert checkouts.shown(client, transaction)["status"] == "captured"
    purge_answers(deps)
    assert booker.refund(booking, "r1").status_code == 402
    assert checkouts.refund(client, transaction, 40, "r2").status_code == 400
    assert list(verify(deps)) == []
