"""Disputes: the gateway's object decides, sums cover all rows, and the service refunds nothing unasked."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.models import disputes as table
from payment_service.models import payments, transactions
from payment_service.services import disputes
from payment_service.services.business_metrics import current
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts
from tests.support.changing import ChangingGateway
from tests.support.checkouts import body_of
from tests.support.database import events, rows
from tests.support.every_event import DECLINED
from tests.support.operators import page, signed_in
from tests.support.orders import charge_order


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


def told(deps: Dependencies, reference: str) -> Seen:
    """Return the result of a notice about a dispute."""
    return look_again(deps, deps.gateways.default, reference=reference)


def sums(deps: Dependencies) -> tuple[str, Any, Any]:
    """Return status, disputed and charged back amount of the only payment, after `verify` has found nothing."""
    assert list(verify(deps)) == []
    (row,) = rows(deps, payments)
    return row["status"], row["disputed_amount"], row["charged_back_amount"]


def test_dispute_that_is_opened_and_lost_limits_what_can_be_refunded(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    transaction = checkouts.paid(client)

    assert told(deps, gateway.show("dp_1", amount="60")) is Seen.REVISED
    assert sums(deps) == ("CAPTURED", 60, 0)
    assert told(deps, gateway.show("dp_1", "lost", amount="60")) is Seen.REVISED
    assert sums(deps) == ("CAPTURED", 0, 60)

    assert checkouts.refund(client, transaction, 41).status_code == 400
    assert checkouts.refund(client, transaction, 40).status_code == 200
    assert sums(deps) == ("PARTIALLY_REFUNDED", 0, 60)
    assert gateway.count(Kind.REFUND) == 1


def test_lesson_33_status_of_the_object_decides_and_not_the_event_type(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.paid(client)
    told(deps, gateway.show("dp_1"))

    gateway.show("dp_1", "lost")  # for each type of event: funds_reinstated, closed, updated
    told(deps, "dp_1")

    assert sums(deps) == ("CAPTURED", 0, 100)
    assert [row["gateway_status"] for row in rows(deps, table)] == ["lost"]


def test_lesson_34_lost_dispute_that_is_won_the_next_day_can_be_refunded_again(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    transaction = checkouts.paid(client)
    for word in ("needs_response", "lost", "won"):
        told(deps, gateway.show("dp_1", word))

    assert sums(deps) == ("CAPTURED", 0, 0)
    assert checkouts.refund(client, transaction, 100).status_code == 200
    found = [row["event_type"] for row in rows(deps, transactions) if row["move"].startswith("disput")]
    assert found == ["payment.disputed", "payment.dispute_lost", "payment.dispute_won"]


def test_lesson_35_sweep_follows_a_dispute_to_its_end_without_any_notice(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.paid(client)
    gateway.show("dp_1")
    assert disputes.sweep(deps) == 1
    gateway.show("dp_1", "under_review")
    assert disputes.sweep(deps) == 0  # still open: no event, but the row shows it
    assert [row["gateway_status"] for row in rows(deps, table)] == ["under_review"]

    gateway.show("dp_1", "won")
    assert disputes.sweep(deps) == 1
    assert sums(deps) == ("CAPTURED", 0, 0)


def test_lesson_36_several_disputes_of_a_charge_are_summed(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.paid(client)
    for number, amount in enumerate(("30", "20", "10")):
        told(deps, gateway.show(f"dp_{number}", amount=amount))
    assert sums(deps) == ("CAPTURED", 60, 0)

    told(deps, gateway.show("dp_0", "lost", amount="30"))
    told(deps, gateway.show("dp_1", "won", amount="20"))

    assert sums(deps) == ("CAPTURED", 10, 30)


def test_lesson_37_refund_and_chargeback_of_the_same_money_are_both_booked(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    transaction = checkouts.paid(client)
    checkouts.refund(client, transaction, 80)

    told(deps, gateway.show("dp_1", "lost"))

    assert sums(deps) == ("PARTIALLY_REFUNDED", 0, 100)
    assert checkouts.refund(client, transaction, 1).status_code == 400


def test_dispute_in_another_currency_needs_a_person_and_is_not_counted(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.paid(client)

    assert told(deps, gateway.show("dp_1", currency="EUR")) is Seen.REVIEW

    assert sums(deps) == ("CAPTURED", 0, 0)
    later = current(deps).later
    assert (later.disputes_open, later.disputes_unfit) == (1, 1)
    assert not [row for row in rows(deps, transactions) if "disput" in row["move"]]


@pytest.mark.parametrize("word", ["needs_response", "lost"])
def test_repeated_notice_makes_one_change(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway, word: str
) -> None:
    checkouts.paid(client)
    gateway.show("dp_1", word)

    assert [told(deps, "dp_1"), told(deps, "dp_1")] == [Seen.REVISED, Seen.UNCHANGED]
    assert len(rows(deps, table)) == 1


def test_dispute_of_an_unknown_payment_is_ignored(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.paid(client)
    gateway.show("dp_1")
    gateway.ledger.clear()
    gateway.listed = {"dp_2": replace(gateway.listed["dp_1"], reference="dp_2", gateway_key="x")}

    assert told(deps, "dp_2") is Seen.UNKNOWN
    assert told(deps, "dp_3") is Seen.UNKNOWN
    gateway.is_silent = True
    assert told(deps, "dp_2") is Seen.UNDECIDED
    assert rows(deps, table) == []


def test_event_of_a_dispute_has_its_payment_and_amount(make_app: MakeApp, gateway: ChangingGateway) -> None:
    app = make_app(rabbitmq_enabled=True)
    deps = dependencies_of(app)
    checkouts.paid(app.test_client())

    told(deps, gateway.show("dp_1", amount="60"))

    kind, data = events(deps)[-1]
    assert kind == "payment.disputed"
    assert data["dispute"] == {
        "reference": "dp_1",
        "status": "OPEN",
        "amount": 60.0,
        "currency": "USD",
        "reason": "fraudulent",
        "evidence_due_at": "2031-01-01T00:00:00.000000",
    }


def test_transactions_of_an_order_show_no_dispute(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    number = charge_order(client).get_json()["payment_id"]
    before = client.get(f"/v1/payments/{number}").get_json()["transactions"]

    told(deps, gateway.show("dp_1", amount="100", currency="INR"))

    assert client.get(f"/v1/payments/{number}").get_json()["transactions"] == before
    assert sums(deps) == ("CAPTURED", 100, 0)


def test_dispute_of_a_failed_payment_is_bookable(
    client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    """A charge that was approved too late and reversed may be disputed like any other."""
    gateway.script.append(DECLINED)
    body_of(checkouts.process(client, "key"), 200)
    look_again(deps, deps.gateways.default, gateway_key=gateway.approve_after_all())

    assert told(deps, gateway.show("dp_1")) is Seen.REVISED
    assert sums(deps) == ("FAILED", 100, 0)


def test_operations_page_shows_disputes(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: ChangingGateway
) -> None:
    checkouts.paid(client)
    told(deps, gateway.show("dp_1", amount="60"))
    told(deps, gateway.show("dp_2", currency="EUR"))
    (row,) = rows(deps, payments)

    operator = signed_in(app)
    shown = page(operator, f"/ops/payments/{row['payment_id']}")
    overview = page(operator)

    assert "dp_1" in shown
    assert "fraudulent" in shown
    assert "Needs a person: another currency" in shown
    assert "<strong>2</strong> open disputes" in overview
    assert "1 in another currency" in overview
