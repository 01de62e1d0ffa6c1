"""The service shows, counts and alerts matters for a person; the worker continues at a bounded pace."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.domain.operations import Purpose
from payment_service.gateways.base import Contradiction, Declined, Unknown
from payment_service.gateways.mollie import MollieGateway
from payment_service.models import idempotency_keys, payments, timers, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.changing import ChangingGateway
from tests.support.checkouts import body_of, process
from tests.support.database import assert_due, expire_leases, is_due, recover_all, rows
from tests.support.gateways import LedgerGateway
from tests.support.instructions import PATIENT
from tests.support.mollie_bank import KEY, MollieBank, mollie_bank
from tests.support.operators import page, signed_in, words
from tests.support.paying_by_token import BACK, key_row, pay
from tests.support.stripe_replies import error, http, intent, stripe_that_says

LOST = Unknown("the answer was lost")
REVERSED = "amount_refunds_reversed_total"


def told(client: FlaskClient) -> dict[str, float]:
    """Return the values of /metrics, by name and labels."""
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def undecided_rows(deps: Dependencies) -> int:
    """Return how many attempts the journal has that ended undecided."""
    return sum(row["version"] is None for row in rows(deps, transactions))


@pytest.fixture
def at_mollie() -> Iterator[tuple[MollieBank, MollieGateway]]:
    with ExitStack() as stack:
        bank = stack.enter_context(mollie_bank())
        gateway = MollieGateway(KEY, base=bank.url, connect_timeout=PATIENT, read_timeout=PATIENT)
        stack.callback(gateway.close)
        yield bank, gateway


@pytest.mark.parametrize("status", [401, 403])
def test_charge_with_a_rejected_api_key_answers_503_and_is_shown_to_operators(make_app: MakeApp, status: int) -> None:
    """Nothing was executed, and nothing is the customer's fault. It is mended by another key, and then charged."""
    rejected = http(status, error("secret_key_required"))
    replies = [rejected, rejected, http(200, intent(currency="inr")), http(200, intent("succeeded", currency="inr"))]
    with stripe_that_says(*replies) as (gateway, _):
        app = make_app(gateway=gateway)
        client, deps = app.test_client(), dependencies_of(app)
        assert client.get("/health/ready").get_json()["gateways"] == {deps.gateways.default: True}

        refused = pay(client, "k1", "pm_card_visa")

        assert (refused.status_code, refused.json["code"]) == (503, "gateway_unavailable")
        assert "turned this service away: nothing has moved" in refused.text
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.get_json()["gateways"]) == (200, {deps.gateways.default: False})
        assert told(client)["operations_for_review"] == 1
        assert any("rejected" in name and count for name, count in told(client).items())
        shown = words(page(signed_in(app)))
        assert "1 need a person" in shown
        assert "Needs a person: the gateway does not accept this service" in shown

        for _ in range(2):
            recover_all(deps)
        assert rows(deps, payments)[0]["status"] == "CAPTURED"
        assert client.get("/health/ready").get_json()["gateways"] == {deps.gateways.default: True}
        assert (key_row(deps)["review_reason"], told(client)["operations_for_review"]) == (None, 0)
        assert undecided_rows(deps) == 1


def test_operation_without_valid_credentials_is_retried_and_then_needs_no_person(
    make_app: MakeApp, at_mollie: tuple[MollieBank, MollieGateway]
) -> None:
    bank, gateway = at_mollie
    app = make_app(gateway=gateway)
    client, deps = app.test_client(), dependencies_of(app)
    bank.arm("tell_before", "/payments", status=401)
    assert pay(client, card=None, return_url=BACK).status_code == 503
    reason = key_row(deps)["review_reason"]
    assert reason.startswith("the gateway does not accept this service's credentials: Mollie")
    assert (gateway.accepts_us,) == (False,)
    recover_all(deps)
    assert (key_row(deps)["review_reason"], rows(deps, payments)[0]["status"]) == (None, "REQUIRES_ACTION")
    assert gateway.accepts_us

    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(attempts=20))
    (reference,) = bank.payments
    bank.arm("tell_before", reference, status=403)
    expire_leases(deps)
    begun = clock.now()
    recover(deps)
    assert_due(300, rows(deps, timers)[-1]["due_at"], since=begun, within=1)


