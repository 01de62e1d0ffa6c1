"""T4: an operator can empty the personal data of a subject. Release 1.0.0 had no way to."""

import json
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import update

from payment_service.models import (
    idempotency_keys,
    metadata,
    outbox_deliveries,
    payment_refunds,
    payments,
    transactions,
    users,
)
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support import orders
from tests.support.bookers import Booker, payment_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.chained import KEY
from tests.support.database import rows
from tests.support.gateways import LedgerGateway

ANN = "ann@example.com"


@pytest.fixture
def app(make_app: MakeApp, database_url: str) -> Flask:
    """Return a service that connects as the owner of the tables, as the command must."""
    url = database_url.replace("payments_app", "payments_owner")
    return make_app(database_url=url, journal_key=(KEY,), rabbitmq_enabled=True)


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


def forget(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["forget-subject", *words])


def deliver_all(deps: Dependencies) -> None:
    with deps.database.atomic("test") as connection:
        connection.execute(update(outbox_deliveries).values(status="DELIVERED"))


def told_of_ann(deps: Dependencies) -> set[str]:
    """Return the columns in which Ann's address stands."""
    return {
        f"{table.name}.{name}"
        for table in metadata.tables.values()
        for row in rows(deps, table)
        for name, value in row.items()
        if ANN in str(value)
    }


def ann_was_here(app: Flask) -> None:
    """Put Ann's address into every place that a caller or the auth service can reach."""
    client = app.test_client()
    headers = Booker(app, "ann", scope="payments:charge payments:refund").headers
    charge = {"idempotency_key": "ann's", "trip_id": 7, "amount": 90, "method": "CARD", "metadata": {"note": ANN}}
    paid: Any = client.post("/payments", json=charge, headers=headers).json
    refund = {"idempotency_key": "back", "amount": 10, "metadata": {"reason": f"asked by {ANN}"}}
    assert client.post(f"/payments/{paid['payment_id']}/refunds", json=refund, headers=headers).status_code == 200
    ann = Booker(app, "ann", email=ANN, is_verified=True, scope="payments:service")
    ann.patch(ann.made(), "called off", status="cancelled", transaction_ref=ANN)


def test_t4_forgotten_subject_is_in_no_table_and_verify_finds_no_violation(app: Flask, deps: Dependencies) -> None:
    ann_was_here(app)
    deliver_all(deps)
    before = told_of_ann(deps)
    assert {"payments.metadata", "users.email", "transactions.caller_note", "payment_refunds.reason"} <= before
    assert "idempotency_keys.response_data" in before

    result = forget(app, "ann", "--actor", "ben")

    assert (result.exit_code, result.stdout) == (0, "2 payments emptied, and the user\n"), result.output
    assert told_of_ann(deps) == set()
    assert [str(each) for each in verify(deps)] == []
    said = [(row["actor"], row["description"]) for row in rows(deps, transactions) if row["move"] == "erased"]
    assert said == [("ben", "Texts of the caller were emptied")] * 2


def test_t4_money_and_keys_stay_and_a_repeat_charges_nothing(
    app: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    ann = Booker(app, "ann", email=ANN)
    number = ann.made()
    paid = ann.process(number, "pay")
    deliver_all(deps)
    kept = ("amount", "captured_amount", "status", "subject", "version", "transaction_id")
    money = [[row[name] for name in kept] for row in rows(deps, payments)]

    assert forget(app, "ann").exit_code == 0

    assert [[row[name] for name in kept] for row in rows(deps, payments)] == money
    again = ann.process(number, "pay")
    assert (again.status_code, payment_of(again)["status"]) == (200, payment_of(paid)["status"])
    assert len(gateway.sent) == 1
    assert [row["response_data"] for row in rows(deps, idempotency_keys) if row["kind"]] == [None]


def test_t4_forgetting_again_writes_nothing(app: Flask, deps: Dependencies) -> None:
    ann_was_here(app)
    deliver_all(deps)
    forget(app, "ann")
    journal = rows(deps, transactions)

    assert forget(app, "ann").stdout == "0 payments emptied\n"

    assert rows(deps, transactions) == journal


def test_t4_other_subjects_are_unchanged(app: Flask, deps: Dependencies) -> None:
    client = app.test_client()
    refund_trip(client, trip_id_of(pay_trip(client, metadata={"note": ANN})), amount=10)
    Booker(app, "ben", email=ANN).paid()
    deliver_all(deps)
    before = {table: rows(deps, table) for table in (payments, payment_refunds, users, idempotency_keys)}

    assert forget(app, "ann").stdout == "0 payments emptied\n"

    assert {table: rows(deps, table) for table in before} == before


def test_t4_customer_of_a_service_is_forgotten_in_the_channel_that_knows_it(app: Flask, deps: Dependencies) -> None:
    order = orders.paid(orders.charge_order(app.test_client(), user_id=7))
    orders.refund_order(app.test_client(), order["payment_id"], reason=f"{ANN} has changed her mind")
    deliver_all(deps)
    assert told_of_ann(deps)

    assert forget(app, "7", "--channel", "trips").stdout == "0 payments emptied\n"
    result = forget(app, "7", "--channel", "orders")
    assert result.stdout == "1 payments emptied\n", (result.output, result.exception)

    assert told_of_ann(deps) == set()
    assert [str(each) for each in verify(deps)] == []


def test_t4_payment_with_an_undelivered_event_is_kept_and_reported(app: Flask, deps: Dependencies) -> None:
    Booker(app, "ann", email=ANN).paid()
    (payment,) = rows(deps, payments)
    bodies = [row["body"] for row in rows(deps, outbox_deliveries)]
    assert bodies

    result = forget(app, "ann", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"payments": 0, "user": True, "left": [payment["payment_id"]]}
    assert f"something is unfinished there: {payment['payment_id']}" in result.stderr
    assert [row["body"] for row in rows(deps, outbox_deliveries)] == bodies


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_t4_forgetting_needs_the_owner_of_the_tables(make_app: MakeApp) -> None:
    result = forget(make_app(), "ann")

    message = "Error: only the role that owns the tables may do this: connect as payments_owner\n"
    assert (result.exit_code, result.stderr) == (1, message)


@pytest.mark.parametrize("words", [["", "--actor", "ben"], ["ann", "--channel", "cinema"]])
def test_t4_empty_subject_or_unknown_channel_is_refused(app: Flask, words: list[Any]) -> None:
    assert forget(app, *words).exit_code == 2