def test_contradiction_is_counted_on_the_operations_page_and_in_metrics(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(Contradiction("the gateway knows the key with another request"))
    assert pay_trip(client).status_code == 202
    figures = told(client)
    assert figures["operations_for_review"] == 1
    assert any('outcome="contradiction"' in name for name in figures)
    shown = words(page(signed_in(app)))
    assert "1 need a person" in shown
    assert "Needs a person: the gateway knows the key with another request" in shown


def test_operations_page_lists_keys_that_need_a_person_first(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    for number in range(25):
        gateway.script.append(LOST)
        pay_trip(client, trip_id=number + 1, idempotency_key=f"k{number}")
    gateway.script.append(Contradiction("of another request"))
    pay_trip(client, trip_id=99, idempotency_key="contradicted")
    with deps.database.atomic("test") as connection:
        connection.execute(update(timers).values(due_at=clock.now() - timedelta(hours=1)))
        last = rows(deps, timers)[-1]["what"]
        connection.execute(update(timers).where(timers.c.what == last).values(due_at=clock.now() + timedelta(hours=1)))
    assert "Needs a person: of another request" in words(page(signed_in(app)))


def test_look_ups_without_news_write_one_journal_row(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """An operation that waits for a person is looked up every hour, maybe for weeks."""
    gateway.script.append(LOST)
    gateway.found.extend([LOST] * 30)
    pay_trip(client)
    assert undecided_rows(deps) == 1
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(created_at=clock.now() - timedelta(hours=25)))
    for _ in range(10):
        recover_all(deps)
    assert undecided_rows(deps) == 2, "the first attempt, and that it became a person's matter"
    gateway.found.clear()
    gateway.found.extend([Contradiction("another request")] * 2)
    for _ in range(2):
        recover_all(deps)
    assert undecided_rows(deps) == 3, "another reason is news"


def test_reversal_that_is_always_declined_continues_at_a_bounded_pace_and_needs_a_person(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.lose_answer)
    body_of(process(client), 202)
    recover_all(deps)
    pauses, attempts, in_time = [60, 120, 240, 480, 960, 1920, 3600, 3600], [], []
    for pause in pauses:
        gateway.script.append(Declined("REFUND_REFUSED", "The account is closed"))
        begun = clock.now()
        recover_all(deps)
        reversal = key_row(deps)
        attempts.append((reversal["purpose"], reversal["request_path"], reversal["review_reason"]))
        in_time.append(is_due(pause, rows(deps, timers)[-1]["due_at"], since=begun, within=1))
    assert in_time == [True] * len(pauses)
    assert attempts == [
        (
            Purpose.REVERSAL,
            f"reverse/{number + 1}",
            f"the gateway has declined {number} reversals: The account is closed" if number >= 5 else None,
        )
        for number in range(1, len(pauses) + 1)
    ]

    figures = told(client)
    assert (figures["reversals_open"], figures["operations_for_review"]) == (1, 1)
    assert "Needs a person: the gateway has declined 8 reversals" in words(page(signed_in(app)))
    gateway.script.append(LOST)
    recover_all(deps)
    assert key_row(deps)["review_reason"], "a lost answer takes nothing back"
    recover_all(deps)
    figures = told(client)
    assert (figures["reversals_open"], figures["operations_for_review"]) == (0, 0)
    assert rows(deps, payments)[0]["status"] == "FAILED"
    assert list(verify(deps)) == []


def test_refund_figures_never_fall_and_reversed_refunds_are_counted_apart(make_app: MakeApp) -> None:
    gateway = ChangingGateway()
    app = make_app(gateway=gateway)
    client, deps = app.test_client(), dependencies_of(app)
    number = trip_id_of(pay_trip(client))
    for key, amount in (("a", 50), ("b", 30)):
        refund_trip(client, number, idempotency_key=key, amount=amount)

    def figures() -> tuple[Any, ...]:
        found = told(client)
        by_currency = [found.get(f'{name}{{currency="INR"}}') for name in ("amount_refunded_total", REVERSED)]
        return (found["refunds_processed_total"], found["refunds_reversed_total"], *by_currency)

    assert figures() == (2, 0, 80, None)
    look_again(deps, deps.gateways.default, gateway_key=gateway.fail_refund(0))
    assert figures() == (2, 1, 80, 50)
    assert rows(deps, payments)[0]["refunded_amount"] == 80 - 50
    assert told(client)["total_refunds"] == 80
